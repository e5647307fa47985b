"""A tutor for firearm types: the public sound tagger, fine-tuned on a manifest's typed shots.

The tagger has heard all of AudioSet and is small, so it learns types from few recordings better than a large
network from scratch does; several of them (other seeds) together then teach the network that ships, on every
scene it is shown. Only training uses them; no bundle holds one.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
import torchaudio
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vedette_audio.augment import spec_augment, style_mix
from vedette_audio.scenes import Scene, SceneMaker
from vedette_audio.teacher import EMBEDDING, SAMPLE_RATE, Teacher, parts
from vedette_audio.training_data import TrainingData
from vedette_audio.validation import type_accuracy, windows
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import BundleError, DataError, OutputError
from vedette_base.media import SAMPLE_RATE as OURS
from vedette_base.score import AUDIO_LABELS, FIREARMS

Floats = npt.NDArray[np.float32]
Step = Callable[[float, float], None]
_BATCH, _STEPS_PER_EPOCH, _WARM_UP = 32, 16, 20
_BODY_RATE, _HEAD_RATE, _DECAY = 5e-4, 2e-3, 1e-2
_SMOOTHING, _AVERAGE, _STYLE = 0.1, 0.98, 0.3


class Tutor(nn.Module):
    """mn04's front end and trunk with one logit per firearm."""

    def __init__(self, front_end: nn.Module, trunk: nn.Module) -> None:
        super().__init__()
        self.front_end, self.trunk = front_end, trunk
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(EMBEDDING, len(FIREARMS)))

    @classmethod
    def start(cls, teacher: Teacher | None = None) -> Tutor:
        """A tutor with the teacher's trunk and a fresh head, or an empty one to load weights into."""
        front_end, trunk = parts(teacher)
        return cls(front_end, trunk)

    def pictures(self, samples_32k: Tensor) -> Tensor:
        """Log-mel pictures of samples (batch, n) at 32 kHz, each brought to one peak level."""
        peak = samples_32k.abs().amax(dim=1, keepdim=True).clamp_min(1e-6)
        pictures: Tensor = self.front_end(samples_32k / peak * 0.5)
        return pictures

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (batch, FIREARMS) of pictures."""
        logits: Tensor = self.head(self.trunk(pictures).mean(dim=(2, 3)))
        return logits


class Tutors:
    """Several tutors that answer with one voice."""

    def __init__(self, tutors: Sequence[Tutor]) -> None:
        self._tutors = tuple(tutor.eval().requires_grad_(False) for tutor in tutors)
        self._place = torch.device("cpu")

    @classmethod
    def load(cls, files: Iterable[str | Path]) -> Tutors:
        """Read what ``vedette train tutor`` wrote. Raises BundleError for anything else."""
        found = []
        for file in files:
            tutor = Tutor.start()
            try:
                tutor.load_state_dict(load_file(file))
            except (OSError, SafetensorError, RuntimeError) as error:
                raise BundleError(f"{file}: not a tutor", hint="make one with vedette train tutor") from error
            found.append(tutor)
        return cls(found)

    def to(self, place: str | torch.device) -> Tutors:
        """Move to a device; results stay there."""
        self._place = torch.device(place)
        for tutor in self._tutors:
            tutor.to(self._place)
        return self

    @torch.no_grad()
    def probabilities(self, sounds: Tensor, *, temperature: float = 1.0) -> Tensor:
        """Softmax over FIREARMS (batch, 9) of sounds (batch, n) at 48 kHz, mean of all tutors."""
        samples = at_32k(sounds.to(self._place))
        answers = [F.softmax(tutor(tutor.pictures(samples)) / temperature, dim=1) for tutor in self._tutors]
        return torch.stack(answers).mean(dim=0)


def at_32k(sounds: Tensor) -> Tensor:
    """Sounds (batch, n) from our rate to the teacher's."""
    resampled: Tensor = torchaudio.functional.resample(sounds, OURS, SAMPLE_RATE)
    return resampled


