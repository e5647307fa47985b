"""Opens recordings with FFmpeg, and says in one line why one cannot be opened."""

from __future__ import annotations

import os
import stat
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import av.error
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from vedette_base.errors import InputError, MediaError, NoMediumError

NOT_FOOTAGE: Final = {"tty", "bin", "xbin", "adf", "idf"}  # FFmpeg draws any text file as "ANSI art"
STILLS: Final = {"image2", "gif_pipe"}  # besides every format that is called something_pipe
STILL_BRANDS: Final = {"avif", "heic", "heix", "mif1"}
THUMBNAIL: Final = Disposition.attached_pic | Disposition.timed_thumbnails
MICROSECOND: Final = Fraction(1, 1_000_000)


def open_container(path: Path) -> InputContainer:
    """Open a local file for reading.

    Raises:
        MediaError: there is no such file, it is a folder, empty, unreadable, cut off, or not media.
    """
    _refuse_what_is_no_file(path)
    try:
        # "file:" because a name such as "cam1:07.mp4" would be taken for a protocol, and "%d" for a pattern
        container = av.open(f"file:{path}", metadata_errors="replace", options={"pattern_type": "none"})
    except PermissionError as error:
        raise _no_permission(path) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _why(path, error) from error
    if container.format.name in NOT_FOOTAGE:
        container.close()
        raise _not_media(path)
    return container


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file", hint="check the spelling and the folder") from error
    except PermissionError as error:
        raise _no_permission(path) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{path}: cannot be opened: {reason}", hint="check the path") from error
    if stat.S_ISDIR(status.st_mode):
        if not os.access(path, os.R_OK | os.X_OK):
            raise MediaError(f"{path}: no permission to list it", hint="change its permissions or the user")
        raise MediaError(f"{path}: is a folder, not a recording", hint="name the recordings in it")
    if not stat.S_ISREG(
        status.st_mode
    ):  # it is opened more than once, and a pipe gives its content only once
        raise MediaError(f"{path}: is a pipe or a device, not a file", hint="write it to a file first")
    if status.st_size == 0:
        raise MediaError(f"{path}: the file is empty (0 bytes)", hint="copy it again from where it was made")
    if not os.access(path, os.R_OK):
        raise _no_permission(path)


def _no_permission(path: Path) -> MediaError:
    return MediaError(f"{path}: no permission to read it", hint="change its permissions or the user")


def _not_media(path: Path) -> MediaError:
    return MediaError(
        f"{path}: not a recording that can be read", hint="is it really sound, video or a picture?"
    )


def _why(path: Path, error: Exception) -> MediaError:
    if lacks_index(path):
        return MediaError(
            f"{path}: the recording is cut off: an MP4 without its index (moov) cannot be read",
            hint="copy it again, or rebuild it with untrunc and an intact recording of the same camera",
        )
    if isinstance(error, av.error.InvalidDataError):
        return _not_media(path)
    reason = getattr(error, "strerror", None) or str(error)
    return MediaError(f"{path}: cannot be read: {reason}", hint="try to play it; copy it again")


def lacks_index(path: Path) -> bool:
    """True for an MP4 or MOV (by its first box) in which no ``moov`` box follows: a recording cut off."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        place, first = 0, True
        while place + 8 <= end:
            file.seek(place)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if first and kind not in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
                return False
            if kind == b"moov":
                return place + size > end  # an index that is itself cut off
            first = False
            size = int.from_bytes(head[8:16], "big") if size == 1 else size or end
            if size < 8:
                return False
            place += size
    return not first


def is_still(container: InputContainer) -> bool:
    """True for a single picture rather than a video."""
    name = container.format.name
    brand = container.metadata.get("major_brand", "").strip()
    return name in STILLS or name.endswith("_pipe") or brand in STILL_BRANDS


def refuse_tiles(container: InputContainer, path: Path) -> None:
    """Refuse HEIC photographs made of tiles, of which FFmpeg would give one tile or the thumbnail only."""
    tiles = any(stream.disposition & Disposition.dependent for stream in container.streams.video)
    if tiles and is_still(container):
        raise MediaError(f"{path}: a HEIC photograph made of tiles cannot be read", hint="convert it to JPEG")


def video_track(container: InputContainer) -> VideoStream | None:
    """The largest track of pictures that has a decoder; covers and thumbnails do not count."""
    tracks = [s for s in container.streams.video if decodable(s) and not s.disposition & THUMBNAIL]
    return max(tracks, key=lambda s: s.width * s.height, default=None)


def audio_track(container: InputContainer, number: int, path: Path) -> AudioStream | None:
    """Sound track ``number`` (0 is the first), or None where the recording has no sound at all.

    Raises:
        InputError: there are sound tracks, but not that many.
        NoMediumError: the track's codec is unknown here.
    """
    tracks = container.streams.audio
    if number < 0 or (number and number >= len(tracks)):
        several = f"{len(tracks)} sound tracks" if len(tracks) != 1 else "1 sound track"
        raise InputError(
            f"{path}: audio track {number} was asked for, but it has {several}",
            hint=f"tracks are numbered from 0 to {len(tracks) - 1}" if tracks else "leave the option away",
        )
    if not tracks:
        return None
    if not decodable(tracks[number]) and video_track(container) is None:
        raise NoMediumError(f"{path}: no decoder for its sound", hint="convert it to WAV or MP4 first")
    return tracks[number] if decodable(tracks[number]) else None


def decodable(stream: Stream) -> bool:
    """Whether FFmpeg knows the codec; PyAV gives None instead of a context where it does not."""
    context: object = stream.codec_context
    return context is not None


def second_zero(container: InputContainer, tracks: list[Stream]) -> Fraction:
    """The container's start time in seconds: the earliest track's first time stamp."""
    rounded = Fraction(container.start_time or 0) * MICROSECOND
    starts = [s.start_time * s.time_base for s in tracks if s.start_time is not None and s.time_base]
    exact = min(starts, default=rounded)
    # the container's own figure is rounded to microseconds: use the exact one where they mean the same
    return exact if container.start_time is None or abs(exact - rounded) <= MICROSECOND else rounded
