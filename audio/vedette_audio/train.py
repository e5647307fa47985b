"""``train``: from a manifest to a run folder that explains itself.

A run folder holds ``config.json``, ``log.jsonl`` (one line per epoch), ``last.pt`` (to resume this run, and
only that) and ``best.safetensors`` with ``best.json`` (averaged weights of the best evaluation on ``val``).
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
import torchaudio
from safetensors.torch import save_file
from torch import Tensor, nn

from vedette_audio import teacher as teaching
from vedette_audio.augment import spec_augment
from vedette_audio.dataset import SoundCache, read_manifest, share_targets, twin_types, without_doubles
from vedette_audio.features import N_FFT, frames_in, samples_for
from vedette_audio.network import Student, build_network, initial_weights
from vedette_audio.scenes import Scene, SceneMaker
from vedette_audio.torch_features import TorchLogMel, to_picture
from vedette_audio.unfold import from_bundle, give_norms_work
from vedette_audio.validation import Validation
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import ConfigError, DataError
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import FIREARMS

_TYPES = len(FIREARMS)
_EXAMPLES = 8  # batches from which the norms of a bundle take their statistics
_AVERAGE_EVERY = 4  # steps: adding every one costs 7 % of the run
_MAY_CHANGE = {"epochs", "minutes", "evaluate_every", "save_minutes"}
Log = Callable[[dict[str, Any]], None]


@dataclass
class _Progress:
    """What a resumed run must know besides its weights."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = -1.0


