"""Real media files for tests, made on the fly with PyAV: ``from tests.media import Sound, write_media``.

    write_media(tmp_path / "clip.mp4", video=Video(seconds=3), sound=Sound(tone(440, 3)))

Pictures show a white square that moves on a grey ground unless ``draw`` says otherwise; ``square_left`` tells
where the square is at a time, so that a test can read the time back from the pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.packet
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

Samples = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Draw = Callable[[float, int, int], Picture]
Packets = list[tuple[Fraction, "av.packet.Packet[Any]"]]

FINE = Fraction(1, 90_000)  # time base of pictures unless said otherwise
GROUND, WHITE = 90, 255


def square_left(time: float, width: int) -> int:
    """Left edge of the moving square in pixels: it crosses the picture once in four seconds."""
    side = max(1, width // 8)
    return int((time % 4.0) / 4.0 * (width - side))


def moving_square(time: float, width: int, height: int) -> Picture:
    """A white square on grey, shape ``(height, width, 3)`` RGB."""
    picture = np.full((height, width, 3), GROUND, np.uint8)
    left, side = square_left(time, width), max(1, width // 8)
    top = max(0, height // 2 - side // 2)
    picture[top : top + side, left : left + side] = WHITE
    return picture


def quarters(time: float, width: int, height: int) -> Picture:
    """Upper left red, upper right green, lower left blue, lower right white: shows every turn and mirror."""
    del time
    picture = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2, width // 2
    picture[:y, :x] = (255, 0, 0)
    picture[:y, x:] = (0, 255, 0)
    picture[y:, :x] = (0, 0, 255)
    picture[y:, x:] = (255, 255, 255)
    return picture


def tone(hertz: float, seconds: float, *, rate: int = 48_000, level: float = 0.3) -> Samples:
    """A sine, shape ``(n,)``."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def silence(seconds: float, *, rate: int = 48_000) -> Samples:
    """Digital silence, shape ``(n,)``."""
    return np.zeros(round(seconds * rate), np.float32)


def clicks(times: Sequence[float], seconds: float, *, rate: int = 48_000, level: float = 0.9) -> Samples:
    """Silence with a 1 ms burst of 2 kHz starting at each time: the onset can be read back."""
    samples = silence(seconds, rate=rate)
    burst = tone(2_000, 0.001, rate=rate, level=level) if rate >= 8_000 else np.full(1, level, np.float32)
    for time in times:
        first = round(time * rate)
        piece = samples[first : first + burst.size]
        piece[:] = burst[: piece.size]
    return samples


