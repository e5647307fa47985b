"""Long recordings made by repeating short ones, packet by packet: nothing is decoded, so it is quick."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from av.video.frame import PictureType


def repeat(out: Path, seconds: float, *, picture: Path | None = None, sound: Path | None = None) -> Path:
    """Write ``seconds`` of ``picture``'s first video track and ``sound``'s first sound track, each repeated.

    Times go on rising across the joints as in one long recording. An existing file is kept.
    """
    if out.exists():
        return out
    unfinished = out.with_name(f"unfinished-{out.name}")
    with av.open(str(unfinished), "w") as target:
        tracks = []
        for file, kind in ((picture, "video"), (sound, "audio")):
            if file is None:
                continue
            with av.open(str(file)) as first:
                stream = target.add_stream_from_template(next(s for s in first.streams if s.type == kind))
            tracks.append((stream, repeated_packets(file, kind, seconds)))
        waiting = [next(packets, None) for _, packets in tracks]
        while any(packet is not None for packet in waiting):
            times = [packet.dts * packet.time_base if packet else None for packet in waiting]
            first_at = min(time for time in times if time is not None)
            index = times.index(first_at)
            packet = waiting[index]
            packet.stream = tracks[index][0]
            target.mux(packet)
            waiting[index] = next(tracks[index][1], None)
    unfinished.rename(out)
    return out


def repeated_packets(file: Path, kind: str, seconds: float) -> Iterator[Packet]:
    """One track's packets over and over, their times moved on by the track's length each time."""
    offset = 0
    while True:
        length = 0
        with av.open(str(file)) as container:
            stream = next(s for s in container.streams if s.type == kind)
            start = None
            for packet in container.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                start = packet.dts if start is None else start
                if packet.time_base * (packet.dts - start + offset) >= seconds:
                    return
                length = max(length, packet.dts - start + (packet.duration or 1))
                packet.pts += offset - start
                packet.dts += offset - start
                yield packet
        offset += length


def still(out: Path, seconds: float, picture: Path) -> Path:
    """A recording of the first frame of ``picture`` and nothing else, at 25 frames/s, without sound."""
    if out.exists():
        return out
    with av.open(str(picture)) as source:
        first = next(source.decode(video=0))
    unfinished = out.with_name(f"unfinished-{out.name}")
    with av.open(str(unfinished), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "23", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "yuv420p"
        stream.time_base = Fraction(1, 25)
        first.pict_type = PictureType.NONE
        for number in range(int(seconds * 25)):
            first.pts, first.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(first))
        target.mux(stream.encode())
    unfinished.rename(out)
    return out
