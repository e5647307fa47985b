"""Reads all files of one recording, one after another or side by side, into one stream of media items."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from vedette.sources.damage import Damage
from vedette.sources.frames import Converter
from vedette.sources.interleave import Interleaver
from vedette.sources.opening import audio_track, open_container, video_track
from vedette.sources.picture import Sampler
from vedette.sources.probe import Probed
from vedette.sources.reader import Item, Plan, Reader
from vedette.sources.recorder import Placed
from vedette_base.errors import InputError, NoMediumError
from vedette_base.media import AudioBlock, MediaItem, Progress
from vedette_base.score import Medium

CUT_OFF: Final = 1.0  # seconds by which a recording may be shorter than it says
ABSENT: Final[dict[Medium, str]] = {"audio": "no sound track", "vision": "no pictures"}


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a recording that is given, ``[start, end)`` in seconds on its clock."""

    start: float = 0.0
    end: float = math.inf


class Playback:
    """``items()`` is called once, in the thread that decodes.

    Args:
        placed: the pieces, in order, each with its start on the recording's clock.
        separate: a file whose sound replaces that of the pieces; starts at ``audio_offset``.
        media: what is read; of the other medium only its progress is told.
    """

    def __init__(
        self,
        placed: list[Placed],
        *,
        part: Part,
        separate: Probed | None,
        audio_offset: float,
        audio_track: int,
        frames_per_second: float | None,
        media: Collection[Medium],
        damage: Damage,
    ) -> None:
        self._media = media
        self._placed = placed
        self._part = part
        self._separate = separate
        self._audio_offset = audio_offset
        self._audio_track = audio_track
        self._sampler = Sampler(frames_per_second)
        self._slowest = max(
            1 / frames_per_second if frames_per_second else 0.0, *(p.piece.period for p in placed)
        )
        self._converter = Converter()
        self._damage = damage
        self._end = 0.0

    def items(self) -> Iterator[MediaItem]:
        """Everything, in order of time.

        Raises:
            NoMediumError: nothing at all could be decoded.
            InputError: the part asked for lies behind the end.
        """
        interleaver = Interleaver(self._part.start, self._slowest)
        given = False
        if self._part.start > 0:
            yield from (Progress(medium, self._part.start, "before the part asked for") for medium in ABSENT)
        for item in self._read():
            given = given or not isinstance(item, Progress)
            yield from interleaver.push(item)
        if not given:
            raise self._nothing()
        yield from interleaver.flush(min(self._end, self._part.end))

    def _read(self) -> Iterator[Item]:
        if self._separate is None:
            return self._pieces({"audio", "vision"})
        return _in_step(self._pieces({"vision"}), self._sound_file(self._separate))

    def _pieces(self, media: set[Medium]) -> Iterator[Item]:
        offset = 0.0
        for placed in self._placed:
            offset = max(offset, placed.offset)
            duration = placed.piece.info.duration or 0.0
            over = 0 < offset + duration <= self._part.start
            reader = None
            if not over and offset < self._part.end:
                reader = self._reader(placed.piece, offset, media)
            begun, offset = offset, offset + duration
            if reader is not None:
                yield from reader
                self._remark_if_cut_off(placed.piece, reader.end - begun, offset)
                offset = max(offset, reader.end)
            self._end = max(self._end, reader.end if reader is not None else min(offset, self._part.start))

    def _sound_file(self, piece: Probed) -> Iterator[Item]:
        reader = self._reader(piece, self._audio_offset, {"audio"})
        if reader is not None:
            yield from reader
            self._end = max(self._end, reader.end)

    def _reader(self, piece: Probed, offset: float, media: set[Medium]) -> Reader | None:
        """A reader of those of ``media`` that are wanted and there; None where there is none of them."""
        container = open_container(piece.path)
        wanted = media.intersection(self._media)
        video = video_track(container) if "vision" in wanted else None
        audio = audio_track(container, self._audio_track, piece.path) if "audio" in wanted else None
        if video is None and audio is None:
            container.close()
            return None
        absent = {
            medium: ABSENT[medium] if medium in wanted else "not asked for"
            for medium in media
            if (audio if medium == "audio" else video) is None
        }
        if "audio" in absent and "audio" in wanted and container.streams.audio:
            absent["audio"] = "no decoder for its sound"
            self._damage.remark(f"{piece.path.name}: no decoder for its sound")
        return Reader(
            Plan(
                container,
                video,
                audio,
                offset=offset,
                start=self._part.start,
                end=self._part.end,
                orientation=piece.orientation if piece.still else None,
                still=piece.still,
                absent=absent,
                sampler=self._sampler,
                converter=self._converter,
                damage=self._damage,
            )
        )

    def _remark_if_cut_off(self, piece: Probed, length: float, planned_end: float) -> None:
        said = piece.info.duration
        if said and piece.reliable and planned_end <= self._part.end and length < said - CUT_OFF:
            self._damage.remark(
                f"{piece.path.name} should last {said:.1f} s but ends at {max(0.0, length):.1f} s: cut off?"
            )

    def _nothing(self) -> Exception:
        names = ", ".join(str(p.piece.path) for p in self._placed)
        if self._part.start > 0 and self._part.start >= self._end:
            return InputError(
                f"start is {self._part.start:g} s, but {names} ends at {self._end:.2f} s",
                hint="times count from the start of the recording",
            )
        said = "; ".join(self._damage.warnings)
        what = " and ".join({"audio": "no sound", "vision": "no picture"}[m] for m in sorted(self._media))
        infos = [p.piece.info for p in self._placed] + ([self._separate.info] if self._separate else [])
        if not any(i.audio if m == "audio" else i.video for m in self._media for i in infos):
            other = "pictures" if self._media == {"audio"} else "sound"
            return NoMediumError(f"{names}: holds {what}", hint=f"it has {other} only")
        return NoMediumError(
            f"{names}: holds {what} that can be decoded" + (f" ({said})" if said else ""),
            hint="its length is zero, or it is damaged throughout: copy it again",
        )


def _in_step(pictures: Iterator[Item], sound: Iterator[Item]) -> Iterator[Item]:
    """Two files side by side: always read on in the one that is behind."""
    come_to: dict[Medium, float] = {"vision": -math.inf, "audio": -math.inf}
    readers: dict[Medium, Iterator[Item]] = {"vision": pictures, "audio": sound}
    while readers:
        medium = min(readers, key=lambda m: come_to[m])
        item = next(readers[medium], None)
        if item is None:
            del readers[medium]
            if readers:
                yield Progress(medium, math.inf, "sound ended" if medium == "audio" else "picture ended")
            continue
        come_to[medium] = item.end if isinstance(item, AudioBlock) else item.time
        yield item
