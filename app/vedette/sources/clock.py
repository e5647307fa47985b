"""Time stamps of packets made continuous: counters wrap and spliced recordings jump back, clocks do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from av.packet import Packet
from av.stream import Stream

from vedette.sources.damage import Damage

BACK: Final = 1.0  # decoding times never fall within a track: falling by a second is a new count
FAR: Final = 10.0  # a longer jump ahead is a gap, or a damaged stamp: the next packet tells
ABSURD: Final = 26 * 3600.0  # no gap: a counter of 33 bits at 90 kHz wrapped (26.5 hours)


class Continuity:
    """Shifts packets so that decoding times of each track never fall; all tracks by the same amount.

    A forward jump is left alone: it is a gap in the recording (motion-triggered cameras make them).

    Args:
        ticks: seconds per unit of the time stamps of each track, by its number.
        damage: where jumps and damaged stamps are counted.
    """

    def __init__(self, ticks: Mapping[int, float], damage: Damage) -> None:
        self._ticks = ticks
        self._damage = damage
        self._shift = 0.0  # of the newest count, seconds
        self._own: dict[int, float] = {}  # of the count that each track is in: they change over in turn
        self._last: dict[int, float] = {}
        self._doubted: dict[int, Packet[Stream]] = {}

    def push(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """Packets that may be decoded, their stamps made continuous.

        One whose stamp jumps is held until its track's next one shows whether the stamp was damaged.
        """
        track, stamp = packet.stream_index, self._stamp(packet)
        doubted = self._doubted.pop(track, None) if self._doubted else None
        continues = stamp is None or self._continues(track, stamp)
        if doubted is not None:
            yield self._without_stamps(doubted) if continues else self._shifted(doubted)
            continues = stamp is None or self._continues(track, stamp)
        if continues:
            yield self._shifted(packet)
        else:
            self._doubted[track] = packet

    def flush(self) -> Iterator[Packet[Stream]]:
        """Packets still held, after the last one."""
        for packet in self._doubted.values():
            yield self._without_stamps(packet)
        self._doubted.clear()

    def shift_of(self, track: int, stamp: float) -> float:
        """Seconds to add to a decoding time of a track. To be asked once per packet, in their order."""
        own = self._own.get(track, self._shift)
        last = self._last.get(track)
        if last is not None:
            if own != self._shift and abs(stamp + self._shift - last) < abs(stamp + own - last):
                own = self._shift  # another track has jumped already, and now this one
            if not last - BACK <= stamp + own <= last + ABSURD:
                own = self._begin_again(stamp)
        self._own[track] = own
        self._last[track] = stamp + own
        return own

    def _begin_again(self, stamp: float) -> float:
        """The count started anew at ``stamp``: go on where the furthest track was."""
        self._shift = max(self._last.values()) - stamp
        self._damage.count("jumps in its time stamps, joined without a gap")
        return self._shift

    def _stamp(self, packet: Packet[Stream]) -> float | None:
        stamp = packet.dts if packet.dts is not None else packet.pts
        return None if stamp is None else stamp * self._ticks[packet.stream_index]

    def _continues(self, track: int, stamp: float) -> bool:
        last = self._last.get(track)
        if last is None:
            return True
        own = self._own.get(track, self._shift)
        return any(last - BACK <= stamp + shift <= last + FAR for shift in (own, self._shift))

    def _without_stamps(self, packet: Packet[Stream]) -> Packet[Stream]:
        packet.pts = packet.dts = None
        self._damage.count("damaged time stamps, left out")
        return packet

    def _shifted(self, packet: Packet[Stream]) -> Packet[Stream]:
        stamp = self._stamp(packet)
        shift = 0.0 if stamp is None else self.shift_of(packet.stream_index, stamp)
        if shift:
            ticks = round(shift / self._ticks[packet.stream_index])
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        return packet
