"""Packets of a file in their order, past damage, from its beginning or from shortly before a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import av.error
from av.container.input import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from vedette.sources.clock import Continuity
from vedette.sources.damage import Damage

PREROLL: Final = 1.0  # seconds decoded before a start: overlapping transforms, resampler, half-used slots
FURTHER: Final = (PREROLL, 5.0, 20.0, 80.0)  # seconds gone back to find a key frame, before reading it all
GIVE_UP: Final = 200  # reading errors in a row after which the rest of a file is given up
SEEKABLE: Final = {"mov", "matroska", "avi", "wav", "w64", "mpegts", "asf", "nut"}
"""Formats that seek exactly; others (MP3, raw streams) are read from their start, and are sound mostly."""


class Demuxer:
    """Reads ``tracks`` of an open container.

    Args:
        zero: time stamp, in seconds, of second 0 of the recording.
        damage: where reading errors and jumps in time are counted.
    """

    def __init__(self, container: InputContainer, tracks: list[Stream], zero: float, damage: Damage) -> None:
        self._container = container
        self._tracks = tracks
        self._zero = zero
        self._damage = damage
        self._ticks = {track.index: seconds_per_tick(track) for track in tracks}
        for stream in container.streams:
            if stream not in tracks:
                stream.discard = Discard.all

    def packets(self) -> Iterator[Packet[Stream]]:
        """All packets from here on, their time stamps continuous."""
        continuity = Continuity(self._ticks, self._damage)
        for packet in self.read(self._tracks):
            yield from continuity.push(packet)
        yield from continuity.flush()

    def read(self, tracks: list[Stream]) -> Iterator[Packet[Stream]]:
        """Packets of ``tracks`` as they are, past errors where the file goes on after them."""
        errors = 0
        while errors < GIVE_UP:
            try:
                for packet in self._container.demux(tracks):
                    if packet.size:  # empty ones ask for a decoder's rest; that is done for all at the end
                        errors = 0
                        yield packet
                return
            except IndexError:  # PyAV 18 trips over a track that damage makes appear; asked again, it goes on
                errors += 1
            except av.error.FFmpegError as error:
                errors += 1
                self._damage.count("reading errors")
                if not isinstance(error, av.error.InvalidDataError):
                    self._damage.remark(f"reading stopped: {error.strerror}")
                    return
        self._damage.remark("reading stopped: the rest of the file is damaged")

    def time(self, packet: Packet[Stream]) -> float | None:
        """Decoding time of a packet in seconds on the recording's clock."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        return None if stamp is None else stamp * self._ticks[packet.stream_index] - self._zero

    @property
    def seeks(self) -> bool:
        """Whether this format can be read from a time on."""
        return bool(SEEKABLE & set(self._container.format.name.split(",")))

    def go_before(self, start: float, beginning: float) -> bool:
        """Go to a key frame well before ``start``; False where that is the file's beginning.

        Args:
            start: seconds on the recording's clock.
            beginning: the file's first time stamp, seconds.
        """
        for back in FURTHER:
            target = start - back + self._zero
            if target <= beginning:
                break
            if self._go_to(target) and self._lands_before(start - PREROLL / 2):
                self._go_to(target)
                return True
        self._go_to(beginning)
        return False

    def _go_to(self, target: float) -> bool:
        try:
            self._container.seek(math.floor(target * 1_000_000), backward=True)
        except av.error.FFmpegError:
            return False
        return True

    def _lands_before(self, latest: float) -> bool:
        """Whether pictures go on with a key frame, and sound goes on, before ``latest``."""
        missing = {track.index for track in self._tracks}
        pictures = {track.index for track in self._tracks if track.type == "video"}
        for packet in self.read(self._tracks):
            time = self.time(packet)
            if time is None or (time > latest and packet.stream_index in missing):
                return False
            if packet.is_keyframe:
                missing.discard(packet.stream_index)
            if not missing or time > latest:
                return not missing & pictures  # sound that has ended already is not waited for
        return False


def seconds_per_tick(track: Stream) -> float:
    """Unit of a track's time stamps. As a float: exact to a nanosecond over days, and far quicker."""
    return float(track.time_base) if track.time_base else 1e-6
