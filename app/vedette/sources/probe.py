"""What is known of a recording before it is read: tracks, length, size, time of day."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

import av.error
from av.container.input import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vedette.sources.exif import exif_orientation
from vedette.sources.frames import UPRIGHT, Orientation
from vedette.sources.opening import (
    MICROSECOND,
    audio_track,
    decodable,
    is_still,
    open_container,
    refuse_tiles,
    second_zero,
    video_track,
)
from vedette_base.errors import MediaError, NoMediumError
from vedette_base.media import SourceInfo

SOUND_ENDINGS: Final = "aac ac3 aif aiff amr au caf flac m4a mka mp2 mp3 oga ogg opus w64 wav wma"
VIDEO_ENDINGS: Final = (
    "3g2 3gp asf avi dav divx dv f4v flv gif h264 h265 hevc m2ts m2v m4v mjpeg mjpg mkv mov mp4 mpeg mpg mts "
    "mxf nut ogv qt rm ts vob webm wmv"
)
PICTURE_ENDINGS: Final = "avif bmp heic jfif jpeg jpg png tif tiff webp"
ENDINGS: Final = frozenset(f".{e}" for e in f"{SOUND_ENDINGS} {VIDEO_ENDINGS} {PICTURE_ENDINGS}".split())
"""Endings of files that a folder scan looks into."""

RELIABLE: Final = {"mov", "matroska", "avi", "wav", "w64", "asf", "nut", "flac", "flv"}
FIRST_PACKETS: Final = 60  # packets tried until one gives a first picture
OLDEST: Final = datetime(1975, 1, 1, tzinfo=UTC)  # cameras without a clock write 1904 or 1970


@dataclass(frozen=True, slots=True)
class Probed:
    """One file, looked at.

    Attributes:
        info: what callers see.
        created: time of day of its second 0, or None.
        still: a single picture.
        orientation: how its pictures become upright.
        period: seconds between pictures; 0.0 where unknown.
        reliable: whether its length is written in it, and not estimated from its size.
    """

    path: Path
    info: SourceInfo
    created: datetime | None
    still: bool
    orientation: Orientation
    period: float
    reliable: bool


def probe(path: str | os.PathLike[str]) -> SourceInfo:
    """What a recording says of itself. Decodes at most its first picture (for size and rotation).

    Raises:
        MediaError: it cannot be opened, or holds neither sound nor picture (``NoMediumError``).
    """
    return examine(Path(path)).info


def is_recording(path: str | os.PathLike[str]) -> bool:
    """Whether a file is sound, video or a picture, by its ending and by looking into it. Never raises."""
    file = Path(path)
    if file.suffix.lower() not in ENDINGS or not file.is_file():
        return False
    try:
        with open_container(file) as container:
            pictures = [s for s in container.streams.video if decodable(s) and s.width > 0]
            return bool(pictures) or any(decodable(s) for s in container.streams.audio)
    except MediaError:
        return False


def find_recordings(
    folder: str | os.PathLike[str], *, passed_over: Callable[[Path], bool] = lambda folder: False
) -> list[Path]:
    """Files beneath ``folder`` that ought to be recordings, by their ending, in order of their paths.

    Damaged ones, dangling links and folders that cannot be listed are given too, so that whoever reads them
    can name them. Hidden files and folders are not. Links to folders are followed, each folder once.

    Args:
        folder: where to look.
        passed_over: says of a folder whether it is left out with all that is in it.

    Raises:
        MediaError: ``folder`` is no folder, or cannot be listed.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MediaError(f"{root}: no such folder", hint="check the spelling")
    try:
        next(root.iterdir(), None)
    except OSError as error:
        raise MediaError(f"{root}: no permission to list it", hint="change its permissions") from error
    return sorted(_files(root, passed_over, set()))


