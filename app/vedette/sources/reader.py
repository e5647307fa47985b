"""One demuxer pass over one file: packets in, sound blocks and pictures out, on the recording's clock."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vedette.sources.damage import Damage
from vedette.sources.demux import Demuxer, seconds_per_tick
from vedette.sources.frames import Converter, Orientation, RecordedFrame
from vedette.sources.opening import second_zero
from vedette.sources.picture import SKIPPABLE, Outlook, PictureClock, Sampler
from vedette.sources.sound import SoundClock
from vedette_base.engine import processors
from vedette_base.media import AudioBlock, Progress
from vedette_base.score import Medium

Item = AudioBlock | RecordedFrame | Progress

STEP: Final = 0.1  # seconds of packets after which watermarks are looked at
LATE: Final = 10.0  # seconds without a packet after which a track of unknown length counts as pausing
SLOW: Final = 2.0  # pictures per second below which decoding in step beats decoding ahead
DECODED_AHEAD: Final = 192 << 20  # bytes of pictures that decoder threads may hold


@dataclass
class Plan:
    """What is read from one file.

    Attributes:
        container: open, at its start; the reader closes it.
        video, audio: tracks to read; None leaves that medium out.
        offset: seconds of the file's start on the recording's clock.
        start, end: seconds on the recording's clock; what lies outside is not given.
        orientation: how pictures become upright; None lets the first picture say it.
        absent: media that nobody reads for this stretch, and why, for people.
    """

    container: InputContainer
    video: VideoStream | None
    audio: AudioStream | None
    offset: float = 0.0
    start: float = 0.0
    end: float = math.inf
    orientation: Orientation | None = None
    still: bool = False
    absent: dict[Medium, str] = field(default_factory=dict)
    sampler: Sampler = field(default_factory=lambda: Sampler(None))
    converter: Converter = field(default_factory=Converter)
    damage: Damage = field(default_factory=Damage)


class Reader:
    """Iterate once. ``end`` says afterwards where the data ended, in seconds on the recording's clock."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tracks: list[Stream] = [t for t in (plan.video, plan.audio) if t is not None]
        self._zero = float(second_zero(plan.container, self._tracks)) - plan.offset
        self._demuxer = Demuxer(plan.container, self._tracks, self._zero, plan.damage)
        self._seen: dict[int, float] = {}  # where each track's packets have come to, seconds
        self._over: set[int] = set()
        self._told = -math.inf
        self._sound = self._sound_clock(None)
        tick = seconds_per_tick(plan.video) if plan.video is not None else 0.0
        self._picture_clock = PictureClock(tick, self._zero, self._period())
        self._outlook: Outlook | None = None
        if plan.video is not None and plan.video.codec_context.name in SKIPPABLE and not plan.sampler.every:
            self._outlook = Outlook(plan.sampler, tick, self._zero, plan.start)
        self._waits_for_key = False
        self._orientation = plan.orientation
        self.end = plan.offset

    def __iter__(self) -> Iterator[Item]:
        plan = self._plan
        try:
            begin = max(plan.offset, plan.start)
            yield from (Progress(medium, begin) for medium in (*plan.absent, *map(_medium, self._tracks)))
            self._prepare()
            if plan.start > plan.offset:
                self._begin_late()
            for packet in self._demuxer.packets():
                yield from self._decode(packet)
                if self._passed_end():
                    break
            for track in self._tracks:
                yield from self._drain(track)
        finally:
            plan.container.close()

    def _prepare(self) -> None:
        video = self._plan.video
        if video is not None:
            picture = max(1, video.width * video.height * 2)
            slow = self._plan.still or 1 / self._period() < SLOW
            video.thread_type = "SLICE" if slow else "AUTO"
            video.thread_count = max(1, min(processors(), 16, DECODED_AHEAD // picture))

    def _period(self) -> float:
        video = self._plan.video
        rate = (video.average_rate or video.guessed_rate) if video is not None else None
        return float(1 / rate) if rate else 0.04

    def _begin_late(self) -> None:
        """Start reading shortly before ``start``, so that what is given equals a full run's."""
        plan = self._plan
        if plan.still or not self._demuxer.seeks:
            return
        grid = self._first_sound()
        if self._demuxer.go_before(plan.start, self._zero + plan.offset):
            self._waits_for_key = plan.video is not None
            self._sound = self._sound_clock(grid)

    def _sound_clock(self, grid: float | None) -> SoundClock:
        plan = self._plan
        tick = seconds_per_tick(plan.audio) if plan.audio is not None else 0.0
        return SoundClock(tick, self._zero, plan.damage, start=plan.start, end=plan.end, grid=grid)

    def _first_sound(self) -> float | None:
        """Time of the very first sample that decoding gives, seconds on the recording's clock."""
        if self._plan.audio is None:
            return None
        for packet in self._demuxer.read([self._plan.audio]):
            for frame in self._sounds(packet):
                if frame.pts is not None:
                    return frame.pts * seconds_per_tick(self._plan.audio) - self._zero
        return None

    def _decode(self, packet: Packet[Stream]) -> Iterator[Item]:
        track = packet.stream_index
        time = self._demuxer.time(packet)
        if time is not None:
            self._seen[track] = time
        if packet.is_corrupt:
            self._plan.damage.count("packets marked as damaged")
        if self._plan.video is not None and track == self._plan.video.index:
            self._waits_for_key = self._waits_for_key and not packet.is_keyframe
            if self._waits_for_key:
                return
            for ready, wanted in self._outlook.push(packet) if self._outlook else [(packet, True)]:
                for picture in self._pictures(ready, wanted=wanted):
                    yield from self._picture(picture)
        else:
            for frame in self._sounds(packet):
                yield from self._sound_blocks(frame)
        if time is not None and time - self._told >= STEP:
            self._told = time
            yield Progress("audio", self._sound.ready)
            yield from self._pauses(track, time)

    def _pictures(self, packet: Packet[Any] | None, *, wanted: bool = True) -> list[VideoFrame]:
        """What ``packet`` decodes to; None asks for what the decoder still holds."""
        track = self._plan.video
        if track is None:
            return []
        if self._outlook is not None:
            track.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
        try:
            return track.codec_context.decode(packet)
        except av.error.FFmpegError:
            self._plan.damage.count("damaged picture packets, skipped")
            return []

    def _sounds(self, packet: Packet[Any] | None) -> list[AudioFrame]:
        """The same for sound."""
        track = self._plan.audio
        if track is None:
            return []
        try:
            return track.codec_context.decode(packet)
        except av.error.FFmpegError:
            self._plan.damage.count("damaged sound packets, skipped")
            return []

    def _picture(self, picture: VideoFrame) -> Iterator[Item]:
        plan = self._plan
        time = 0.0 if plan.still else self._picture_clock.time(picture)
        self.end = max(self.end, min(time + (0.0 if plan.still else self._period()), plan.end))
        if picture.is_corrupt:
            plan.damage.count("damaged pictures")
        picked = plan.sampler.picks(time)
        if picked and plan.start - 1e-6 <= time < plan.end:
            self._orientation = self._orientation or Orientation.of_frame(picture)
            yield RecordedFrame(picture, time, plan.converter, self._orientation, still=plan.still)
        else:
            yield Progress("vision", time)

    def _sound_blocks(self, frame: AudioFrame | None) -> Iterator[Item]:
        blocks = self._sound.flush() if frame is None else self._sound.push(frame)
        for block in blocks:
            self.end = max(self.end, block.end)
            yield block

    def _pauses(self, track: int, now: float) -> Iterator[Item]:
        """Let the other medium's watermark move on where it is absent, is known to have ended, or pauses."""
        for medium, reason in self._plan.absent.items():
            yield Progress(medium, now, reason)
        for other in self._tracks:
            seen = self._seen.get(other.index, self._plan.offset)
            if other.index == track or now - seen < 1.0:
                continue
            length = track_length(other)
            if length is not None and now - 1.0 > length - self._zero:
                if other.index not in self._over:
                    self._over.add(other.index)
                    yield from self._drain(other)
                yield Progress(_medium(other), now - 1.0, f"{_word(other)} ended")
            elif other is self._plan.audio and now - seen > LATE:
                yield from self._sound_blocks(None)
                yield Progress("audio", now - LATE, "no sound for a while")

    def _drain(self, track: Stream) -> Iterator[Item]:
        """What a decoder still holds after its last packet."""
        if track is self._plan.video:
            for packet, wanted in self._outlook.flush() if self._outlook else ():
                for picture in self._pictures(packet, wanted=wanted):
                    yield from self._picture(picture)
            for picture in self._pictures(None):
                yield from self._picture(picture)
        else:
            for frame in self._sounds(None):
                yield from self._sound_blocks(frame)
            yield from self._sound_blocks(None)
        track.codec_context.flush_buffers()  # it can go on, should its track do so

    def _passed_end(self) -> bool:
        """All packets of what lies before the end that was asked for have been read."""
        limit = self._plan.end
        if limit == math.inf or not self._seen:
            return False
        seen = [self._seen.get(t.index, -math.inf) for t in self._tracks if t.index not in self._over]
        return min(seen, default=math.inf) > limit + 1.0 or max(self._seen.values()) > limit + LATE


def track_length(track: Stream) -> float | None:
    """Where a track ends, as a time stamp in seconds; None where the container does not say."""
    if track.duration is None or track.time_base is None:
        return None
    return float(((track.start_time or 0) + track.duration) * track.time_base)


def _word(track: Stream) -> str:
    return "sound" if track.type == "audio" else "picture"


def _medium(track: Stream) -> Medium:
    return "audio" if track.type == "audio" else "vision"
