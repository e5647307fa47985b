"""When exactly each shot was fired: onsets inside windows that the network says hold a shot.

The onset is the arrival of the muzzle blast: a steep rise of energy. Rises are measured on a grid of 1 ms
counted from the start of the run, so the result does not depend on how the sound was cut into blocks.

Limits were set on single shots (``lelec_gun``: 38 of 39 give one onset, one none), ``sesa`` (40 of 40 give
one or more) and automatic fire of the nine types, whose counts come to the cadence of each weapon.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
Levels = npt.NDArray[np.float64]
GRID = SAMPLE_RATE // 1000  # samples per grid step of 1 ms
BEFORE, AFTER = 1000, 400  # grid steps of sound wanted before and after the span that is looked at
_BLAST = 90  # grid steps in which a blast is at its loudest
_RISE_DB = 3.0
"""Least rise of anything: energy of the 4 ms from it over the loudest 4 ms of the 25 ms before it."""
_ALONE_RISE_DB, _ALONE_LASTING_DB, _ALONE_SUM_DB = 5.0, 1.0, 17.0
"""Of a shot by itself: least rise, least gain in mean level from the 60 ms before to 20..80 ms after, and
least ``rise + 4/3 gain``. A blast in the open rises by 25 dB and rings on by 2; one among walls the other way
round; a click or the second half of an echo does neither."""
_ATTACK_DB = 10.0
"""A blast begins where it comes so near to its peak: the trigger and bolt heard up to 90 ms before do not."""
_RANGE_DB = 12.0
"""A rise whose peak lies so far below the loudest around it is an echo or a click beside the shot."""
_ECHO, _ECHO_DB = 250, 4.0
"""A shot by itself that follows another within so many grid steps (a wall 40 m away), and is weaker by so
much, is its echo: nobody fires two aimed shots so fast, and automatic fire does not fade."""
_PEAK = 40  # grid steps in which a blast's own peak is looked for, the next shot of automatic fire left out
_CHAIN = (40, 160)
"""Grid steps between shots of automatic fire (375 to 1,500 a minute): the one rings on into the next."""
_CHAIN_RANGE_DB, _CHAIN_EVEN = 6.0, 0.25


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
    steps = [int(i) for i in np.flatnonzero(rise >= _RISE_DB) if _is_first_peak(rise, int(i), refractory)]
    blasts = _blasts(level, steps, refractory)
    even = _evenly_spaced([i for i in blasts if _below_loudest(level, i) <= _CHAIN_RANGE_DB])
    alone = {i for i, rises in blasts.items() if i not in even and _stands_alone(rise, level, i, rises)}
    echoes = {i for i in alone if _is_echo(level, i, even | alone)}
    return np.array([i for i in sorted((even | alone) - echoes) if first <= i < last], np.int64)


def _is_first_peak(rise: Levels, step: int, refractory: int) -> bool:
    low = max(0, step - refractory)
    return bool(
        rise[step] >= rise[step : step + refractory + 1].max() and (rise[low:step] < rise[step]).all()
    )


def _blasts(level: Levels, steps: list[int], refractory: int) -> dict[int, list[int]]:
    """Where the blast begins that each rise leads to, with the rises that lead to it."""
    found: dict[int, list[int]] = {}
    last: int | None = None
    for step in steps:
        ahead = level[step : step + _BLAST]
        start = step + int(np.argmax(ahead >= ahead.max() - _ATTACK_DB))
        if last is None or start - last >= refractory:
            last = start
        found.setdefault(last, []).append(step)
    return found


def _peak(level: Levels, step: int) -> float:
    return float(level[step : step + _PEAK].max())


def _below_loudest(level: Levels, step: int) -> float:
    """How far the peak of a blast lies below the loudest from 1 s before to 0.2 s after, dB."""
    return float(level[max(0, step - BEFORE) : step + AFTER // 2].max() - _peak(level, step))


def _stands_alone(rise: Levels, level: Levels, blast: int, rises: list[int]) -> bool:
    if _below_loudest(level, blast) > _RANGE_DB:
        return False
    return any(_is_steep(float(rise[step]), _lasting(level, step)) for step in rises)


def _is_steep(rise: float, lasting: float) -> bool:
    least = rise >= _ALONE_RISE_DB and lasting >= _ALONE_LASTING_DB
    return least and rise + lasting * 4 / 3 >= _ALONE_SUM_DB


def _lasting(level: Levels, step: int) -> float:
    """Gain in mean level over a rise, dB; 0 where the sound ends before it could ring on."""
    before, after = level[max(0, step - 60) : max(1, step - 4)], level[step + 20 : step + 80]
    return float(after.mean() - before.mean()) if after.size else 0.0


def _is_echo(level: Levels, step: int, onsets: set[int]) -> bool:
    own = _peak(level, step)
    return any(0 < step - i <= _ECHO and _peak(level, i) - own >= _ECHO_DB for i in onsets)


def _evenly_spaced(steps: list[int]) -> set[int]:
    """Steps that are among three in a row at even intervals of automatic fire."""
    found: set[int] = set()
    for one, two, three in zip(steps, steps[1:], steps[2:], strict=False):
        gaps = (two - one, three - two)
        within = all(_CHAIN[0] <= gap <= _CHAIN[1] for gap in gaps)
        if within and abs(gaps[0] - gaps[1]) <= _CHAIN_EVEN * max(gaps):
            found |= {one, two, three}
    return found
