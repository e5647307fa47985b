"""Two senses, two watermarks, one order of time.

Each sense reports in its own time and runs ahead of or behind the other. The aligner holds what came early
and gives it out in moments, in order of the medium's clock, as far as both senses have come. What follows is
a pure function of that order, so how a stream was cut into blocks and interleaved changes nothing.

A sense that ended or stalls does not block: its blocks without observations move its watermark on.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from vedette_base.errors import InputError
from vedette_base.score import Medium, Score, ScoreBlock, Segment, Shot, WeaponTrack, merge_segments

_KNOWN_TRACKS = 1024  # ids remembered, so that a long stream does not grow


@dataclass(frozen=True, slots=True)
class Look:
    """One entry of a score timeline: what one sense made of one instant."""

    time: float
    quality: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything both senses reported for one instant."""

    time: float
    heard: tuple[Look, ...] = ()
    seen: tuple[Look, ...] = ()
    shots: tuple[Shot, ...] = ()
    tracks: tuple[WeaponTrack, ...] = ()


Item = Look | Shot | WeaponTrack


class Aligner:
    """Blocks of scores in, moments in order of time out.

    Args:
        media: the senses that will report. Time advances as far as the slowest of them has come.
    """

    def __init__(self, media: Sequence[Medium] = ("audio", "vision")) -> None:
        self._until: dict[Medium, float] = dict.fromkeys(media, -math.inf)
        self._observed: dict[Medium, list[Segment]] = {"audio": [], "vision": []}
        self._waiting: list[tuple[float, Medium, int, Item]] = []
        self._arrival = count()
        self._known: dict[int, None] = {}

    @property
    def horizon(self) -> float:
        """Seconds up to which every sense has reported."""
        return min(self._until.values())

    @property
    def waiting(self) -> int:
        """How many entries are held because the other sense has not come as far yet."""
        return len(self._waiting)

    def push(self, block: ScoreBlock) -> Iterator[Moment]:
        """Take one block; yield the moments before the new horizon.

        Raises:
            InputError: an unexpected sense, or a watermark that is NaN or falls.
        """
        if block.medium not in self._until:
            raise InputError(f"a {block.medium} block came, but only {', '.join(self._until)} was announced")
        if not block.until >= self._until[block.medium]:
            raise InputError(
                f"the {block.medium} watermark must not fall: {block.until} after {self._until[block.medium]}"
            )
        self._until[block.medium] = block.until
        self._note_observed(block.medium, block.observed)
        for time, item in self._items(block):
            heapq.heappush(self._waiting, (time, block.medium, next(self._arrival), item))
        yield from self._moments_before(self.horizon)

    def flush(self) -> Iterator[Moment]:
        """Yield what still waits: no sense will report any more."""
        yield from self._moments_before(math.inf)

    def observed(self, medium: Medium, span: Segment) -> bool:
        """Whether the sense observed any part of ``span``."""
        return any(s.overlap(span) > 0 for s in self._observed[medium])

    def forget(self, before: float) -> None:
        """Drop observed spans that end before ``before`` seconds."""
        for medium, spans in self._observed.items():
            if spans and spans[0].end < before:
                self._observed[medium] = [s for s in spans if s.end >= before]

    def _note_observed(self, medium: Medium, new: Sequence[Segment]) -> None:
        if new:
            self._observed[medium] = list(merge_segments([*self._observed[medium], *new], join=1e-6))

    def _items(self, block: ScoreBlock) -> Iterator[tuple[float, Item]]:
        for look in looks(block.scores):
            yield look.time, look
        for shot in block.shots:
            yield shot.time, shot
        for track in block.tracks:
            # A track enters where it began; each longer version is news of the time it was last seen.
            yield (track.end if track.id in self._known else track.start), track
            self._known[track.id] = self._known.pop(track.id, None)
        while len(self._known) > _KNOWN_TRACKS:
            del self._known[next(iter(self._known))]

    def _moments_before(self, horizon: float) -> Iterator[Moment]:
        while self._waiting and self._waiting[0][0] < horizon:
            time = self._waiting[0][0]
            items: list[tuple[Medium, Item]] = []
            while self._waiting and self._waiting[0][0] == time:
                _, medium, _, item = heapq.heappop(self._waiting)
                items.append((medium, item))
            yield Moment(
                time,
                heard=tuple(i for m, i in items if m == "audio" and isinstance(i, Look)),
                seen=tuple(i for m, i in items if m == "vision" and isinstance(i, Look)),
                shots=tuple(i for _, i in items if isinstance(i, Shot)),
                tracks=tuple(i for _, i in items if isinstance(i, WeaponTrack)),
            )


class Memory:
    """The last looks of one sense, in order of time."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._looks: list[Look] = []

    def __len__(self) -> int:
        return len(self._looks)

    def add(self, look: Look) -> None:
        """Remember one look; a late one is put where it belongs."""
        place = bisect_right(self._times, look.time)
        self._times.insert(place, look.time)
        self._looks.insert(place, look)

    def between(self, start: float, end: float) -> list[Look]:
        """Looks with ``start <= time <= end``."""
        return self._looks[bisect_left(self._times, start) : bisect_right(self._times, end)]

    def nearest(self, time: float, within: float) -> Look | None:
        """The look closest to ``time``, at most ``within`` seconds away; the earlier of two equally close."""
        near = self.between(time - within, time + within)
        return min(near, key=lambda look: abs(look.time - time)) if near else None

    def forget(self, before: float) -> None:
        """Drop looks earlier than ``before`` seconds."""
        place = bisect_left(self._times, before)
        if place > len(self._times) // 2:  # halving keeps the cost of dropping low per look
            del self._times[:place], self._looks[:place]


def looks(scores: Score) -> Iterator[Look]:
    """The entries of a timeline one by one."""
    rows = zip(scores.times.tolist(), scores.quality.tolist(), scores.probabilities.tolist(), strict=True)
    for time, quality, row in rows:
        yield Look(time, quality, dict(zip(scores.labels, row, strict=True)))