def noise(seconds: float, *, rate: int = 48_000, level: float = 0.1, seed: int = 0) -> Samples:
    """White noise, shape ``(n,)``."""
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * rate))).clip(-1, 1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Video:
    """One track of pictures.

    Attributes:
        seconds: length; ``times`` (seconds of each picture: variable frame rate) overrides it and ``rate``.
        start: seconds by which the whole track is late.
        rotation: degrees clockwise by which a player must turn the picture to be upright (0, 90, 180, 270).
        draw: ``(time, width, height) -> RGB``.
    """

    seconds: float = 2.0
    width: int = 160
    height: int = 120
    rate: Fraction | int = 25
    codec: str = "libx264"
    start: float = 0.0
    times: Sequence[float] | None = None
    rotation: int = 0
    draw: Draw = moving_square
    pix_fmt: str = "yuv420p"
    time_base: Fraction | None = None
    options: dict[str, str] = field(default_factory=dict)

    def tick(self) -> Fraction:
        """Unit of the time stamps: ``time_base``, or one that suits the codec."""
        if self.time_base is not None:
            return self.time_base
        if self.codec != "mpeg4":
            return FINE
        return 1 / Fraction(self.rate) if self.times is None and not self.start else Fraction(1, 60_000)

    def instants(self) -> list[Fraction]:
        """Time of each picture before ``start`` is added, seconds."""
        if self.times is not None:
            return [Fraction(t).limit_denominator(1_000_000) for t in self.times]
        return [i / Fraction(self.rate) for i in range(round(self.seconds * self.rate))]


@dataclass(frozen=True, eq=False)
class Sound:
    """One track of sound: ``samples`` of shape ``(n,)`` (copied to every channel) or ``(channels, n)``."""

    samples: Samples
    rate: int = 48_000
    codec: str = "aac"
    layout: str = "mono"
    start: float = 0.0
    options: dict[str, str] = field(default_factory=dict)


def write_media(
    path: Path,
    *,
    video: Video | None = None,
    sound: Sound | Sequence[Sound] | None = None,
    metadata: dict[str, str] | None = None,
    format: str | None = None,  # noqa: A002 - FFmpeg's own word for it
    options: dict[str, str] | None = None,
) -> Path:
    """Write one recording; the container follows from the file's ending unless ``format`` says it."""
    sounds = [] if sound is None else [sound] if isinstance(sound, Sound) else list(sound)
    with av.open(str(path), "w", format=format, options=options or {}) as container:
        container.metadata.update(metadata or {})
        packets: Packets = []
        starters = []
        if video is not None:
            starters.append(_add_video(container, video))
        starters.extend(_add_sound(container, track) for track in sounds)
        for encode in starters:
            packets.extend(encode())
        for _, packet in sorted(packets, key=lambda p: p[0]):
            container.mux(packet)
    return path


def _keep(packets: Packets, new: Sequence[av.packet.Packet[Any]]) -> None:
    for packet in new:
        stamp = packet.dts if packet.dts is not None else packet.pts
        packets.append((Fraction(stamp or 0) * packet.time_base, packet))


def _add_video(container: av.container.OutputContainer, track: Video) -> Callable[[], Packets]:
    defaults = {"preset": "ultrafast"} if track.codec in ("libx264", "libx265") else {}
    stream = container.add_stream(track.codec, rate=track.rate, options={**defaults, **track.options})
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = track.width, track.height, track.pix_fmt
    stream.codec_context.time_base = track.tick()
    if track.rotation:
        stream.set_display_rotation(-track.rotation)

    def encode() -> Packets:
        packets: Packets = []
        late = Fraction(track.start).limit_denominator(1_000_000)
        for instant in track.instants():
            picture = track.draw(float(instant), track.width, track.height)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.time_base = track.tick()
            frame.pts = round((instant + late) / track.tick())
            _keep(packets, stream.encode(frame))
        _keep(packets, stream.encode(None))
        return packets

    return encode


def _add_sound(container: av.container.OutputContainer, track: Sound) -> Callable[[], Packets]:
    stream = container.add_stream(track.codec, rate=track.rate, options=dict(track.options))
    assert isinstance(stream, AudioStream)
    stream.layout = track.layout
    channels = av.AudioLayout(track.layout).nb_channels
    samples = np.asarray(track.samples, np.float32)
    planes = np.broadcast_to(samples, (channels, samples.shape[-1]))

    def encode() -> Packets:
        packets: Packets = []
        convert = av.AudioResampler(format=stream.format, layout=track.layout, rate=track.rate)
        size = stream.codec_context.frame_size or 1024
        for first in range(0, planes.shape[1], size):
            # packed, because PyAV 18 reads past the plane pointers of frames with eight planes
            piece = np.ascontiguousarray(planes[:, first : first + size].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=track.layout)
            frame.sample_rate = track.rate
            frame.time_base = Fraction(1, track.rate)
            frame.pts = first + round(track.start * track.rate)
            for ready in convert.resample(frame):
                _keep(packets, stream.encode(ready))
        _keep(packets, stream.encode(None))
        return packets

    return encode


def write_wav_float(path: Path, samples: Samples, *, rate: int = 48_000, channels: int = 1) -> Path:
    """A float WAV whose samples are written as they are, NaN and infinity included."""
    data = np.asarray(samples, "<f4").tobytes()
    head = struct.pack("<HHIIHH", 3, channels, rate, rate * 4 * channels, 4 * channels, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def write_still(
    path: Path, *, width: int = 64, height: int = 48, draw: Draw = quarters, orientation: int = 1
) -> Path:
    """A still picture in the format of the file's ending; ``orientation`` is EXIF's 1..8 (JPEG only)."""
    import cv2

    picture = np.ascontiguousarray(draw(0.0, width, height)[:, :, ::-1])
    ok, data = cv2.imencode(path.suffix, picture)
    assert ok, path
    content = bytes(data)
    if orientation != 1:
        tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
        exif = b"Exif\0\0" + tiff
        content = content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]
    path.write_bytes(content)
    return path


def truncate(path: Path, share: float, *, to: Path | None = None) -> Path:
    """Keep the first ``share`` (0..1) of a file's bytes, in place or as ``to``."""
    content = path.read_bytes()
    target = to or path
    target.write_bytes(content[: int(len(content) * share)])
    return target


def damage(
    path: Path, *, first: float = 0.4, last: float = 0.5, every: int = 97, to: Path | None = None
) -> Path:
    """Overwrite every ``every``-th byte between two shares of a file: its packets there are damaged."""
    content = bytearray(path.read_bytes())
    for place in range(int(len(content) * first), int(len(content) * last), every):
        content[place] ^= 0xFF
    target = to or path
    target.write_bytes(bytes(content))
    return target


FASTSTART = {"movflags": "faststart"}
"""``options`` that put an MP4's index first, so that a truncated file can still be read."""
