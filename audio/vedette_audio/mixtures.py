"""Known mixtures: sound whose shots are known to the sample, made by a fixed, versioned, seeded recipe.

A shot with a clear beginning is cut out of a real clip (or made by formula) and set into a real recording
without shots, once or in a burst, at a known ratio. The same manifest and version give the same sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vedette_audio import synthetic
from vedette_audio.dataset import Clip, SoundCache
from vedette_base.errors import DataError
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
Fire = Literal["single", "aimed", "automatic", "two"]

VERSION = 1
"""Of the recipe: figures from different versions are not compared."""
SECONDS = 8.0
RATIOS_DB = (-5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0)
"""Level of the 100 ms after an onset over the mean level of the background."""
FIRES: tuple[Fire, ...] = ("single", "aimed", "automatic", "two")
"""One shot; 2 to 4 shots 0.3 to 0.9 s apart; 3 to 10 shots at 500 to 1,200 a minute; such a burst and then
a single shot of the same firearm 1.5 to 2.5 s later."""
REPEATS = 3
"""Of every fire, ratio and origin."""
COUNT = REPEATS * len(RATIOS_DB) * len(FIRES) * 2
_STEP = SAMPLE_RATE // 1000
_QUIET_DB, _QUIET = 18.0, 30  # a shot to cut out stands so far above the so many ms before it ...
_STEEP_DB, _STEEP = (15.0, 6.0), 5  # ... and from so far below its peak it rises within so many ms
_LONGEST, _SHORTEST = 500, 120  # ms of a shot that is cut out
_FADE = 8  # ms
_SEAM = SAMPLE_RATE // 10  # samples


@dataclass(frozen=True, slots=True, eq=False)
class CutShot:
    """One shot, cut out: its sound, the sample of its onset in it, and the names of its firearm."""

    sound: Floats
    onset: int
    types: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A sound with its truth.

    Attributes:
        sound: ``(n,)`` at 48 kHz.
        times: onset of each shot, seconds, ascending.
        bursts: number of the burst of each shot, from 0.
        fire: how it was fired.
        types: names of the firearm; empty where it is not known.
        origin: path of the clip the shot is from, or "formula".
        ratio_db: shot over background.
    """

    sound: Floats
    times: tuple[float, ...]
    bursts: tuple[int, ...]
    fire: Fire
    types: tuple[str, ...]
    origin: str
    ratio_db: float

    @property
    def by_formula(self) -> bool:
        """Whether the shot was computed and not recorded."""
        return self.origin == "formula"


def mixtures(clips: Sequence[Clip], cache: SoundCache, *, repeats: int = REPEATS) -> Iterator[Mixture]:
    """All mixtures of the recipe from ``clips``: every fire, ratio and origin ``repeats`` times.

    Raises:
        DataError: no clip of a shot with a clear beginning, or no clip without a shot.
    """
    shots = [shot for clip in clips if clip.shot for shot in [cut_shot(cache.sound(clip), clip)] if shot]
    quiet = [clip for clip in clips if not clip.shot]
    if not shots or not quiet:
        raise DataError(
            f"mixtures need a clear shot and a sound without one, got {len(shots)} and {len(quiet)}",
            hint="give a manifest with both in this part",
        )
    by_group = _grouped(shots, clips)
    index = 0
    for _ in range(repeats):
        for ratio in RATIOS_DB:
            for fire in FIRES:
                for formula in (False, True):
                    rng = np.random.default_rng([VERSION, index])
                    index += 1
                    group = by_group[rng.integers(len(by_group))]  # recordings alike, however many clips
                    shot = blast(rng) if formula else group[rng.integers(len(group))]
                    background = _background(quiet, cache, rng)
                    yield mixture(shot, background, fire, ratio, rng)


