"""The impulse gate: a cheap look at a window that says whether it can hold a shot at all.

A shot is a blast: within 30 ms every band rises, and then it rings on and fades. Numbers that say how much a
window is like that go through a tiny network (one hidden layer), whose weights and limit are numbers in
``gate.json``. ``scripts/fit_gate.py`` fits them on ``train`` and prints what they lose and save on ``val``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from vedette_audio.features import MELS, frames_in
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
SECONDS = 2.0
"""Length of the windows it was fitted on; others are never skipped."""
FRAMES = frames_in(round(SECONDS * SAMPLE_RATE))
SKIPPED = 0.001
"""Calibrated probability of a shot in a window that is skipped: it was observed, and nothing was there."""
_BANDS = 8  # of 16 mels each
_AGO = range(3, 9)
"""Frames before, against which a rise is measured: a Fourier window is four hops long, so that three hops ago
it hardly held the blast; 8 are 85 ms."""
_STEEPEST = 6.0  # nats; a steeper rise is no more of a rise
_STEEP = 2.0
"""Nats (9 dB) that the bands rise on average within 30 ms in windows that are always heard."""
_BROADEST = 4 * _BANDS  # its place among the features
_FARTHEST = 3.0  # standard deviations: no number decides alone


@dataclass(frozen=True, slots=True)
class Gate:
    """Numbers of the gate.

    ``mean`` and ``scale`` ``(features,)``, ``hidden`` ``(features + 1, units)``, ``output`` ``(units + 1,)``:
    biases come last. A window whose value is under ``limit`` is skipped, unless it rises steeply.
    """

    mean: Floats
    scale: Floats
    hidden: Floats
    output: Floats
    limit: float

    @classmethod
    def of(cls, numbers: Mapping[str, Sequence[float] | float]) -> Gate:
        """The gate of a ``gate.json``."""
        names = ("mean", "scale", "hidden", "output")
        arrays = {name: np.asarray(numbers[name], np.float32) for name in names}
        return cls(**arrays, limit=float(np.asarray(numbers["limit"])))

    def values(self, features: Floats) -> Floats:
        """How much windows with these ``impulse_features`` are like those with a shot: log-odds ``(n,)``.

        The same for a window to the bit whatever ``n``: products are summed feature by feature, not by BLAS.
        """
        given = np.clip((features - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        units = (given[:, :, None] * self.hidden[:-1]).sum(axis=1) + self.hidden[-1]
        return np.asarray((np.maximum(units, 0) * self.output[:-1]).sum(axis=1) + self.output[-1], np.float32)

    def passes(self, features: Floats) -> npt.NDArray[np.bool_]:
        """Which windows with such features the network has to hear, ``(n,)``.

        A steep broad rise is heard whatever the values say: no blast is too unlike those that were learnt.
        """
        steep = features[:, _BROADEST] >= _STEEP
        return np.asarray(steep | (self.values(features) >= self.limit))

    def may_hold_shot(self, log_mels: Floats) -> npt.NDArray[np.bool_]:
        """Which of the windows ``(n, MELS, frames)`` the network has to hear, ``(n,)``."""
        return self.passes(impulse_features(log_mels))


@cache
def shipped_gate() -> Gate:
    """The gate that comes with the package."""
    return Gate.of(json.loads(files("vedette_audio").joinpath("gate.json").read_text(encoding="utf-8")))


def impulse_features(log_mels: Floats) -> Floats:
    """What the gate looks at, of natural-log mels ``(n, MELS, frames)``: shape ``(n, features)``, in nats."""
    mels = np.asarray(log_mels, np.float32)
    n, _, frames = mels.shape
    bands = mels.reshape(n, _BANDS, MELS // _BANDS, frames).sum(axis=2) / np.float32(MELS // _BANDS)
    level = bands.sum(axis=1) / np.float32(_BANDS)
    rise = bands - _loudest_before(bands)
    ranked = np.sort(rise, axis=1)
    broad = np.clip(rise, 0, _STEEPEST).sum(axis=1) / np.float32(_BANDS)
    steepest, rows = broad.argmax(axis=1), np.arange(n)

    def at(later: int) -> npt.NDArray[np.intp]:
        found: npt.NDArray[np.intp] = np.clip(steepest + later, 0, frames - 1)
        return found

    blast = np.maximum(bands[rows, :, at(1)], bands[rows, :, at(2)])
    loud = np.maximum(level[rows, at(1)], level[rows, at(2)])
    picture = mels[rows, :, at(1)]  # the blast's own spectrum: even, not lines
    lines = np.abs(picture[:, 1:-1] - (picture[:, :-2] + picture[:, 2:]) / 2).sum(axis=1) / MELS
    usual = np.sort(bands, axis=2)[:, :, frames // 2]
    levels = np.sort(level, axis=1)
    columns = [
        *rise.max(axis=2).T,
        *(bands.max(axis=2) - usual).T,
        *_without_mean(blast).T,
        *_without_mean(usual).T,
        *(
            found.max(axis=1)
            for found in (broad, ranked[:, 5], (ranked[:, 3] + ranked[:, 4]) / 2, ranked[:, 0])
        ),
        *np.sort(broad, axis=1)[:, [-4, -12, -30]].T,
        *(loud - level[rows, at(later)] for later in (-30, -8, 8, 20, 45)),
        *levels[:, [frames // 10, frames // 2, 9 * frames // 10, -1]].T,
        levels[:, 9 * frames // 10] - levels[:, frames // 10],
        lines,
        picture.max(axis=1) - np.sort(picture, axis=1)[:, MELS // 4],
        np.maximum(np.diff(level, axis=1), 0).sum(axis=1) / frames,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _loudest_before(bands: Floats) -> Floats:
    """Loudest level of each band in the frames ``_AGO``; the first frame stands for those before it."""
    padded = np.pad(bands, ((0, 0), (0, 0), (_AGO[-1], 0)), mode="edge")
    frames = bands.shape[2]
    shifted = [padded[:, :, _AGO[-1] - ago : _AGO[-1] - ago + frames] for ago in _AGO]
    return np.asarray(np.maximum.reduce(shifted), np.float32)


def _without_mean(levels: Floats) -> Floats:
    return np.asarray(levels - levels.sum(axis=1, keepdims=True) / np.float32(_BANDS), np.float32)
