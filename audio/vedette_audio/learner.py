"""A network that learns: what one step draws, what it is told, and the running average that is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
import torchaudio
from torch import Tensor, nn

from vedette_audio import teacher as teaching
from vedette_audio.augment import spec_augment, style_mix
from vedette_audio.checkpoint import start_file
from vedette_audio.device import Device
from vedette_audio.features import N_FFT, frames_in, samples_for
from vedette_audio.network import Student, build_network, initial_weights
from vedette_audio.scenes import Scene, SceneMaker
from vedette_audio.torch_features import TorchLogMel, to_picture
from vedette_audio.training_data import TrainingData
from vedette_audio.tutor import Tutors
from vedette_audio.unfold import from_bundle, give_norms_work
from vedette_base.config import AudioTrainConfig
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import FIREARMS

_TYPES = len(FIREARMS)
_EXAMPLES = 8  # batches from which the norms of a bundle take their statistics
_TEMPERATURE = 2.0  # of tutors and student where they are compared: what is second best counts, too
_AVERAGE_EVERY = 4  # steps: adding every one costs 7 % of the run


@dataclass
class Progress:
    """How far a run is."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    waited: int = 0
    """Evaluations since the best one."""


class Learner:
    """Network, teacher, scenes and optimiser of one run. The same seed gives the same numbers.

    Args:
        start: the network to train, and whether it comes from a bundle (see ``starting_network``).
    """

    def __init__(
        self, config: AudioTrainConfig, data: TrainingData, device: Device, start: tuple[Any, bool]
    ) -> None:
        self.config, self.device = config, device
        backbone, bundled = start
        self.teacher = teaching.Teacher.load(config.teacher) if config.teacher else None
        self.tutors = Tutors.load(config.tutors) if config.tutors else None
        self.predecessor = _predecessor(config, device)
        frames = frames_in(round(config.chunk * SAMPLE_RATE))
        self.scenes = SceneMaker(data.training, data.sounds, config, samples_for(frames))
        self.short_scenes = SceneMaker(data.training, data.sounds, config, samples_for(frames // 2))
        self.student = Student(
            backbone,
            len(self.scenes.fine_names),
            teaching.CLASSES if self.teacher else 0,
            teaching.EMBEDDING if self.teacher else 0,
        )
        self.student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mel = TorchLogMel(center=False)
        self.progress = Progress()
        self.steps_per_epoch = math.ceil(config.crops / (config.batch * config.accumulate))
        if bundled:
            give_norms_work(self.student.backbone, (self._example(step) for step in range(_EXAMPLES)))
        self.student.to(device.place)
        if self.teacher is not None:
            self.teacher.to(device.place)
        if self.tutors is not None:
            self.tutors.to(device.place)
        self.average = tensors(self.student, copy=True)
        decayed = [p for p in self.student.parameters() if p.ndim > 1]
        plain = [p for p in self.student.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": config.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
        )

    def batch(self, number: int) -> list[Scene]:
        """The scenes of a batch: the same for the same seed and number, whatever came before."""
        rng = np.random.default_rng((self.config.seed, number))
        scenes = self.short_scenes if self.share() < self.config.short_share else self.scenes
        return [scenes.draw(rng) for _ in range(self.config.batch)]

    def _example(self, number: int) -> Tensor:
        return self.pictures(torch.from_numpy(np.stack([s.sound for s in self.batch(number)])), number)

    def pictures(self, sounds: Tensor, number: int) -> Tensor:
        """Network input of ``sounds``, sometimes with bands and times blanked."""
        pictures = to_picture(self.mel(sounds))
        rng = np.random.default_rng((self.config.seed, number, 1))
        if rng.random() < self.config.augment.style_mix:
            style_mix(pictures.numpy(), rng)
        chosen = rng.random(len(pictures)) < self.config.augment.spectrogram
        for index in np.flatnonzero(chosen):
            spec_augment(pictures[index, 0].numpy(), rng)
        return pictures.contiguous(memory_format=torch.channels_last)

    def loss(self, scenes: list[Scene], number: int) -> tuple[Tensor, dict[str, float]]:
        """Weighted loss of a batch and its parts."""
        place = self.device.place
        sounds = torch.from_numpy(np.stack([scene.sound for scene in scenes]))
        targets = torch.from_numpy(np.stack([scene.targets for scene in scenes])).to(place)
        mask = torch.from_numpy(np.stack([scene.mask for scene in scenes])).to(place)
        fine = torch.from_numpy(np.stack([scene.fine for scene in scenes])).to(place)
        pictures = self.pictures(sounds, number).to(place)  # outside of autocast: mels need float32
        with self.device.mixed_precision():
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
        if self.tutors is not None:
            parts["tutored"] = self.config.tutor_weight * self._tutored(
                self.tutors, sounds, logits[:, :_TYPES], targets[:, :_TYPES].sum(dim=1) > 0
            )
        if self.predecessor is not None:
            with torch.no_grad(), self.device.mixed_precision():
                before = torch.sigmoid(self.predecessor(pictures)[:, _TYPES].float())
            parts["remembered"] = self.config.predecessor_weight * F.binary_cross_entropy_with_logits(
                logits[:, _TYPES], before
            )
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

    def _tutored(self, tutors: Tutors, sounds: Tensor, logits: Tensor, typed: Tensor) -> Tensor:
        """Agreement with the tutors on which firearm it is, over the typed shots of a batch."""
        if not bool(typed.any()):
            return logits.sum() * 0.0
        inner = sounds[:, N_FFT // 2 : sounds.shape[1] - N_FFT // 2][typed.cpu()]
        wanted = tutors.probabilities(inner, temperature=_TEMPERATURE)
        told = F.log_softmax(logits[typed] / _TEMPERATURE, dim=1)
        return F.kl_div(told, wanted, reduction="batchmean") * _TEMPERATURE**2 * typed.float().mean()

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
        """Draw, learn, average: one step of the optimiser, over ``accumulate`` batches."""
        config, step = self.config, self.progress.step
        torch.manual_seed(step)  # for dropout: the same whether or not the run was stopped before
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.student.train()
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        for number in range(step * config.accumulate, (step + 1) * config.accumulate):
            total, parts = self.loss(self.batch(number), number)
            (total / config.accumulate).backward()  # type: ignore[no-untyped-call]
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value / config.accumulate
        if config.gradient_clip:
            nn.utils.clip_grad_norm_(self.student.parameters(), config.gradient_clip)
        self.optimizer.step()
        self.progress.step += 1
        if self.progress.step % _AVERAGE_EVERY == 0 or self.progress.step < _AVERAGE_EVERY:
            self._add_to_average()
        return sums

    def _add_to_average(self) -> None:
        done = self.progress.step / _AVERAGE_EVERY
        decay = min(self.config.average**_AVERAGE_EVERY, (1 + done) / (10 + done))
        now = tensors(self.student)
        floating = [name for name, value in now.items() if value.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([self.average[n] for n in floating], [now[n] for n in floating], 1 - decay)
            for name in set(now) - set(floating):
                self.average[name].copy_(now[name])

    def state(self) -> dict[str, Any]:
        """Everything that ``restore`` needs, to be saved."""
        return {
            "student": self.student.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "progress": vars(self.progress),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Be what ``state()`` was."""
        self.student.load_state_dict(state["student"])
        self.average = {name: value.to(self.device.place) for name, value in state["average"].items()}
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])


def _predecessor(config: AudioTrainConfig, device: Device) -> nn.Module | None:
    """The network whose ``gunshot`` output is kept (Li and Hoiem, "Learning without Forgetting", 2016)."""
    if config.predecessor is None:
        return None
    network, _ = starting_network(config.model_copy(update={"weights": config.predecessor}))
    network.to(memory_format=torch.channels_last).to(device.place)
    frozen: nn.Module = network.eval().requires_grad_(False)
    return frozen


def starting_network(config: AudioTrainConfig) -> tuple[Any, bool]:
    """The network to train, and whether it comes from a bundle, whose norms are folded away.

    Raises:
        ConfigError: an architecture or weights that do not exist or do not fit.
    """
    weights = initial_weights(config.pretrained, config.weights)
    weights = start_file(weights, config.architecture)
    name, pooling, dropout = config.architecture, config.pooling, config.dropout
    if weights is not None and Path(weights).is_dir():
        return from_bundle(name, weights, pooling=pooling, dropout=dropout), True
    return build_network(name, weights=weights, pooling=pooling, dropout=dropout), False


def tensors(module: nn.Module, *, copy: bool = False) -> dict[str, Tensor]:
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