def mixture(shot: CutShot, background: Floats, fire: Fire, ratio_db: float, rng: Rng) -> Mixture:
    """``shot`` fired in ``background`` (which gives the length), ``ratio_db`` above it."""
    times, bursts = _schedule(fire, rng)
    sound = np.zeros(background.size, np.float32)
    starts = [round(time * SAMPLE_RATE) for time in times]
    for start in starts:
        begin = start - shot.onset
        room = sound[max(0, begin) : begin + shot.sound.size]
        gain = np.float32(10 ** (rng.uniform(-1, 1) / 20))
        room += gain * shot.sound[max(0, -begin) :][: room.size]
    loud = _rms(shot.sound[shot.onset : shot.onset + SAMPLE_RATE // 10])
    sound += background * np.float32(loud / max(_rms(background), 1e-6) * 10 ** (-ratio_db / 20))
    sound *= np.float32(0.7 / max(float(np.abs(sound).max()), 1e-6))
    exact = tuple(start / SAMPLE_RATE for start in starts)
    return Mixture(sound, exact, bursts, fire, shot.types, shot.origin, ratio_db)


def cut_shot(sound: Floats, clip: Clip) -> CutShot | None:
    """The clearest shot of a clip, or None where none has a beginning that nobody could place elsewhere.

    Clear: 18 dB above the loudest of the 30 ms before, and steep: from 15 dB to 6 dB below its peak within
    5 ms. The onset is where it comes within 15 dB. It lasts until the next rise, at most half a second.
    """
    level = _levels(sound)
    best: tuple[float, int, int] | None = None
    for peak in np.flatnonzero(level >= level.max(initial=-np.inf) - 12.0):
        found = _onset(level, int(peak))
        if found is None:
            continue
        end = _end(level, int(peak), found)
        clear = level[peak] - level[max(0, found - _QUIET) : found].max()
        if end - found >= _SHORTEST and (best is None or clear > best[0]):
            best = (float(clear), found, end)
    if best is None:
        return None
    _, first, last = best
    begin = max(0, first - 3) * _STEP
    piece = sound[begin : last * _STEP].copy()
    piece[: 2 * _STEP] *= np.linspace(0, 1, 2 * _STEP, dtype=np.float32)
    piece[-_FADE * _STEP :] *= np.linspace(1, 0, _FADE * _STEP, dtype=np.float32)
    return CutShot(piece, first * _STEP - begin, clip.types, clip.path)


def blast(rng: Rng) -> CutShot:
    """A muzzle blast by formula: a Friedlander pulse and burning gas, mostly in a room; onset at sample 0."""
    size = int(0.5 * SAMPLE_RATE)
    time = np.arange(size, dtype=np.float32) / SAMPLE_RATE
    length = float(np.exp(rng.uniform(np.log(0.4e-3), np.log(4e-3))))  # s of the positive phase
    sound = (1 - time / length) * np.exp(-time / length)
    gas = rng.standard_normal(size, np.float32) * np.exp(-time / rng.uniform(0.006, 0.05))
    sound = sound + gas * rng.uniform(0.1, 0.6)
    if rng.random() < 0.6:
        sound = np.convolve(sound, synthetic.room(rng)[:size])[:size]
    sound[-_FADE * _STEP :] *= np.linspace(1, 0, _FADE * _STEP)
    return CutShot(np.asarray(sound / np.abs(sound).max(), np.float32), 0, (), "formula")


def _levels(sound: Floats) -> npt.NDArray[np.float64]:
    """Level in dB of each ms, the sound differentiated: a blast rises everywhere, hum and wind do not."""
    count = sound.size // _STEP
    sharp = np.diff(sound[: count * _STEP].astype(np.float64), prepend=sound[:1])
    return np.asarray(10 * np.log10(np.square(sharp).reshape(count, _STEP).sum(axis=1) + 1e-12))


def _onset(level: npt.NDArray[np.float64], peak: int) -> int | None:
    """Step at which the shot that peaks at ``peak`` begins, None where that is not clear."""
    if level[peak] < level[max(0, peak - 10) : peak + 30].max():
        return None
    low, high = (np.flatnonzero(level[: peak + 1] < level[peak] - db) for db in _STEEP_DB)
    if not low.size or high[-1] - low[-1] > _STEEP or peak - low[-1] > 10:
        return None
    first = int(low[-1]) + 1
    before = level[max(0, first - _QUIET) : first]
    return first if before.size == _QUIET and before.max() <= level[peak] - _QUIET_DB else None


def _end(level: npt.NDArray[np.float64], peak: int, first: int) -> int:
    """Step before the next rise after a shot (another shot, an echo as loud), or where it is long over."""
    for step in range(peak + 40, min(level.size, first + _LONGEST)):
        if level[step] >= level[step - 20 : step].max() + 6 and level[step] >= level[peak] - 20:
            return step - 4
    return min(level.size, first + _LONGEST)


def _grouped(shots: Sequence[CutShot], clips: Sequence[Clip]) -> list[list[CutShot]]:
    group_of = {clip.path: clip.group for clip in clips}
    names = sorted({group_of[shot.origin] for shot in shots})
    return [[shot for shot in shots if group_of[shot.origin] == name] for name in names]


def _background(clips: Sequence[Clip], cache: SoundCache, rng: Rng) -> Floats:
    """``SECONDS`` of a clip without shots, repeated where it is shorter; a class, then a clip."""
    names = sorted({clip.fine for clip in clips})
    name = names[rng.integers(len(names))]
    alike = [clip for clip in clips if clip.fine == name]
    whole = cache.sound(alike[rng.integers(len(alike))])
    size = round(SECONDS * SAMPLE_RATE)
    start = int(rng.integers(0, max(1, whole.size - size + 1)))
    return repeated(whole[start : start + size], size)


def repeated(sound: Floats, size: int) -> Floats:
    """``sound`` over and over to ``size`` samples; each seam is faded over, or it would click like a shot."""
    fade = min(_SEAM, sound.size // 2)
    step = max(1, sound.size - fade)
    ramp = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
    out = np.zeros(size + sound.size, np.float32)
    for begin in range(0, size, step):
        piece = sound.copy()
        if begin:
            piece[:fade] *= ramp
        piece[piece.size - fade :] *= ramp[::-1]
        out[begin : begin + piece.size] += piece
    return out[:size]


def _schedule(fire: Fire, rng: Rng) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """When shots are fired, seconds, and to which burst each belongs."""
    first = float(rng.uniform(1.5, 2.5))
    if fire == "single":
        return (first,), (0,)
    if fire == "aimed":
        gaps = rng.uniform(0.3, 0.9, int(rng.integers(1, 4)))
        times = first + np.concatenate([[0.0], np.cumsum(gaps)])
        return tuple(times.tolist()), (0,) * times.size
    gap = 60.0 / rng.uniform(500, 1200)
    gaps = gap * rng.uniform(0.97, 1.03, int(rng.integers(3, 11)) - 1)
    times = first + np.concatenate([[0.0], np.cumsum(gaps)])
    if fire == "automatic":
        return tuple(times.tolist()), (0,) * times.size
    later = float(times[-1] + rng.uniform(1.5, 2.5))
    return (*times.tolist(), later), (*(0,) * times.size, 1)


def _rms(sound: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(sound)) + 1e-12))