def _files(folder: Path, passed_over: Callable[[Path], bool], seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in seen or passed_over(folder):
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for entry in sorted(entries, key=os.path.islink):  # where both lead to a folder, its own place is better
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry):  # unlike Path.is_dir it never raises: in /proc, say
            yield from _files(entry, passed_over, seen)
        elif entry.suffix.lower() in ENDINGS:
            yield entry


def examine(path: Path, *, sound_track: int = 0, picture: bool = True) -> Probed:
    """Open and describe one file.

    Args:
        sound_track: the sound track that will be read; refused here where there is none such.
        picture: whether to decode a first picture for its rotation.
    """
    with open_container(path) as container:
        refuse_tiles(container, path)
        audio, video = audio_track(container, sound_track, path), video_track(container)
        if audio is None and video is None:
            raise NoMediumError(
                f"{path}: holds neither sound nor pictures that can be decoded",
                hint="is it a subtitle or data file? convert unknown codecs to MP4 first",
            )
        still = video is not None and is_still(container)
        tracks: list[Stream] = [t for t in (video, audio) if t is not None]
        zero = second_zero(container, tracks)
        created = creation_time(container)
        notes = list(_notes(container, zero))
        orientation, size, rate = UPRIGHT, None, None
        if video is not None:
            first = _first_picture(container, video) if picture else None
            orientation = _orientation(path, first, still)
            stored = (first.width, first.height) if first is not None else (video.width, video.height)
            size = orientation.size(*stored) if min(stored) > 0 else None
            rate = None if still else video.average_rate or video.guessed_rate
            notes.extend([f"pictures are {orientation}"] if orientation != UPRIGHT else [])
        info = SourceInfo(
            name=str(path),
            duration=0.0 if still else _duration(container),
            audio=audio is not None,
            video=video is not None,
            size=size,
            recorded_at=created.isoformat() if created else None,
            frame_rate=float(rate) if rate else None,
            notes=tuple(notes),
        )
        period = float(1 / rate) if rate else 0.0
        reliable = bool(RELIABLE & set(container.format.name.split(",")))
        return Probed(path, info, created, still, orientation, period, reliable)


def creation_time(container: InputContainer) -> datetime | None:
    """Time of day of second 0 as the container says it, with its zone; None where it does not."""
    tags = {key.lower(): value for key, value in container.metadata.items()}
    for key in ("com.apple.quicktime.creationdate", "creation_time", "date"):
        try:
            moment = datetime.fromisoformat(tags.get(key, "").strip())
        except ValueError:
            continue
        if moment.tzinfo is not None and moment > OLDEST:
            return moment
    return None


def _duration(container: InputContainer) -> float | None:
    return float(container.duration * MICROSECOND) if container.duration else None


def _notes(container: InputContainer, zero: Fraction) -> Iterator[str]:
    if abs(zero) >= Fraction(1, 100):
        yield f"time stamps start at {float(zero):.2f} s"
    if len(container.streams.audio) > 1:
        yield f"{len(container.streams.audio)} sound tracks"
    for video in container.streams.video:
        if video.sample_aspect_ratio not in (None, 0, 1):
            yield f"its pixels are not square ({video.sample_aspect_ratio} as wide as high)"
    for stream in (*container.streams.video, *container.streams.audio):
        if not decodable(stream):
            yield f"no decoder for {'its sound' if stream.type == 'audio' else 'its pictures'}"


def _first_picture(container: InputContainer, video: VideoStream) -> VideoFrame | None:
    video.thread_type, video.thread_count = "SLICE", 1  # no pictures held back by decoder threads
    try:
        for number, packet in enumerate(container.demux(video)):
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                continue
            if pictures:
                return pictures[0]
            if number >= FIRST_PACKETS:
                break
    except av.error.FFmpegError:
        pass  # damage is reported when it is read
    return None


def _orientation(path: Path, first: VideoFrame | None, still: bool) -> Orientation:
    if first is None:
        return UPRIGHT
    value = exif_orientation(path) if still else None
    return Orientation.of_frame(first) if value is None else Orientation.of_exif(value)
