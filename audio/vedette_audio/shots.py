"""When exactly each shot was fired: onsets inside windows that the network says hold a shot.

The onset is the arrival of the muzzle blast: a steep rise of energy. Rises are measured on a grid of 1 ms
counted from the start of the run, so the result does not depend on how the sound was cut into blocks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
Levels = npt.NDArray[np.float64]
GRID = SAMPLE_RATE // 1000  # samples per grid step of 1 ms
BEFORE, AFTER = 1000, 400  # grid steps of sound wanted before and after the span that is looked at
_RISE_DB = 9.0
"""Least rise of a shot: energy of the 4 ms from the onset over the loudest 4 ms of the 25 ms before it."""
_LASTING_DB = 6.0
"""Least gain in mean level from the 60 ms before to 20..80 ms after: a blast rings on, a click or the second
half of an echo does not (range_shotgun.mp4: shots 10 to 31 dB, loading at most 3, echoes below 0)."""
_RANGE_DB = 12.0
"""A rise whose peak lies so far below the loudest around it is an echo or a click beside the shot."""
_CHAIN = (40, 160)
"""Grid steps between shots of automatic fire, in which no shot rings on before the next: 375 to 1,500 a minute."""
_CHAIN_RISE_DB, _CHAIN_RANGE_DB, _CHAIN_EVEN = 6.0, 6.0, 0.25


def onset_curve(sound: Floats) -> tuple[Levels, Levels]:
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
    steps = [
        int(i) for i in np.flatnonzero(rise >= _CHAIN_RISE_DB) if _is_first_peak(rise, int(i), refractory)
    ]
    even = _evenly_spaced([i for i in steps if _below_loudest(level, i) <= _CHAIN_RANGE_DB])
    kept = [i for i in steps if first <= i < last and (i in even or _stands_alone(rise, level, i))]
    return np.array(kept, np.int64)


def _is_first_peak(rise: Levels, step: int, refractory: int) -> bool:
    low = max(0, step - refractory)
    return bool(
        rise[step] >= rise[step : step + refractory + 1].max() and (rise[low:step] < rise[step]).all()
    )


def _below_loudest(level: Levels, step: int) -> float:
    """How far the peak of the 90 ms from ``step`` lies below the loudest from 1 s before to 0.2 s after, dB."""
    near = level[max(0, step - BEFORE) : step + AFTER // 2].max()
    return float(near - level[step : step + 90].max())


def _stands_alone(rise: Levels, level: Levels, step: int) -> bool:
    before, after = level[max(0, step - 60) : max(1, step - 4)], level[step + 20 : step + 80]
    lasting = after.mean() - before.mean() if after.size else 0.0
    return bool(
        rise[step] >= _RISE_DB and lasting >= _LASTING_DB and _below_loudest(level, step) <= _RANGE_DB
    )


def _evenly_spaced(steps: list[int]) -> set[int]:
    """Steps that are among three in a row at even intervals of automatic fire."""
    found: set[int] = set()
    for one, two, three in zip(steps, steps[1:], steps[2:], strict=False):
        gaps = (two - one, three - two)
        within = all(_CHAIN[0] <= gap <= _CHAIN[1] for gap in gaps)
        if within and abs(gaps[0] - gaps[1]) <= _CHAIN_EVEN * max(gaps):
            found |= {one, two, three}
    return found
