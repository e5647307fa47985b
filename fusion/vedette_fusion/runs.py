"""From a score curve to intervals: hysteresis as in pyannote's ``Binarize``, one entry at a time."""

from __future__ import annotations

from dataclasses import dataclass

from vedette_base.config import RunConfig


@dataclass(slots=True)
class Run:
    """One interval of a curve: from its onset to the last entry that was not below the offset."""

    start: float
    end: float
    shortest: float

    @property
    def long_enough(self) -> bool:
        """Whether it lasted long enough to count."""
        return self.end - self.start >= self.shortest - 1e-9


class Binarize:
    """Onset, offset, shortest on, shortest off: the whole vocabulary from score curve to intervals.

    A run begins at an entry of at least ``onset`` and goes on while entries are at least ``offset``; pauses
    up to ``shortest_off`` are bridged, whether the curve was low in them or nothing was observed.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.run: Run | None = None

    def push(self, time: float, value: float) -> Run | None:
        """Take the next entry; return the run it belongs to (the same object while it lasts), or None."""
        run = self.run
        if run is not None and time - run.end > self.config.shortest_off + 1e-9:
            run = self.run = None
        if run is None:
            if value < self.config.onset:
                return None
            run = self.run = Run(time, time, self.config.shortest_on)
        elif value >= self.config.offset:
            run.end = max(run.end, time)
        else:
            return None
        return run
