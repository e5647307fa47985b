"""Recorded footage as a source: anything FFmpeg opens, sound and picture in one pass, on one clock."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from vedette.sources.ahead import ReadAhead
from vedette.sources.damage import Damage
from vedette.sources.frames import RecordedFrame
from vedette.sources.memory import give_back
from vedette.sources.playback import Part, Playback
from vedette.sources.probe import Probed, examine
from vedette.sources.recorder import Placed, place_pieces
from vedette_base.errors import InputError, NoMediumError
from vedette_base.media import AudioBlock, MediaItem, SourceInfo
from vedette_base.score import Medium

PathLike = str | os.PathLike[str]

FRAMES_PER_SECOND: Final = 5.0
SMALL: Final = 1024  # bytes that anything handed between threads is taken to hold at least


class FileSource:
    """A recording as a ``vedette_base.media.Source``; a context manager, iterated once.

    Items come in order of time: 48 kHz mono sound in blocks of about 0.2 s, pictures that are converted only
    when looked at, and ``Progress`` where a medium is absent, pauses or has ended. Decoding runs ahead in a
    thread of its own by at most some 30 MB.

    Args:
        path: the recording.
        frames_per_second: pictures given per second, picked by their time stamps; None gives every one.
        audio_track: number of the sound track, 0 is the first.
        audio_file: a recording whose sound is used instead.
        audio_offset: seconds on the recording's clock at which ``audio_file`` starts; may be negative.
        start, end: give only this part, in seconds on the recording's clock; times stay on that clock.
        recorded_at: time of day of second 0, ISO 8601 with zone; by default what the recording says.
        sequence: the pieces of a recorder, in order (see ``order_pieces``), read as one recording with
            ``path``; it need not name ``path`` again where that is the first.
        media: what is read: "audio", "vision" or both; the other one is neither decoded nor given.

    Raises:
        MediaError: a file cannot be read (``NoMediumError``: it holds neither sound nor pictures).
        InputError: an option is out of range or does not fit the recording.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        frames_per_second: float | None = FRAMES_PER_SECOND,
        audio_track: int = 0,
        audio_file: PathLike | None = None,
        audio_offset: float = 0.0,
        start: float | None = None,
        end: float | None = None,
        recorded_at: str | None = None,
        sequence: Sequence[PathLike] = (),
        media: Collection[Medium] = ("audio", "vision"),
    ) -> None:
        _check(frames_per_second, audio_offset, start, end)
        _check_media(media)
        main_track = 0 if audio_file is not None else audio_track
        paths = [Path(p) for p in sequence]
        paths = paths if Path(path) in paths else [Path(path), *paths]
        pieces = [examine(p, sound_track=main_track) for p in paths]
        separate = None if audio_file is None else examine(Path(audio_file), sound_track=audio_track)
        give_back()  # each piece was open for a moment
        placed, remarks = place_pieces(pieces)
        self._info = _describe(placed, separate, audio_offset, recorded_at)
        self._damage = Damage()
        for remark in remarks:
            self._damage.remark(remark)
        part = Part(start or 0.0, math.inf if end is None else end)
        reliable = all(p.reliable and not p.still for p in pieces)
        _refuse_what_is_not_there(self._info, part, separate, reliable=reliable)
        playback = Playback(
            placed,
            part=part,
            separate=separate if "audio" in media else None,
            audio_offset=audio_offset,
            audio_track=audio_track,
            frames_per_second=frames_per_second,
            media=frozenset(media),
            damage=self._damage,
        )
        self._ahead: ReadAhead[MediaItem] = ReadAhead(playback.items, _weigh)
        self._begun = False

    @property
    def info(self) -> SourceInfo:
        """What is known of the recording as a whole, whatever part of it is read."""
        return self._info

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong so far without ending it."""
        return self._damage.warnings

    def __iter__(self) -> Iterator[MediaItem]:
        if self._begun:
            raise InputError("a source is iterated once; open it again to read it again")
        self._begun = True
        with self._ahead:
            yield from self._ahead

    def close(self) -> None:
        """Stop reading and free the files. May be called again."""
        self._ahead.close()
        give_back()

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(path: PathLike, **options: Any) -> FileSource:
    """The source for ``path``; ``options`` are those of ``FileSource``."""
    return FileSource(path, **options)


def _check(rate: float | None, audio_offset: float, start: float | None, end: float | None) -> None:
    if rate is not None and not 0 < rate < math.inf:
        raise InputError(f"frames_per_second must be above 0, or None for every picture, got {rate}")
    if not math.isfinite(audio_offset):
        raise InputError(f"audio_offset must be a number of seconds, got {audio_offset}")
    if start is not None and not 0 <= start < math.inf:
        raise InputError(f"start must be 0 s or later, got {start}")
    if end is not None and not end > (start or 0.0):
        raise InputError(f"end must be later than start, got start {start or 0.0:g} s and end {end:g} s")


def _check_media(media: Collection[Medium]) -> None:
    if isinstance(media, str) or not media or not {"audio", "vision"}.issuperset(media):
        raise InputError(f"media must be some of 'audio' and 'vision', got {media!r}")


def _refuse_what_is_not_there(
    info: SourceInfo, part: Part, separate: Probed | None, *, reliable: bool
) -> None:
    if separate is not None and not separate.info.audio:
        raise NoMediumError(
            f"{separate.path}: was given for its sound but has none", hint="check the file name"
        )
    if reliable and info.duration and part.start >= info.duration:
        raise InputError(
            f"start is {part.start:g} s, but {info.name} lasts only {info.duration:.2f} s",
            hint="times count from the start of the recording",
        )


def _weigh(item: MediaItem) -> int:
    if isinstance(item, AudioBlock):
        return max(SMALL, item.samples.nbytes)
    return max(SMALL, item.memory) if isinstance(item, RecordedFrame) else SMALL


def _describe(
    placed: Sequence[Placed], separate: Probed | None, audio_offset: float, recorded_at: str | None
) -> SourceInfo:
    """One description of all pieces together."""
    first, last = placed[0], placed[-1]
    infos = [p.piece.info for p in placed]
    sound = separate.info if separate is not None else None
    length = last.piece.info.duration
    ends = [] if length is None else [last.offset + length]
    if sound is not None and sound.duration:
        ends.append(sound.duration + audio_offset)
    notes = [note for info in infos for note in info.notes]
    if len(placed) > 1:
        notes.append(f"{len(placed)} pieces: {', '.join(p.piece.path.name for p in placed)}")
    if sound is not None:
        notes.append(f"sound from {sound.name}, {audio_offset:+.2f} s")
    return SourceInfo(
        name=infos[0].name,
        duration=max(ends, default=None),
        audio=any(i.audio for i in infos) if sound is None else sound.audio,
        video=any(i.video for i in infos),
        size=next((i.size for i in infos if i.size), None),
        recorded_at=_moment(recorded_at) or first.piece.info.recorded_at,
        frame_rate=next((i.frame_rate for i in infos if i.frame_rate), None),
        notes=tuple(dict.fromkeys(notes)),
    )


def _moment(recorded_at: str | None) -> str | None:
    """A time of day as given by the user, checked."""
    if recorded_at is None:
        return None
    try:
        moment = datetime.fromisoformat(recorded_at)
    except ValueError as error:
        raise InputError(
            f"recorded_at must be a time as in ISO 8601, got {recorded_at!r}",
            hint="for example 2026-03-01T18:00:00+01:00",
        ) from error
    if moment.tzinfo is None:
        raise InputError(
            f"recorded_at needs a time zone, got {recorded_at!r}", hint=f"for example {recorded_at}+00:00"
        )
    return moment.isoformat()
