"""When exactly each shot was fired: onsets inside windows that the network says hold a shot.

The onset is the arrival of the muzzle blast: a steep rise of energy. Rises are measured on a grid of 1 ms
counted from the start of the run, so the result does not depend on how the sound was cut into blocks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
GRID = SAMPLE_RATE // 1000  # samples per grid step of 1 ms
BEFORE, AFTER = 400, 200  # grid steps of sound wanted before and after the span that is looked at
_RISE_DB = 9.0
"""Least rise of a shot: energy of the 4 ms from the onset over the loudest 4 ms of the 25 ms before it."""
_RANGE_DB = 12.0
"""A rise so far below the strongest just before or after it is an echo or a click beside the shot."""


def onset_curve(sound: Floats) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rise and level in dB for each whole grid step of ``sound`` (first step: its first sample).

    The sound is differentiated first: wind, hum and speech hold their energy low, a blast rises everywhere.
    """
    count = sound.size // GRID
    sharp = np.diff(sound[: count * GRID].astype(np.float64), prepend=float(sound[0]) if sound.size else 0.0)
    energy = np.square(sharp).reshape(count, GRID).sum(axis=1) + 1e-12
    ahead = np.convolve(np.pad(energy, (0, 3)), np.ones(4), "valid")  # this step and the three after it
    level = 10 * np.log10(ahead)
    before = np.pad(level, (28, 0), mode="edge")[: count + 24]
    if count == 0:
        return level, level
    loudest = np.lib.stride_tricks.sliding_window_view(before, 25).max(axis=1)  # windows that end 4 steps ago
    return level - loudest, level


def find_onsets(sound: Floats, first: int, last: int, refractory: int) -> npt.NDArray[np.int64]:
    """Grid steps in ``first..last`` at which something like a blast begins.

    Args:
        sound: samples from grid step 0; give ``BEFORE`` steps before ``first`` and ``AFTER`` after ``last``
            where there are any, so that neighbours are judged alike whatever the span.
        refractory: least grid steps between two onsets.
    """
    rise, level = onset_curve(sound)
    if rise.size == 0:
        return np.empty(0, np.int64)
    steps = np.flatnonzero(rise >= _RISE_DB)
    onsets = []
    for step in steps:
        low, high = max(0, step - refractory), step + refractory + 1
        strongest = rise[low:high].max()
        if first <= step < last and rise[step] == strongest and (rise[low:step] < strongest).all():
            near = level[max(0, step - BEFORE) : step + AFTER].max()
            if level[step : step + 8].max() >= near - _RANGE_DB:
                onsets.append(int(step))
    return np.array(onsets, np.int64)
