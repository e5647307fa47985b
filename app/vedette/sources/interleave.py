"""Puts sound and picture of one recording in order of time, and says where one of them has nothing."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

from vedette.sources.frames import RecordedFrame
from vedette_base.media import AudioBlock, MediaItem, Progress
from vedette_base.score import Medium

AHEAD: Final = 10.0  # seconds one medium may be ahead before it is given without waiting for the other
HELD: Final = 96 << 20  # bytes of pictures held back at most
NOTICE: Final = 1.0  # seconds without an item after which a medium's progress is told


class Interleaver:
    """``push`` takes what decoding gives, in order of time within each medium; gives both in order.

    A ``Progress`` put in is a mark: nothing of its medium before its time will follow. It is passed on only
    where no item tells the same, and where it gives a reason.

    Args:
        start: where both media begin, seconds.
        every: seconds between pictures that are normal here.
    """

    def __init__(self, start: float = 0.0, every: float = 0.0) -> None:
        self._waiting: dict[Medium, deque[AudioBlock | RecordedFrame]] = {"audio": deque(), "vision": deque()}
        self._ready: dict[Medium, float] = {"audio": -math.inf, "vision": -math.inf}
        self._told: dict[Medium, float] = {"audio": start, "vision": start}
        self._given: set[Medium] = set()
        self._reason: dict[Medium, str] = {"audio": "", "vision": ""}
        self._notice: dict[Medium, float] = {"audio": NOTICE, "vision": max(NOTICE, 2 * every)}
        self._held = 0

    def push(self, item: AudioBlock | RecordedFrame | Progress) -> Iterator[MediaItem]:
        """What may be given now."""
        if isinstance(item, Progress):
            self._ready[item.medium] = max(self._ready[item.medium], item.time)
            self._reason[item.medium] = item.reason
        else:
            medium, end = _medium_and_end(item)
            self._ready[medium] = max(self._ready[medium], end)
            self._reason[medium] = ""
            self._waiting[medium].append(item)
            self._held += item.memory if isinstance(item, RecordedFrame) else 0
        yield from self._give()

    def flush(self, end: float) -> Iterator[MediaItem]:
        """The rest, and for a medium that ended clearly before ``end``: progress up to there."""
        for medium in self._ready:
            self._ready[medium] = math.inf
        yield from self._give()
        for medium, told in self._told.items():
            if told < end - NOTICE / 2 or medium not in self._given:
                yield self._progress(medium, end)

    def _give(self) -> Iterator[MediaItem]:
        while (medium := self._next()) is not None:
            item = self._waiting[medium].popleft()
            yield from self._catch_up(_other(medium), item.time)
            if item.time - self._told[medium] >= self._notice[medium]:
                yield self._progress(medium, item.time)  # a gap in its own track
            self._held -= item.memory if isinstance(item, RecordedFrame) else 0
            self._told[medium] = _medium_and_end(item)[1]
            self._given.add(medium)
            yield item

    def _next(self) -> Medium | None:
        """The medium whose first waiting item may be given."""
        heads = {m: queue[0].time for m, queue in self._waiting.items() if queue}
        if not heads:
            return None
        medium = min(heads, key=lambda m: heads[m])
        if len(heads) == 2 or self._ready[_other(medium)] >= heads[medium]:
            return medium
        ahead = self._ready[medium] - heads[medium] > AHEAD
        return medium if ahead or self._held > HELD else None

    def _catch_up(self, medium: Medium, time: float) -> Iterator[Progress]:
        """Progress of a medium that has nothing to give while the other one has come to ``time``."""
        waiting = self._waiting[medium]
        known = min(time, waiting[0].time if waiting else self._ready[medium])
        if known - self._told[medium] >= self._notice[medium]:
            yield self._progress(medium, known)

    def _progress(self, medium: Medium, time: float) -> Progress:
        self._told[medium] = max(self._told[medium], time)
        return Progress(
            medium, self._told[medium], self._reason[medium] or _why(medium, medium in self._given)
        )


def _medium_and_end(item: AudioBlock | RecordedFrame) -> tuple[Medium, float]:
    return ("audio", item.end) if isinstance(item, AudioBlock) else ("vision", item.time)


def _other(medium: Medium) -> Medium:
    return "vision" if medium == "audio" else "audio"


def _why(medium: Medium, given: bool) -> str:
    if medium == "audio":
        return "no sound here" if given else "no sound yet"
    return "no picture here" if given else "no picture yet"