class Trainer:
    """One training run; ``run()`` goes on from where the run folder says it stopped."""

    def __init__(
        self, config: AudioTrainConfig, manifest: Path, out: Path, *, cache: Path | None = None
    ) -> None:
        self.config, self.out = config, out
        torch.manual_seed(config.seed)
        clips = read_manifest(manifest)
        sounds = SoundCache.open(manifest.parent, clips, cache or out / "cache")
        if config.merge_twins:
            clips = share_targets(clips, twin_types(clips, sounds))
        clips = without_doubles(clips, sounds)
        training = [clip for clip in clips if clip.split == "train"]
        if not any(clip.shot for clip in training) or all(clip.shot for clip in training):
            raise DataError(f"{manifest}: training needs clips with and without shots")
        frames = frames_in(round(config.chunk * SAMPLE_RATE))
        self.scenes = SceneMaker(training, sounds, config, samples_for(frames))
        self.short_scenes = SceneMaker(training, sounds, config, samples_for(frames // 2))
        self.validation = Validation([clip for clip in clips if clip.split == "val"], sounds, frames)
        self.teacher = teaching.Teacher.load(config.teacher) if config.teacher else None
        weights = initial_weights(config.pretrained, config.weights)
        bundled = weights is not None and Path(weights).is_dir()
        if weights is not None and bundled:
            backbone = from_bundle(config.architecture, weights)
        else:
            backbone = build_network(config.architecture, weights=weights)
        self.student = Student(
            backbone,
            len(self.scenes.fine_names),
            teaching.CLASSES if self.teacher else 0,
            teaching.EMBEDDING if self.teacher else 0,
        )
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mel = TorchLogMel(center=False)
        self.progress = _Progress()
        self.steps_per_epoch = math.ceil(config.crops / config.batch)
        if bundled:
            give_norms_work(self.student.backbone, (self._example(step) for step in range(_EXAMPLES)))
        self.average = _tensors(self.student, copy=True)
        decayed = [p for p in self.student.parameters() if p.ndim > 1]
        plain = [p for p in self.student.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": config.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
        )

    # -- one step ------------------------------------------------------------------------------------------

    def batch(self, step: int) -> list[Scene]:
        """The scenes of a step: the same for the same seed and step, whatever came before."""
        rng = np.random.default_rng((self.config.seed, step))
        scenes = self.short_scenes if self.share() < self.config.short_share else self.scenes
        return [scenes.draw(rng) for _ in range(self.config.batch)]

    def _example(self, step: int) -> Tensor:
        return self.pictures(torch.from_numpy(np.stack([scene.sound for scene in self.batch(step)])), step)

    def pictures(self, sounds: Tensor, step: int) -> Tensor:
        """Network input of ``sounds``, sometimes with bands and times blanked."""
        pictures = to_picture(self.mel(sounds))
        rng = np.random.default_rng((self.config.seed, step, 1))
        chosen = rng.random(len(pictures)) < self.config.augment.spectrogram
        for index in np.flatnonzero(chosen):
            spec_augment(pictures[index, 0].numpy(), rng)
        return pictures.contiguous(memory_format=torch.channels_last)

    def loss(self, scenes: list[Scene], step: int) -> tuple[Tensor, dict[str, float]]:
        """Weighted loss of a batch and its parts."""
        sounds = torch.from_numpy(np.stack([scene.sound for scene in scenes]))
        targets = torch.from_numpy(np.stack([scene.targets for scene in scenes]))
        mask = torch.from_numpy(np.stack([scene.mask for scene in scenes]))
        fine = torch.from_numpy(np.stack([scene.fine for scene in scenes]))
        pictures = self.pictures(sounds, step)  # outside of autocast: mels need float32
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bf16):
            logits, fine_logits, tags, embedding = self.student(pictures)
        logits = logits.float()
        smooth = targets * (1 - 2 * self.config.smoothing) + self.config.smoothing
        each = F.binary_cross_entropy_with_logits(logits, smooth, reduction="none") * mask
        parts = {
            "shot": each[:, _TYPES].mean(),
            "types": self.config.type_weight * each[:, :_TYPES].sum(dim=1).mean(),
            "which": self.config.type_weight * _ranking(logits[:, :_TYPES], targets[:, :_TYPES]),
            "fine": self.config.fine_weight
            * 4
            * F.binary_cross_entropy_with_logits(fine_logits.float(), fine),
        }
        if self.teacher is not None and tags is not None and embedding is not None:
            parts |= self._taught(self.teacher, sounds, tags.float(), embedding.float())
        total = torch.stack(list(parts.values())).sum()
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def _taught(
        self, tutor: teaching.Teacher, sounds: Tensor, tags: Tensor, embedding: Tensor
    ) -> dict[str, Tensor]:
        """Agreement with the teacher on the very same sound."""
        inner = sounds[:, N_FFT // 2 : sounds.shape[1] - N_FFT // 2]
        logits, wanted = tutor.outputs(
            torchaudio.functional.resample(inner, SAMPLE_RATE, teaching.SAMPLE_RATE)
        )
        soft, wanted = torch.sigmoid(logits).clone(), wanted.clone()
        wanted = F.layer_norm(wanted, wanted.shape[1:])
        weight = self.config.teacher_weight
        return {
            "tags": weight * 20 * F.binary_cross_entropy_with_logits(tags, soft),
            "embedding": weight * F.mse_loss(embedding, wanted),
        }

    def share(self) -> float:
        """How much of the run is done, 0..1: of its steps, or of its minutes where they are limited."""
        share = self.progress.step / (self.config.epochs * self.steps_per_epoch)
        if self.config.minutes is not None:
            share = max(share, self.progress.seconds / (60 * self.config.minutes))
        return min(1.0, share)

    def rate(self) -> float:
        """Learning rate now: linear warm-up, then cosine over the run."""
        config, step = self.config, self.progress.step
        warm = config.warmup_epochs * self.steps_per_epoch
        fall = 0.5 * (1 + math.cos(math.pi * self.share())) if config.schedule == "cosine" else 1.0
        return config.learning_rate * min(1.0, (step + 1) / max(warm, 1.0)) * max(fall, 1e-3)

    def step(self) -> dict[str, float]:
        """Draw, learn, average."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.student.train()
        total, parts = self.loss(self.batch(self.progress.step), self.progress.step)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        self.progress.step += 1
        if self.progress.step % _AVERAGE_EVERY == 0 or self.progress.step < _AVERAGE_EVERY:
            self._add_to_average()
        return parts

    def _add_to_average(self) -> None:
        done = self.progress.step / _AVERAGE_EVERY
        decay = min(self.config.average**_AVERAGE_EVERY, (1 + done) / (10 + done))
        now = _tensors(self.student)
        floating = [name for name, value in now.items() if value.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([self.average[n] for n in floating], [now[n] for n in floating], 1 - decay)
            for name in set(now) - set(floating):
                self.average[name].copy_(now[name])

    # -- the run -------------------------------------------------------------------------------------------

    def run(self, *, resume: bool = True, log: Log | None = None) -> Path:
        """Train to the end; returns the run folder. A kill loses at most ``save_minutes``."""
        self.out.mkdir(parents=True, exist_ok=True)
        if resume and (self.out / "last.pt").is_file():
            self._restore()
        (self.out / "config.json").write_text(self.config.model_dump_json(indent=1))
        while self.progress.epoch < self.config.epochs and not self._out_of_time():
            line = self._epoch()
            last = self.progress.epoch == self.config.epochs or self._out_of_time()
            if last or self.progress.epoch % self.config.evaluate_every == 0:
                line |= self._evaluate()
            self.save()
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            if log is not None:
                log(line)
        return self.out

    def _out_of_time(self) -> bool:
        return self.config.minutes is not None and self.progress.seconds >= 60 * self.config.minutes

    def _epoch(self) -> dict[str, Any]:
        sums: dict[str, float] = {}
        count, saved = 0, time.monotonic()
        end = (self.progress.epoch + 1) * self.steps_per_epoch
        while self.progress.step < end and not self._out_of_time():
            begin = time.monotonic()
            for name, value in self.step().items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
            self.progress.seconds += time.monotonic() - begin
            if time.monotonic() - saved > 60 * self.config.save_minutes:
                self.save()
                saved = time.monotonic()
        self.progress.epoch += 1
        losses = {name: round(value / max(count, 1), 4) for name, value in sums.items()}
        return {
            "epoch": self.progress.epoch,
            "step": self.progress.step,
            "minutes": round(self.progress.seconds / 60, 2),
            "rate": round(self.rate(), 7),
            "loss": losses,
        }

    def _evaluate(self) -> dict[str, Any]:
        begin = time.monotonic()
        kept = _tensors(self.student, copy=True)
        self.student.load_state_dict(self.average)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bf16):
            figures = self.validation.figures(self.student.backbone)
        if figures["score"] > self.progress.best:
            self.progress.best = figures["score"]
            weights = {k: v.contiguous() for k, v in self.student.backbone.state_dict().items()}
            save_file(weights, self.out / "best.safetensors.part")
            os.replace(self.out / "best.safetensors.part", self.out / "best.safetensors")
            note = {"architecture": self.config.architecture, "epoch": self.progress.epoch, **figures}
            (self.out / "best.json").write_text(json.dumps(note, indent=1))
        self.student.load_state_dict(kept)
        self.progress.seconds += time.monotonic() - begin
        return {"val": {name: round(value, 4) for name, value in figures.items()}}

    def save(self) -> None:
        """Everything a resumed run needs, written whole or not at all."""
        state = {
            "student": self.student.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "progress": vars(self.progress),
        }
        torch.save(state, self.out / "last.pt.part")
        os.replace(self.out / "last.pt.part", self.out / "last.pt")

    def _restore(self) -> None:
        """Take up the run of this folder. Raises ConfigError where it was made with other settings."""
        before = json.loads((self.out / "config.json").read_text(encoding="utf-8"))
        now = self.config.model_dump(mode="json")
        different = [key for key, value in now.items() if before.get(key) != value and key not in _MAY_CHANGE]
        if different:
            raise ConfigError(
                f"{self.out} holds a run with another {different[0]}: {before.get(different[0])!r}",
                hint="resume it with its own settings, or train into another folder",
            )
        state = torch.load(self.out / "last.pt", weights_only=True)
        self.student.load_state_dict(state["student"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = _Progress(**state["progress"])


def _tensors(module: nn.Module, *, copy: bool = False) -> dict[str, Tensor]:
    """Parameters and buffers by name, as they are or copied."""
    found = dict(module.named_parameters()) | dict(module.named_buffers())
    return {name: value.detach().clone() if copy else value for name, value in found.items()}


def _ranking(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy between the types of a typed shot: the right one above the others; twins share it."""
    typed = targets.sum(dim=1) > 0
    if not bool(typed.any()):
        return logits.sum() * 0.0
    wanted = targets[typed] / targets[typed].sum(dim=1, keepdim=True)
    return F.cross_entropy(logits[typed], wanted, label_smoothing=0.05) * typed.float().mean()


def train(
    config: AudioTrainConfig,
    manifest: str | Path,
    out: str | Path,
    resume: bool = True,
    *,
    cache: str | Path | None = None,
    log: Log | None = None,
) -> Path:
    """Train the sound network on the ``train`` clips of ``manifest`` and return the run folder ``out``.

    ``cache`` is where decoded sound is kept (default: in the run folder). With ``resume`` a run that was
    stopped goes on where it was; without, it starts anew. ``log`` gets one dict per epoch.

    Raises:
        DataError: a manifest that cannot be used. ConfigError: weights that are missing or do not fit.
    """
    trainer = Trainer(config, Path(manifest), Path(out), cache=Path(cache) if cache else None)
    return trainer.run(resume=resume, log=log)
