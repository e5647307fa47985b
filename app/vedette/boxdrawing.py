"""Draws what `vedette detect` found: pictures and videos with boxes, into a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import av.error
import cv2
import numpy as np

from vedette.detecting import FoundBox, Item, Sight
from vedette.pipeline import StopFlag
from vedette.report.annotate import box_at, draw_box, draw_label, drawing_scale, video_size
from vedette.report.encode import Mp4Writer
from vedette.report.wording import clock, label_words, percent
from vedette.sources import open_source
from vedette_base.errors import MediaError, OutputError
from vedette_base.media import AudioBlock, Frame, Pixels, Progress, Source
from vedette_base.score import Box
from vedette_vision.boxes import overlap
from vedette_vision.tracker import SAME_THING

LONGEST_STILL = 4096  # pixels of a drawn still; larger ones are scaled down

_Looks = dict[str, list[tuple[float, Box]]]


def draw(frame: Frame, boxes: tuple[FoundBox, ...], time: float | None, longest: int) -> Pixels:
    """The picture with its boxes, at most ``longest`` pixels long; ``(height, width, 3)`` BGR.

    Of several boxes on the same thing the most probable one is drawn.
    """
    width, height = frame.size
    shrink = min(1.0, longest / max(width, height))
    picture = frame.bgr(max(1, round(width * shrink)), max(1, round(height * shrink))).copy()
    scale = drawing_scale((picture.shape[1], picture.shape[0]))
    for found in _one_each(boxes):
        name = f"{label_words(found.label)} {percent(found.probability)}"
        draw_box(picture, tuple(v * shrink for v in found.box), name, scale)
    if time is not None:
        draw_label(picture, clock(time), (8, 8), (30, 26, 22), scale)
    return picture


def _one_each(boxes: tuple[FoundBox, ...]) -> list[FoundBox]:
    kept: list[FoundBox] = []
    for found in boxes:
        here = np.asarray([found.box], np.float32)
        others = np.asarray([k.box for k in kept], np.float32).reshape(-1, 4)
        if not len(others) or overlap(here, others).max() < SAME_THING:
            kept.append(found)
    return kept


class Drawings:
    """Writes drawn copies below ``folder``, at the places of their items; never over one of ``items``.

    A still becomes a JPEG at once. A video is read a second time when it has been looked through, with every
    picture and its sound. A camera's pictures become a video as they come.
    """

    def __init__(self, folder: Path, items: Iterable[Item] = ()) -> None:
        self._folder = folder
        self._given = {key for item in items if item.path is not None and (key := _identity(item.path))}
        self._looks: _Looks = defaultdict(list)
        self._names: dict[str, tuple[float, str]] = {}
        self._live: Mp4Writer | None = None

    def add(self, sight: Sight) -> None:
        """Take in a picture. Raises OutputError where its copy cannot be written."""
        if sight.time is None:
            self._write_still(sight)
        elif sight.item.camera is not None:
            self._write_live(sight, sight.time)
        else:
            for found in _one_each(sight.boxes):
                key = f"{found.track}" if found.track is not None else f"{found.label} at {sight.time}"
                self._looks[key].append((sight.time, found.box))
                name = f"{label_words(found.label)} {percent(found.probability)}"
                self._names[key] = max(self._names.get(key, (0.0, "")), (found.probability, name))

    def finish(self, item: Item, *, video: bool, stop: StopFlag | None = None) -> bool:
        """An item was looked through. False where ``stop`` was set before its copy was whole: there is none.

        Raises:
            VedetteError: as `add`, or it cannot be read again.
        """
        if self._live is not None:
            live, self._live = self._live, None
            live.close()
        try:
            whole = not video or item.path is None or self._write_video(item, item.path, stop)
        finally:
            self._looks.clear()
            self._names.clear()
        return whole

    def _target(self, item: Item, ending: str) -> Path:
        target = self._folder / item.place.with_name(f"{item.place.name}{ending}")
        here = _identity(target)
        if here is not None and (here in self._given or (item.path and here == _identity(item.path))):
            raise OutputError(
                f"{target}: is a picture that was given, which stays as it is",
                hint="give --out another folder",
            )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{target.parent}: cannot be made: {error.strerror or error}") from error
        return target

    def _write_still(self, sight: Sight) -> None:
        target = self._target(sight.item, ".jpg")
        drawn = draw(sight.frame, sight.boxes, None, LONGEST_STILL)
        done, coded = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 92])
        try:
            target.write_bytes(coded.tobytes() if done else b"")
        except OSError as error:
            with suppress(OSError):
                target.unlink()  # half a picture
            raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error

    def _write_live(self, sight: Sight, time: float) -> None:
        size = video_size(sight.frame.size)
        if self._live is None:
            self._live = _video(self._target(sight.item, ".mp4"), size, sound=False)
        drawn = draw(sight.frame, sight.boxes, time, max(size))
        self._live.picture(time, drawn)

    def _write_video(self, item: Item, path: Path, stop: StopFlag | None) -> bool:
        target = self._target(item, ".mp4")
        with open_source(path, frames_per_second=None) as source:
            size = video_size(source.info.size or (2, 2))
            try:
                with _video(target, size, sound=source.info.audio) as out:
                    self._copy(source, out, size, stop)
            except (av.error.FFmpegError, OSError) as error:
                target.unlink(missing_ok=True)
                if isinstance(error, MediaError):
                    raise
                raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
        if stop is not None and stop.is_set():
            target.unlink(missing_ok=True)
            return False
        return True

    def _copy(self, source: Source, out: Mp4Writer, size: tuple[int, int], stop: StopFlag | None) -> None:
        for item in source:
            if stop is not None and stop.is_set():
                return
            if isinstance(item, AudioBlock):
                out.sound(item)
            elif not isinstance(item, Progress):
                out.picture(item.time, self._drawn(item, size))

    def _drawn(self, frame: Frame, size: tuple[int, int]) -> Pixels:
        picture = frame.bgr(*size).copy()
        scale, across = drawing_scale(size), size[0] / frame.size[0]
        for key, looks in self._looks.items():
            if (box := box_at(frame.time, looks)) is not None:
                draw_box(picture, tuple(v * across for v in box), self._names[key][1], scale)
        draw_label(picture, clock(frame.time), (8, 8), (30, 26, 22), scale)
        return picture


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others, by whatever name; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _video(target: Path, size: tuple[int, int], *, sound: bool) -> Mp4Writer:
    try:
        return Mp4Writer(target, size=size, sound=sound)
    except (av.error.FFmpegError, OSError) as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
