"""Writes the recording as a video that shows what was found: boxes, captions, and a strip of the sound."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from vedette.analysis import Analysis
from vedette.pipeline import StopFlag
from vedette.report.encode import Mp4Writer
from vedette.report.evidence import SHORTEST, Reopen, reopen_file
from vedette.report.soundstrip import SoundStrip
from vedette.report.wording import KIND_WORDS, clock, label_words, percent, wall
from vedette_base.errors import MediaError
from vedette_base.media import AudioBlock, MediaItem, Pixels, Progress, Source
from vedette_base.score import Box, Level, Segment, WeaponTrack

LONGEST_SIDE = 1920  # pixels; larger recordings are scaled down, which every player can then show
PLAIN_SIZE = (960, 400)  # of the picture drawn for a recording of sound only
PLAIN_RATE = 25  # pictures per second of it
END_SLACK = 1.0  # s at either end that both senses may miss without the recording counting as cut
LINGER = 0.75  # s a caption stays around its event, so that a single shot can be read
LOOK_REACH = 0.3  # s a box is shown around the look that gave it
BETWEEN_LOOKS = 1.0  # s between two looks at most for a box to be moved evenly from one to the other

_COLOURS: dict[Level, tuple[int, int, int]] = {  # BGR
    "critical": (28, 28, 200),
    "high": (20, 100, 220),
    "elevated": (0, 140, 180),
    "low": (120, 110, 100),
}
_BOX = (0, 212, 255)
_INK = (240, 240, 240)


def annotate(
    analysis: Analysis, out: Path, *, reopen: Reopen | None = None, stop: StopFlag | None = None
) -> Path:
    """Write the annotated video of an analysis to ``out`` (MP4: H.264, and AAC where there is sound).

    Every picture keeps its own time, also at a variable frame rate; rotation is applied. A recording of sound
    only becomes a plain picture with the sound strip. A box is drawn only around the time of a look that saw
    it: where the weapon was in between is not known, and the caption says that it is still followed.

    Raises:
        MediaError: the recording cannot be opened again, or holds neither sound nor picture; or ``stop`` was
            set meanwhile, and ``out`` is not whole.
    """
    if reopen is None:
        if analysis.path is None:
            raise MediaError(
                "no video can be annotated: the recording is not a file that can be opened again"
            )
        reopen = reopen_file(analysis.path)
    info = analysis.source
    if not info.video and not info.audio:
        raise MediaError(f"{info.name}: neither sound nor picture, so there is nothing to annotate")
    span = analysed_span(analysis)
    source = reopen(span, sound=info.audio, picture=info.video)
    size = video_size(info.size) if info.video and info.size else PLAIN_SIZE
    canvas = _Canvas(analysis, size)
    try:
        with Mp4Writer(out, size=canvas.size, sound=info.audio, origin=span.start) as video:
            if info.video:
                _write_pictures(_until(stop, source), canvas, video, size)
            else:
                _write_sound(_until(stop, source), canvas, video, span)
    finally:
        source.close()
    return out


def _until(stop: StopFlag | None, source: Source) -> Iterator[MediaItem]:
    for item in source:
        if stop is not None and stop.is_set():
            raise MediaError(
                f"{source.info.name}: stopped before its annotated video was done", hint="start it again"
            )
        yield item


def _write_pictures(
    source: Iterator[MediaItem], canvas: _Canvas, video: Mp4Writer, size: tuple[int, int]
) -> None:
    drawn: Pixels | None = None
    first = 0.0
    count = 0
    for item in source:
        if isinstance(item, AudioBlock):
            canvas.strip.hear(item)
            video.sound(item)
        elif not isinstance(item, Progress):
            drawn = canvas.draw(item.time, item.bgr(*size))
            video.picture(item.time, drawn)
            first = first if count else item.time
            count += 1
    if count == 1 and drawn is not None:  # a still picture is held for a moment, or players show nothing
        video.picture(first + 1.0, drawn)


def _write_sound(source: Iterator[MediaItem], canvas: _Canvas, video: Mp4Writer, span: Segment) -> None:
    number = 0
    plain = np.full((PLAIN_SIZE[1], PLAIN_SIZE[0], 3), (38, 32, 28), np.uint8)
    for item in source:
        if not isinstance(item, AudioBlock):
            continue
        canvas.strip.hear(item)
        video.sound(item)
        while (time := span.start + number / PLAIN_RATE) <= min(item.end, span.end):
            video.picture(time, canvas.draw(time, plain))
            number += 1


def analysed_span(analysis: Analysis) -> Segment:
    """The part of the recording that was looked at: all of it, or what ``--start`` and ``--end`` left."""
    seen = (*analysis.coverage.audio, *analysis.coverage.vision)
    start = min((s.start for s in seen), default=0.0)
    end = max((s.end for s in seen), default=analysis.duration)
    start = start if start > END_SLACK else 0.0
    end = end if analysis.duration - end > END_SLACK else analysis.duration
    return Segment(start, max(end, start + SHORTEST))


class _Canvas:
    """Draws on one picture after another; times must rise.

    Attributes:
        size: (width, height) of the drawn pictures: the recording's, with the sound strip below.
        strip: takes the sound as it comes.
    """

    def __init__(self, analysis: Analysis, size: tuple[int, int]) -> None:
        self._analysis = analysis
        width, height = size
        self._scale = drawing_scale(size)
        tall = 2 * round(min(140, max(40, 0.14 * height)) / 2)
        self.strip = SoundStrip(width, tall, [shot.time for shot in analysis.shots])
        self.size = (width, height + tall)
        self._events = sorted(analysis.events, key=lambda e: e.start)
        self._looks = {track.id: _looks_of(track, analysis) for track in analysis.tracks}

    def draw(self, time: float, picture: Pixels) -> Pixels:
        """The picture of ``time`` with everything on it, shape ``(height, width, 3)`` BGR."""
        picture = picture.copy()
        lines: list[tuple[str, tuple[int, int, int]]] = []
        for event in self._events:
            if event.start - LINGER <= time <= event.end + LINGER:
                text = f"{event.rank}  {KIND_WORDS[event.kind]}, {event.level}, {percent(event.probability)}"
                lines.append((text, _COLOURS[event.level]))
        for track in self._analysis.tracks:
            if not track.start - LOOK_REACH <= time <= track.end + LOOK_REACH:
                continue
            name = f"{label_words(track.label)} {percent(track.probability)}"
            box = box_at(time, self._looks[track.id])
            if box is not None:
                self._box(picture, box, name)
            else:
                lines.append((f"{name}, followed", (70, 60, 50)))
        for row, (text, colour) in enumerate(lines[:6]):
            self._label(picture, text, (8, 8 + row * self._line), colour)
        moment = self._analysis.wall_clock(time)
        said = f"{clock(time)}  {wall(moment)}" if moment else clock(time)
        self._label(picture, said, (8, picture.shape[0] - self._line - 4), (30, 26, 22))
        observed = any(s.start <= time <= s.end for s in self._analysis.coverage.audio)
        return np.vstack([picture, self.strip.draw(time, observed=observed)])

    @property
    def _line(self) -> int:
        return line_height(self._scale)

    def _box(self, picture: Pixels, box: Box, name: str) -> None:
        across = picture.shape[1] / (self._analysis.source.size or (picture.shape[1], 1))[0]
        draw_box(picture, tuple(value * across for value in box), name, self._scale)

    def _label(self, picture: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
        draw_label(picture, text, at, colour, self._scale)


def drawing_scale(size: tuple[int, int]) -> float:
    """How large lines and letters are on a picture of (width, height), against one 1280 pixels long."""
    return max(0.4, max(size) / 1280)


def line_height(scale: float) -> int:
    """Pixels from one line of labels to the next."""
    return round(34 * scale)


def draw_box(picture: Pixels, box: tuple[float, ...], name: str, scale: float) -> None:
    """Draw a box (x1, y1, x2, y2 in pixels of ``picture``) with its name above it, in place."""
    x1, y1, x2, y2 = (round(value) for value in box)
    thick = max(1, round(2 * scale))
    cv2.rectangle(picture, (x1 - thick, y1 - thick), (x2 + thick, y2 + thick), (0, 0, 0), thick)
    cv2.rectangle(picture, (x1, y1), (x2, y2), _BOX, thick)
    draw_label(picture, name, (x1, max(0, y1 - line_height(scale))), _BOX, scale, ink=(0, 0, 0))


def draw_label(
    picture: Pixels,
    text: str,
    at: tuple[int, int],
    colour: tuple[int, int, int],
    scale: float,
    *,
    ink: tuple[int, int, int] = _INK,
) -> None:
    """Write a line on a ground of ``colour`` (BGR), its upper left corner ``at`` (x, y), in place."""
    size, thick = 0.75 * scale, max(1, round(1.6 * scale))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
    tall = line_height(scale) - 4
    x = max(0, min(at[0], picture.shape[1] - width - 10))
    cv2.rectangle(picture, (x, at[1]), (x + width + 10, at[1] + tall), colour, -1)
    base = (x + 5, at[1] + (tall + height) // 2)
    cv2.putText(picture, text, base, cv2.FONT_HERSHEY_SIMPLEX, size, ink, thick, cv2.LINE_AA)


def box_at(time: float, looks: list[tuple[float, Box]]) -> Box | None:
    """Where a weapon was at ``time``: moved evenly between close looks, else the nearest one within reach."""
    after = bisect_right(looks, time, key=lambda look: look[0])
    if 0 < after < len(looks):
        (t0, b0), (t1, b1) = looks[after - 1], looks[after]
        if t1 - t0 <= BETWEEN_LOOKS:
            share = (time - t0) / (t1 - t0)
            x1, y1, x2, y2 = (p + (q - p) * share for p, q in zip(b0, b1, strict=True))
            return (x1, y1, x2, y2)
    near = min(looks[max(0, after - 1) : after + 1], key=lambda look: abs(look[0] - time), default=None)
    return near[1] if near is not None and abs(near[0] - time) <= LOOK_REACH else None


def _looks_of(track: WeaponTrack, analysis: Analysis) -> list[tuple[float, Box]]:
    looks = {track.peak_time: track.peak_box, **dict(analysis.looks.get(track.id, ()))}
    return sorted(looks.items())


def video_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the video that is written for a recording of such pictures: even, not too large."""
    scale = min(1.0, LONGEST_SIDE / max(size))
    return max(2, round(size[0] * scale) & ~1), max(2, round(size[1] * scale) & ~1)
