"""Which pictures are given: the first of each slot of time, by time stamp, never by counting."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

EARLY: Final = 0.05  # share of a slot by which a picture may be early: time stamps are rounded and jitter
WINDOW: Final = 24  # packets looked ahead: more than any codec's pictures can be out of order (16)
SKIPPABLE: Final = {"h264", "mpeg2video"}
"""Codecs whose decoder skips a picture that no other refers to without any other changing.

HEVC is not one: with temporal layers its "sub-layer non-reference" pictures can be referred to.
"""


class Sampler:
    """Picks at most ``rate`` pictures per second.

    Slots lie on the recording's clock, so a run that starts later picks the same pictures. ``rate`` None
    picks every one.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._taken = -math.inf

    def slot(self, time: float) -> int:
        """Number of the slot that a time belongs to. Only with a rate."""
        return math.floor(time * (self._rate or 1.0) + EARLY)

    @property
    def every(self) -> bool:
        """Whether every picture is given."""
        return self._rate is None

    def picks(self, time: float) -> bool:
        """Whether the picture at ``time`` is given. Call once per picture, in order of time."""
        if self._rate is None:
            return True
        slot = self.slot(time)
        if slot <= self._taken:
            return False
        self._taken = slot
        return True


class PictureClock:
    """Seconds of each decoded picture on the recording's clock, also where stamps are missing."""

    def __init__(self, tick: float, zero: float, period: float) -> None:
        self._tick, self._zero = tick, zero  # seconds per unit of the stamps; stamp of second 0, seconds
        self._period = period  # seconds between pictures, for those without a stamp
        self._last: float | None = None

    def time(self, picture: VideoFrame) -> float:
        """Rises from picture to picture."""
        stamp = picture.pts if picture.pts is not None else picture.dts
        if stamp is not None:
            time = stamp * self._tick - self._zero
        else:
            time = 0.0 if self._last is None else self._last + self._period
        if self._last is not None and time <= self._last:
            time = self._last + self._period / 1000  # two pictures at one time: keep their order
        self._last = time
        return time


class Outlook:
    """Looks some packets ahead, so that pictures which will not be picked need not be decoded.

    Decoders can leave out pictures that no other picture refers to (many B-frames); the others come out
    the same to the bit. Half of the decoding time of a usual film is saved.

    Args:
        sampler: says the slots; with its rate None every picture is wanted.
        tick, zero: as for ``PictureClock``.
        start: earlier pictures are not wanted at all.
    """

    def __init__(self, sampler: Sampler, tick: float, zero: float, start: float) -> None:
        self._sampler = sampler
        self._tick, self._zero = tick, zero
        self._first_slot = sampler.slot(start)  # its own first picture may lie before the start, and takes it
        self._waiting: deque[tuple[Packet[Stream], float | None]] = deque()
        self._firsts: dict[int, float] = {}  # the earliest time seen in each slot

    def push(self, packet: Packet[Stream]) -> Iterator[tuple[Packet[Stream], bool]]:
        """Packets in their order, each with whether its picture is wanted."""
        time = None if packet.pts is None else packet.pts * self._tick - self._zero
        if time is not None:
            slot = self._sampler.slot(time)
            self._firsts[slot] = min(time, self._firsts.get(slot, math.inf))
        self._waiting.append((packet, time))
        if len(self._waiting) > WINDOW:
            yield self._next()

    def flush(self) -> Iterator[tuple[Packet[Stream], bool]]:
        """The rest."""
        while self._waiting:
            yield self._next()

    def _next(self) -> tuple[Packet[Stream], bool]:
        packet, time = self._waiting.popleft()
        if time is None:
            return packet, True
        slot = self._sampler.slot(time)
        wanted = time <= self._firsts.get(slot, time) and slot >= self._first_slot
        while len(self._firsts) > 4 * WINDOW:  # slots of long ago
            del self._firsts[next(iter(self._firsts))]
        return packet, wanted
