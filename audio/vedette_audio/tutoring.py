"""How tutors are made: one trunk learns to see our pictures as mn04 sees its own, then each learns its task.

1. The trunk behind ``Front`` imitates mn04's embedding and AudioSet classes on training scenes, which needs
   no labels (``tutor-trunk.safetensors``).
2. ``tutor-shot``: a logistic regression on that trunk's embedding of windows and scenes. The trunk stays as
   it is: fine-tuned on shots it got worse on sounds of other sources (AP 0.33 for 0.94).
3. ``tutor-0``, ``tutor-1``, ...: the trunk fine-tuned on typed shots, each with a seed of its own.

Each file that is there already is kept, so a stopped call goes on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
import torchaudio
from safetensors.torch import save
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from vedette_audio.augment import spec_augment, style_mix
from vedette_audio.closer import blast_alone
from vedette_audio.dataset import shot_peaks
from vedette_audio.scenes import Scene, SceneMaker
from vedette_audio.shots import GRID
from vedette_audio.teacher import SAMPLE_RATE, Teacher
from vedette_audio.torch_features import TorchLogMel, to_picture
from vedette_audio.training_data import TrainingData
from vedette_audio.tutor import TYPES, Front, Tutor, Tutors
from vedette_audio.validation import EDGE, PoorLine, starts, type_accuracy, windows
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import DataError, OutputError
from vedette_base.media import SAMPLE_RATE as OURS
from vedette_base.score import AUDIO_LABELS
from vedette_base.whole_files import write_whole, write_whole_text

Floats = npt.NDArray[np.float32]
Step = Callable[[float, float], None]
_BATCH, _STEPS_PER_EPOCH, _WARM_UP = 32, 16, 20
_IMITATION_RATE, _BODY_RATE, _HEAD_RATE, _DECAY = 1e-3, 5e-4, 2e-3, 1e-2
_SMOOTHING, _AVERAGE, _STYLE, _BLANKED, _DROPOUT = 0.1, 0.98, 0.3, 0.7, 0.2
_CLASSES_WEIGHT = 50.0  # of the 527 classes, most of them always 0, beside the embedding
_HOP = OURS // 2
_BLASTS = 4
_MOST = 120  # windows of one clip: it counts as much as any other
_STIFFNESS = 1e-3  # inverse regularisation of the logistic regression
TRUNK, SHOT = "tutor-trunk.safetensors", "tutor-shot.safetensors"


class _Scenes:
    """Scenes as pictures, and as the sound they were made of."""

    def __init__(self, config: AudioTrainConfig, data: TrainingData, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._maker = SceneMaker(data.training, data.sounds, config, round(config.chunk * OURS))
        self._mel = TorchLogMel()

    def draw(self) -> tuple[list[Scene], Tensor, Tensor]:
        """A batch: scenes, their sounds ``(n, samples)``, their pictures ``(n, 1, MELS, frames)``."""
        scenes = [self._maker.draw(self.rng) for _ in range(_BATCH)]
        sounds = torch.from_numpy(np.stack([scene.sound for scene in scenes]))
        with torch.no_grad():
            return scenes, sounds, to_picture(self._mel(sounds))


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
    """Make all tutors of a second opinion in the folder ``out``: trunk, shot, and ``count`` for types.

    An epoch is 512 scenes; the trunk takes as many as three tutors. ``on_step`` gets the share that is done,
    the tutor's number from 0 (-1: the trunk) and the loss. Returns the type accuracy of each and of all on
    ``data.held``, with their files.

    Raises:
        DataError: no clip with a known firearm, or no shots or nothing but shots.
        OutputError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror or error}") from error
    files = [out / f"tutor-{number}.safetensors" for number in range(count)]
    share = 2 * epochs * _STEPS_PER_EPOCH
    whole = share + count * epochs * _STEPS_PER_EPOCH
    if not (out / TRUNK).is_file():

        def tell_trunk(part: float, loss: float) -> None:
            on_step(part * share / whole, -1, loss)

        imitate(config, data, teacher, out / TRUNK, steps=share, on_step=tell_trunk)
    if not (out / SHOT).is_file():
        fit_shot(config, data, Tutor.load(out / TRUNK), out / SHOT, batches=max(1, share // 4))
    for number, file in enumerate(files):

        def tell(part: float, loss: float, number: int = number) -> None:
            on_step((share + (number + part) * epochs * _STEPS_PER_EPOCH) / whole, number, loss)

        if not file.is_file():
            fit(config, data, Tutor.load(out / TRUNK), file, seed=number, epochs=epochs, on_step=tell)
    each = [measure(Tutors.load([file]), data)["accuracy"] for file in files]
    named = {"files": [str(file) for file in files], "shot": str(out / SHOT)}
    return named | {"each": each, **measure(Tutors.load(files), data)}


def imitate(
    config: AudioTrainConfig,
    data: TrainingData,
    teacher: Teacher,
    out: Path,
    *,
    steps: int,
    seed: int = 5,
    on_step: Step = lambda share, loss: None,
) -> None:
    """Teach a copy of the teacher's trunk to give, for our pictures, what the teacher gives for the sound."""
    torch.manual_seed(seed)
    scenes = _Scenes(config.model_copy(update={"shot_share": 0.4, "typed_share": 0.5}), data, seed)
    tutor = Tutor.start(1, teacher)
    tutor.front = Front(level_difference(teacher)).requires_grad_(True)
    tutor.train()
    optimizer = torch.optim.AdamW(
        [*tutor.front.parameters(), *tutor.trunk.parameters()], lr=_IMITATION_RATE, weight_decay=1e-3
    )
    average = _Average(tutor)
    for step in range(steps):
        _set_rates(optimizer, [_IMITATION_RATE], step, steps)
        _, sounds, pictures = scenes.draw()
        samples = torchaudio.functional.resample(sounds, OURS, SAMPLE_RATE)
        logits, wanted = teacher.outputs(samples / samples.abs().amax(1, keepdim=True).clamp_min(1e-6) * 0.5)
        classes, wanted = torch.sigmoid(logits).clone(), wanted.clone()
        found = tutor.embed(tutor.front(pictures))
        loss = F.mse_loss(found, wanted) / wanted.var()
        told = F.binary_cross_entropy_with_logits(teacher.classes_of(found), classes)
        loss = loss + _CLASSES_WEIGHT * told
        _step(tutor, optimizer, loss, average)
        on_step((step + 1) / steps, float(loss.detach()))
    _save(average.weights, out)


def level_difference(teacher: Teacher) -> Tensor:
    """Natural-log mel of mn04's pictures less that of ours, per band of mn04, ``(128,)``: on white noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, 4 * OURS), generator=generator) * 0.1
    theirs = teacher.picture(torchaudio.functional.resample(noise, OURS, SAMPLE_RATE))[0, 0]
    plain = Front().adapt(to_picture(TorchLogMel()(noise))[:, 0])[0]
    inside = slice(8, -8)
    difference: Tensor = (theirs[:, inside] * 5.0 - 4.5).mean(dim=1) - plain[:, inside].mean(dim=1)
    return difference


def fit_shot(
    config: AudioTrainConfig, data: TrainingData, trunk: Tutor, out: Path, *, batches: int, seed: int = 11
) -> None:
    """A tutor that says whether there is a shot: a linear head on ``trunk``'s embedding.

    It learns from the windows of all training clips, as they are and through a poor line, from their loudest
    blasts alone (as the scorer hears them again) and from ``batches`` batches of scenes. Every clip counts
    alike, and all scenes half as much as all clips.

    Raises:
        DataError: no shots, or nothing but shots.
    """
    if len({clip.shot for clip in data.training}) < 2:
        raise DataError("a tutor for shots needs sounds with and without shots")
    torch.manual_seed(seed)
    mel, poor = TorchLogMel(), PoorLine()
    rows: list[Floats] = []
    truth: list[bool] = []
    weights: list[float] = []
    with torch.no_grad():
        for clip in data.training:
            if clip.shot and clip.flag == "yamnet_low":
                continue
            heard = _examples(data, clip)
            if heard:
                seen = [*heard, *(poor(sound) for sound in heard)]
                pictures = to_picture(mel(torch.from_numpy(np.stack(seen))))
                pictures = torch.cat([pictures, torch.from_numpy(_blasts(data, clip))])
                rows.append(trunk.embed(trunk.front(pictures)).numpy())
                truth += [clip.shot] * len(pictures)
                weights += [1 / len(pictures)] * len(pictures)
        count, scenes = len(rows), _Scenes(config, data, seed)
        for _ in range(batches):
            drawn, _, pictures = scenes.draw()
            rows.append(trunk.embed(trunk.front(pictures)).numpy())
            truth += [bool(scene.targets[-1] > 0.5) for scene in drawn]
            weights += [count / (2 * batches * _BATCH)] * len(drawn)
    features = np.concatenate(rows).astype(np.float64)
    scale = StandardScaler().fit(features)
    found = LogisticRegression(
        C=_STIFFNESS * len(truth) / sum(weights), max_iter=300, class_weight="balanced"
    )
    found.fit(scale.transform(features), truth, sample_weight=np.array(weights))
    direction = found.coef_[0] / scale.scale_
    state = dict(trunk.state_dict())
    state["head.weight"] = torch.from_numpy(direction[None].astype(np.float32))
    bias = found.intercept_ - direction @ scale.mean_
    state["head.bias"] = torch.from_numpy(bias.astype(np.float32))
    _save(state, out)


def _examples(data: TrainingData, clip: Any) -> list[Floats]:
    """Windows of a clip, every half second, at most ``_MOST`` spread over it; of a shot's clip those that
    hold one of its blasts."""
    places = np.array(starts(data.sounds.pcm(clip).size, _HOP))
    if clip.shot:
        peaks = shot_peaks(data.sounds.sound(clip))
        inside = (peaks >= places[:, None]) & (peaks < places[:, None] + 2 * OURS - EDGE)
        places = places[inside.any(axis=1)]
    if places.size > _MOST:
        places = places[np.linspace(0, places.size - 1, _MOST).round().astype(int)]
    heard = [data.sounds.sound(clip, int(at), 2 * OURS) for at in places]
    return [np.pad(sound, (0, 2 * OURS - sound.size)) for sound in heard]


def _blasts(data: TrainingData, clip: Any) -> Floats:
    """Pictures ``(n, 1, MELS, frames)`` of at most ``_BLASTS`` of a clip's loudest impulses, each alone."""
    sound = data.sounds.sound(clip, 0, 60 * OURS)
    peaks = shot_peaks(sound)
    chosen = peaks[np.linspace(0, peaks.size - 1, min(_BLASTS, peaks.size)).round().astype(int)]
    return np.stack([blast_alone(sound, int(peak) // GRID, 2.0) for peak in chosen])


def fit(
    config: AudioTrainConfig,
    data: TrainingData,
    trunk: Tutor,
    out: Path,
    *,
    seed: int = 0,
    epochs: int = 12,
    on_step: Step = lambda share, loss: None,
) -> dict[str, Any]:
    """Fine-tune one tutor for firearm types on the typed clips of ``data.training``; write ``out``.

    ``config`` gives the augmentation. Returns its figures on ``data.held``.

    Raises:
        DataError: no clip with a known firearm to learn from.
    """
    if not any(clip.types for clip in data.training):
        raise DataError("no shot of a known firearm to learn from")
    torch.manual_seed(seed)
    only_typed = config.model_copy(update={"shot_share": 1.0, "typed_share": 1.0, "synthetic_share": 0.0})
    scenes = _Scenes(only_typed, data, seed)
    tutor = Tutor.start(TYPES)
    tutor.front.load_state_dict(trunk.front.state_dict())
    tutor.trunk.load_state_dict(trunk.trunk.state_dict())
    rates = [_BODY_RATE, _HEAD_RATE]
    parts = (tutor.trunk, tutor.head)
    groups = [{"params": list(part.parameters()), "lr": r} for part, r in zip(parts, rates, strict=True)]
    optimizer = torch.optim.AdamW(groups, weight_decay=_DECAY)
    average, steps = _Average(tutor), epochs * _STEPS_PER_EPOCH
    for step in range(steps):
        _set_rates(optimizer, rates, step, steps)
        loss = _type_loss(tutor, scenes)
        _step(tutor, optimizer, loss, average)
        on_step((step + 1) / steps, float(loss.detach()))
    tutor.load_state_dict(average.weights)
    _save(average.weights, out)
    figures = {"seed": seed, "epochs": epochs, **measure(Tutors([tutor]), data)}
    write_whole_text(out.with_suffix(".json"), json.dumps(figures, indent=1))
    return figures


def _type_loss(tutor: Tutor, scenes: _Scenes) -> Tensor:
    drawn, _, pictures = scenes.draw()
    targets = torch.from_numpy(np.stack([scene.targets[:TYPES] for scene in drawn]))
    with torch.no_grad():
        fronted = tutor.front(pictures)
    if scenes.rng.random() < _STYLE:
        style_mix(fronted.numpy(), scenes.rng)
    for picture in fronted.numpy()[:, 0]:
        if scenes.rng.random() < _BLANKED:
            spec_augment(picture, scenes.rng)
    tutor.train()
    logits = tutor.head(F.dropout(tutor.embed(fronted), _DROPOUT))
    wanted = targets / targets.sum(dim=1, keepdim=True)
    return F.cross_entropy(logits, wanted, label_smoothing=_SMOOTHING)


class _Average:
    """Running average of a module's weights."""

    def __init__(self, module: nn.Module) -> None:
        self._module, self._steps = module, 0
        self.weights = {name: value.clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def add(self) -> None:
        """Take the weights as they are now."""
        share = 1 - min(_AVERAGE, (1 + self._steps) / (10 + self._steps))
        for name, value in self._module.state_dict().items():
            self.weights[name].lerp_(value, share)
        self._steps += 1


def _set_rates(optimizer: torch.optim.Optimizer, rates: Sequence[float], step: int, steps: int) -> None:
    """Linear warm-up, then cosine."""
    fall = min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * fall


def _step(tutor: Tutor, optimizer: torch.optim.Optimizer, loss: Tensor, average: _Average) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(tutor.parameters(), 5.0)
    optimizer.step()
    average.add()


def _save(weights: dict[str, Tensor], out: Path) -> None:
    data = save({name: value.detach().contiguous() for name, value in weights.items()})
    write_whole(out, lambda file: file.write(data))


def measure(tutors: Tutors, data: TrainingData) -> dict[str, float]:
    """Type accuracy on the typed clips of ``data.held``, as the mean over recordings."""
    held = [clip for clip in data.held if clip.types and clip.flag != "yamnet_low"]
    scores = np.zeros((len(held), len(AUDIO_LABELS)), np.float32)
    for row, clip in zip(scores, held, strict=True):
        heard = [sound for _, sound in windows(data.sounds.sound(clip), 2 * OURS)]
        row[:TYPES] = tutors.probabilities(torch.from_numpy(np.stack(heard))).mean(dim=0).numpy()
    return {"accuracy": type_accuracy(held, scores)}