def fit(
    config: AudioTrainConfig,
    data: TrainingData,
    teacher: Teacher,
    out: Path,
    *,
    seed: int = 0,
    epochs: int = 10,
    on_step: Step = lambda share, loss: None,
) -> dict[str, Any]:
    """Fine-tune one tutor on the typed clips of ``data.training`` and save it as ``out`` (.safetensors).

    An epoch is 512 scenes. ``config`` gives the augmentation. Returns its figures on ``data.held``.

    Raises:
        DataError: no clip with a known firearm to learn from.
    """
    typed = [clip for clip in data.training if clip.types]
    if not typed:
        raise DataError("no shot of a known firearm to learn from")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    only_typed = config.model_copy(update={"shot_share": 1.0, "typed_share": 1.0, "synthetic_share": 0.0})
    maker = SceneMaker(data.training, data.sounds, only_typed, round(config.chunk * OURS))
    tutor = Tutor.start(teacher)
    body, head = list(tutor.trunk.parameters()), list(tutor.head.parameters())
    groups = [{"params": body, "lr": _BODY_RATE}, {"params": head, "lr": _HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=_DECAY)
    rates = [_BODY_RATE, _HEAD_RATE]
    average = {name: value.clone() for name, value in tutor.state_dict().items()}
    total = epochs * _STEPS_PER_EPOCH
    for step in range(total):
        fall = min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / total))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * fall
        loss = _loss(tutor, [maker.draw(rng) for _ in range(_BATCH)], rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(tutor.parameters(), 5.0)
        optimizer.step()
        share = 1 - min(_AVERAGE, (1 + step) / (10 + step))
        for name, value in tutor.state_dict().items():
            average[name].lerp_(value, share)
        on_step((step + 1) / total, float(loss.detach()))
    tutor.load_state_dict(average)
    part = out.with_name(out.name + ".part")
    save_file({name: value.contiguous() for name, value in average.items()}, part)
    os.replace(part, out)
    figures = {"seed": seed, "epochs": epochs, **measure(Tutors([tutor]), data)}
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return figures


def fit_several(
    config: AudioTrainConfig,
    data: TrainingData,
    teacher: Teacher,
    out: Path,
    *,
    count: int,
    epochs: int,
    on_step: Callable[[float, int, float], None] = lambda share, number, loss: None,
) -> dict[str, Any]:
    """Fit ``count`` tutors, each with its seed, into the folder ``out``: ``tutor-0.safetensors`` and so on.

    One that lies there already is kept, so a stopped call goes on. Returns each one's figures and those of
    all together. ``on_step`` gets the share that is done, the tutor's number and the loss.

    Raises:
        DataError: no clip with a known firearm. OutputError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror or error}") from error
    files = [out / f"tutor-{number}.safetensors" for number in range(count)]
    for number, file in enumerate(files):

        def tell(share: float, loss: float, number: int = number) -> None:
            on_step((number + share) / count, number, loss)

        if not file.is_file():
            fit(config, data, teacher, file, seed=number, epochs=epochs, on_step=tell)
    each = [measure(Tutors.load([file]), data)["accuracy"] for file in files]
    return {"files": [str(file) for file in files], "each": each, **measure(Tutors.load(files), data)}


def _loss(tutor: Tutor, scenes: list[Scene], rng: np.random.Generator) -> Tensor:
    tutor.train()
    sounds = at_32k(torch.from_numpy(np.stack([scene.sound for scene in scenes])))
    targets = torch.from_numpy(np.stack([scene.targets[: len(FIREARMS)] for scene in scenes]))
    with torch.no_grad():
        pictures = tutor.pictures(sounds)
    if rng.random() < _STYLE:
        style_mix(pictures.numpy(), rng)
    for picture in pictures.numpy()[:, 0]:
        if rng.random() < 0.7:
            spec_augment(picture, rng)
    wanted = targets / targets.sum(dim=1, keepdim=True)
    return F.cross_entropy(tutor(pictures), wanted, label_smoothing=_SMOOTHING)


def measure(tutors: Tutors, data: TrainingData) -> dict[str, float]:
    """Type accuracy on the typed clips of ``data.held``, as the mean over recordings."""
    held = [clip for clip in data.held if clip.types and clip.flag != "yamnet_low"]
    scores = np.zeros((len(held), len(AUDIO_LABELS)), np.float32)
    for row, clip in zip(scores, held, strict=True):
        heard = [sound for _, sound in windows(data.sounds.sound(clip), 2 * OURS)]
        row[: len(FIREARMS)] = tutors.probabilities(torch.from_numpy(np.stack(heard))).mean(dim=0).numpy()
    return {"accuracy": type_accuracy(held, scores)}
