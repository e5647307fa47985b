"""Opens a recording again to cut out what a report shows: stills, sound, short clips.

Everything goes through a `Source`, the same that was analysed, so a still at 8.81 s is the picture that was
scored at 8.81 s, whatever start offsets, edit lists or rotation the file has.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vedette.report.encode import Mp4Writer
from vedette_base.media import SAMPLE_RATE, AudioBlock, Frame, Pixels, Progress, Source, SourceInfo
from vedette_base.score import Medium, Segment

SHORTEST = 0.1  # s of a span that is cut out
STILL_REACH = 0.6  # s around the wanted time in which a still is looked for
ONE_PASS = 10.0  # s; stills this close are read on from one to the next instead of sought


class Reopen(Protocol):
    """Gives a fresh source of a span of the recording, with every frame, on the recording's own clock."""

    def __call__(self, span: Segment, *, sound: bool, picture: bool) -> Source:
        """``sound`` and ``picture`` say which senses are wanted; the caller closes the source."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """One picture of the recording.

    Attributes:
        time: seconds.
        pixels: shape ``(height, width, 3)`` BGR, upright, at full size.
    """

    time: float
    pixels: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Sound of the recording.

    Attributes:
        time: seconds of the first sample.
        samples: shape ``(n,)``, float32 at ``SAMPLE_RATE``; zeros where nothing was recorded.
    """

    time: float
    samples: npt.NDArray[np.float32]

    @property
    def span(self) -> Segment:
        """When it was recorded."""
        return Segment(self.time, self.time + self.samples.size / SAMPLE_RATE)


def reopen_file(path: Path, **options: Any) -> Reopen:
    """How to open a recording again, with the ``options`` of `open_source` it was first opened with.

    Those that choose what is read: ``audio_track``, ``audio_file``, ``audio_offset``, ``sequence``.
    """

    def reopen(span: Segment, *, sound: bool, picture: bool) -> Source:
        from vedette.sources import open_source

        wanted: dict[Medium, bool] = {"audio": sound, "vision": picture}
        media = [medium for medium, is_wanted in wanted.items() if is_wanted]
        return open_source(
            path, start=span.start, end=span.end, frames_per_second=None, media=media, **options
        )

    return reopen


class Evidence:
    """Cuts pieces out of a recording.

    Args:
        reopen: opens a span of the recording.
        info: what is known of the recording; a sense that it lacks is not looked for.
        duration: seconds of the recording; spans are kept within it.

    All methods raise MediaError when the recording cannot be read any more.
    """

    def __init__(self, reopen: Reopen, info: SourceInfo, duration: float) -> None:
        self._reopen = reopen
        self._info = info
        self._duration = duration

    @property
    def has_picture(self) -> bool:
        """Whether clips have pictures, or are sound only."""
        return self._info.video

    def still(self, time: float) -> Still | None:
        """The picture nearest to ``time``, or None without one within reach."""
        if not self._info.video:
            return None
        with closing(self.stills([time])) as found:
            return next(found)

    def stills(self, times: Sequence[float]) -> Generator[Still | None]:
        """The picture nearest to each of ``times``, which must not fall; None without one within reach.

        Times that lie close together are read in one pass, so many cost no more than the recording itself.
        """
        if not self._info.video:
            yield from (None for _ in times)
            return
        begin = 0
        for number in range(1, len(times) + 1):
            if number == len(times) or times[number] - times[number - 1] > ONE_PASS:
                yield from self._pass(times[begin:number])
                begin = number

    def _pass(self, times: Sequence[float]) -> Generator[Still | None]:
        before: Frame | None = None
        done = 0
        span = self._within(times[0] - STILL_REACH, times[-1] + STILL_REACH)
        with self._open(span, sound=False) as source:
            for item in source:
                if isinstance(item, AudioBlock | Progress):
                    continue
                while done < len(times) and item.time >= times[done]:
                    yield _nearest(times[done], before, item)
                    done += 1
                if done == len(times):
                    return
                before = item
            for time in times[done:]:
                yield _nearest(time, before)

    def sound(self, span: Segment) -> Sound | None:
        """The sound of a span, or None where there is none at all."""
        if not self._info.audio:
            return None
        span = self._within(span.start, span.end)
        samples = np.zeros(round(span.duration * SAMPLE_RATE), np.float32)
        heard = False
        with self._open(span, picture=False) as source:
            for item in source:
                if isinstance(item, AudioBlock):
                    heard |= _place(item, samples, span.start)
        return Sound(span.start, samples) if heard else None

    def clip(self, span: Segment, target: Path, *, width: int = 640) -> Segment | None:
        """Write a playable MP4 of a span, its longer side at most ``width`` pixels.

        Returns the span that it shows, cut to the recording, or None, and leaves no file, where there is
        neither sound nor picture.
        """
        info = self._info
        size = _fit(info.size, width) if info.video and info.size else None
        if size is None and not info.audio:
            return None
        span = self._within(span.start, span.end)
        count = 0
        with (
            self._open(span, sound=info.audio, picture=info.video) as source,
            Mp4Writer(target, size=size, sound=info.audio, origin=span.start, quality=26) as out,
        ):
            for item in source:
                if isinstance(item, AudioBlock):
                    out.sound(item)
                    count += 1
                elif not isinstance(item, Progress) and size is not None:
                    out.picture(item.time, item.bgr(*size))
                    count += 1
        if not count:
            target.unlink()
        return span if count else None

    def _within(self, start: float, end: float) -> Segment:
        """The span cut to the recording, never empty: a source refuses a part that is."""
        start = min(max(0.0, start), max(0.0, self._duration - SHORTEST))
        return Segment(start, max(start + SHORTEST, min(end, self._duration)))

    @contextmanager
    def _open(self, span: Segment, *, sound: bool = True, picture: bool = True) -> Iterator[Source]:
        source = self._reopen(span, sound=sound, picture=picture)
        try:
            yield source
        finally:
            source.close()


def _nearest(time: float, *frames: Frame | None) -> Still | None:
    there = [frame for frame in frames if frame is not None and abs(frame.time - time) <= STILL_REACH]
    if not there:
        return None
    best = min(there, key=lambda frame: abs(frame.time - time))
    return Still(best.time, best.bgr(*best.size))


def _fit(size: tuple[int, int], width: int) -> tuple[int, int]:
    """``size`` scaled down to ``width``, even numbers only, as H.264 wants them."""
    scale = min(1.0, width / max(size))
    return max(2, round(size[0] * scale / 2) * 2), max(2, round(size[1] * scale / 2) * 2)


def _place(block: AudioBlock, samples: npt.NDArray[np.float32], origin: float) -> bool:
    """Copy a block to its place in ``samples``; says whether any of it fell inside."""
    at = round((block.time - origin) * SAMPLE_RATE)
    first, last = max(0, at), min(samples.size, at + block.samples.size)
    if first >= last:
        return False
    samples[first:last] = block.samples[first - at : last - at]
    return True
