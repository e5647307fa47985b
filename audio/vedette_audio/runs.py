"""Cuts a stream of sound blocks into runs: stretches that were really heard, without holes.

A run ends where the medium's clock jumps, where its source says so, and where sound is digitally silent (or
stuck at one value, or not finite) for a while: a dead microphone is a gap in coverage, never quiet.
Samples decide, not blocks: the same samples in blocks of any size give the same runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vedette_base.media import SAMPLE_RATE, AudioBlock

Floats = npt.NDArray[np.float32]
JUMP = 0.02
"""Seconds by which a block may be off the clock of its run before a new run begins."""
_HOLD = SAMPLE_RATE // 10
"""Samples looked at together: a track's blocks of 1,024 cost as much one by one as the network does."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Samples that belong to the present run; the first of a run carries ``start``, its time in seconds."""

    samples: Floats
    start: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The present run is over. What follows, up to ``until`` (seconds), was not heard."""

    until: float


@dataclass
class Runs:
    """``push`` blocks, get ``Heard`` and ``Ended``; ``end`` closes the run that is open.

    Attributes:
        silence_peak: largest sample that still counts as digital silence.
        silence_samples: how many such samples in a row make a gap; fewer belong to the sound around them.
    """

    silence_peak: float
    silence_samples: int
    _open: bool = False
    _clock: float | None = None  # time of sample 0 of the present stretch of the clock
    _count: int = 0  # samples since then
    _small: list[Floats] = field(default_factory=list)  # blocks that are too small to look at alone
    _held: list[Floats] = field(default_factory=list)  # silence that may yet become a gap
    _last: float = float("nan")  # the sample before, to see a stuck value across blocks
    _in_gap: bool = False

    def push(self, block: AudioBlock) -> Iterator[Heard | Ended]:
        """Take the next block in time order; what lies before the end of the last one is left out."""
        samples = np.asarray(block.samples, np.float32).reshape(-1)
        if samples.size == 0:
            return
        if self._clock is not None:
            late = block.time - self.time - self._waiting / SAMPLE_RATE
            if abs(late) > JUMP:
                yield from self.end()
                samples = samples[max(0, round(-late * SAMPLE_RATE)) :]
                if samples.size == 0:
                    return
                self._start_clock(
                    max(block.time, block.time if late > 0 else block.end - samples.size / SAMPLE_RATE)
                )
        else:
            self._start_clock(block.time)
        self._small.append(samples)
        if self._waiting >= _HOLD:
            yield from self._look()

    @property
    def time(self) -> float:
        """Seconds on the medium's clock just after the last sample looked at (0.1 s may wait)."""
        return (self._clock or 0.0) + self._count / SAMPLE_RATE

    @property
    def _waiting(self) -> int:
        """Samples taken but not looked at."""
        return sum(part.size for part in self._small)

    def end(self) -> Iterator[Heard | Ended]:
        """Close the open run: a short silence at its end still belongs to it."""
        yield from self._look()
        until = self.time
        if self._held and not self._in_gap:
            yield from self._release()
        if self._open:
            yield Ended(until)
        self._open, self._in_gap, self._clock, self._count = False, False, None, 0
        self._held, self._last = [], float("nan")

    def _start_clock(self, time: float) -> None:
        self._clock, self._count = time, 0

    def _look(self) -> Iterator[Heard | Ended]:
        if self._small:
            samples, self._small = np.concatenate(self._small), []
            yield from self._split(samples)

    def _split(self, samples: Floats) -> Iterator[Heard | Ended]:
        previous = np.concatenate([[np.float32(self._last)], samples[:-1]])
        finite = np.isfinite(samples)
        silent = ~finite | (np.abs(samples) < self.silence_peak) | (samples == previous)
        self._last = float(samples[-1])
        clean = samples if finite.all() else np.where(finite, samples, np.float32(0))
        for first, last, quiet in _stretches(silent, self.silence_samples):
            part = clean[first:last]
            yield from self._quiet(part) if quiet else self._loud(part)

    def _loud(self, part: Floats) -> Iterator[Heard | Ended]:
        if not self._in_gap:
            yield from self._release()
        self._held, self._in_gap = [], False
        yield self._heard(part)
        self._count += part.size

    def _quiet(self, part: Floats) -> Iterator[Heard | Ended]:
        self._count += part.size
        if self._in_gap:
            return
        self._held.append(part)
        if sum(p.size for p in self._held) >= self.silence_samples:
            self._held, self._in_gap = [], True
            if self._open:
                self._open = False
                yield Ended(self.time)

    def _release(self) -> Iterator[Heard]:
        """Silence too short to be a gap is part of the run."""
        if self._held:
            held = np.concatenate(self._held)
            self._count -= held.size
            self._held = []
            yield self._heard(held)
            self._count += held.size

    def _heard(self, part: Floats) -> Heard:
        start = None if self._open else self.time
        self._open = True
        return Heard(part, start)


def _stretches(silent: npt.NDArray[np.bool_], gap: int) -> Iterator[tuple[int, int, bool]]:
    """(first, last, silent) of a block; silence inside it that is too short for a gap counts as sound.

    Every zero crossing is "silent" for a sample: only stretches at the edges of a block can grow further.
    """
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(silent)) + 1, [silent.size]])
    quiet = silent[bounds[:-1]].copy()
    quiet[1:-1] &= np.diff(bounds)[1:-1] >= gap
    keep = np.concatenate([[True], np.diff(quiet)])
    starts = [int(i) for i in bounds[:-1][keep]]
    for first, last, hushed in zip(starts, [*starts[1:], silent.size], quiet[keep], strict=True):
        yield first, last, bool(hushed)
