"""What `vedette detect` looks at, and how: stills, videos and cameras become sights with boxes on them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np

from vedette.panorama import is_panorama, look_in_tiles
from vedette.pipeline import StopFlag
from vedette.sources import find_recordings, open_source
from vedette.sources.camera import CameraSource
from vedette.sources.probe import SOUND_ENDINGS
from vedette.stills import check_size, is_cut_off, pictures_of
from vedette_base.config import VisionConfig
from vedette_base.errors import InputError, MediaError, NoMediumError, VedetteError
from vedette_base.media import AudioBlock, Frame, Progress, Source
from vedette_base.score import Box, WeaponTrack
from vedette_vision.boxes import overlap
from vedette_vision.detector import Detection, ImageFrame, Look, WeaponDetector
from vedette_vision.scorer import VisionScorer
from vedette_vision.tracker import SAME_THING

_CAMERA = re.compile(r"camera:(\d{1,3})")
_ANIMATIONS = {".gif", ".png", ".apng"}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to look at.

    Attributes:
        name: as it was given, or its path within the folder that was given.
        path: the file; None for a camera, or where there is none.
        camera: number of the camera, or None.
        place: where its drawn copy goes, relative and without an ending.
        error: why it cannot be looked at, known beforehand.
    """

    name: str
    path: Path | None = None
    camera: int | None = None
    place: Path = field(default_factory=Path)
    error: VedetteError | None = None


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A box on one picture.

    Attributes:
        label, probability, box: as of `Detection`; pixels of the upright picture.
        track: number of the thing in this video or camera; None on stills, and for what is not followed:
            weak boxes and look-alikes.
        confirmed: whether enough looks agree on that track.
    """

    label: str
    probability: float
    box: Box
    track: int | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One picture.

    Attributes:
        item: where it comes from.
        time: seconds; None for a still.
        frame: the picture; valid until the next sight is asked for.
        boxes: what is on it, most probable first.
        looked: whether the detector looked at it; else nothing moved, and what was there still is.
        duration: seconds of the whole video, where known.
        tracks: what is followed and was seen on it.
    """

    item: Item
    time: float | None
    frame: Frame
    boxes: tuple[FoundBox, ...]
    looked: bool = True
    duration: float | None = None
    tracks: tuple[WeaponTrack, ...] = ()


def items_of(given: Sequence[str], out: Path | None = None) -> list[Item]:
    """What the arguments mean: files, ``camera:N``, and the pictures and videos beneath folders, sorted.

    Each is taken once. ``out``, where drawn copies go, is no input even when it lies in a folder given.
    """
    items: dict[str, Item] = {}
    for text in given:
        if camera := _CAMERA.fullmatch(text):
            number = int(camera[1])
            items.setdefault(text, Item(text, camera=number, place=Path(f"camera-{number}")))
        elif not text or re.match(r"[a-z][a-z0-9+.-]+://", text):
            why = f"{text} is an address: download it first" if text else "the name of a picture is empty"
            items.setdefault(text, Item(text, error=InputError(why)))
        else:
            for item in _files(Path(text), out):
                items.setdefault(os.path.abspath(item.name), item)
    return _placed(list(items.values()))


def _files(given: Path, out: Path | None) -> Iterator[Item]:
    if not os.path.isdir(given):
        yield Item(str(given), given, place=Path(given.name))
        return
    sounds = {f".{ending}" for ending in SOUND_ENDINGS.split()}
    skipped = os.path.realpath(out) if out is not None else None
    try:
        if skipped == os.path.realpath(given):
            raise MediaError(f"{given}: drawn copies cannot go there too", hint="give --out another folder")
        inside = find_recordings(given, passed_over=lambda folder: os.path.realpath(folder) == skipped)
        inside = [path for path in inside if path.suffix.lower() not in sounds]
        if not inside:
            raise MediaError(f"{given}: holds no pictures", hint="name files, or another folder")
    except MediaError as error:
        yield Item(str(given), error=error)
        return
    for path in inside:
        yield Item(str(path), path, place=path.relative_to(given))


def _placed(items: list[Item]) -> list[Item]:
    """The same with places that no two share: the ending is kept, or a number added, where they would."""
    taken: set[Path] = set()
    placed = []
    for item in items:
        if item.error is not None:
            placed.append(item)
            continue
        place = item.place.with_suffix("") if item.camera is None else item.place
        number = 1
        while place in taken:
            place = item.place if number == 1 else item.place.with_name(f"{item.place.name}-{number}")
            number += 1
        taken.add(place)
        placed.append(Item(item.name, item.path, item.camera, place, item.error))
    return placed


class Watcher(VisionScorer):
    """A scorer that keeps every box of its last look, also those that are not followed."""

    seen: list[Detection] | None = None

    def still(self, frame: Frame) -> list[Detection]:
        """Everything on a still that zones and masks allow; a panorama is looked at in tiles as well."""
        if is_panorama(frame.size):
            look = look_in_tiles(self.detector, frame)
        else:
            look = self.detector.look_twice(frame)
        return super()._detections(look, frame)

    def _detections(self, look: Look, frame: Frame) -> list[Detection]:
        self.seen = super()._detections(look, frame)
        return self.seen


class Looker:
    """Looks at one item after the other.

    Args:
        detector: what finds.
        min_probability: calibrated probability from which a box is given, 0..1; classes that have a higher
            threshold in the detector's configuration keep that.

    Attributes:
        notes: what to know of the item in hand that did not end it; complete once it has been looked through.

    Raises:
        InputError: a probability outside 0..1.
    """

    def __init__(self, detector: WeaponDetector, min_probability: float = 0.25) -> None:
        if not 0 <= min_probability <= 1:
            raise InputError(f"min_probability must be within 0..1, got {min_probability}")
        self._detector, self._least = detector, min_probability
        self.notes: list[str] = []

    def look(self, item: Item, stop: StopFlag | None = None) -> Iterator[Sight]:
        """Its pictures; ends early once ``stop`` is set.

        Raises:
            VedetteError: it cannot be read, or not to its end.
        """
        self.notes = []
        if item.error is not None:
            raise item.error
        config: VisionConfig = self._detector.config
        if item.camera is not None:
            source: Source = CameraSource(item.camera)
        elif item.path is not None:
            check_size(item.path)
            self._say_unread(item.path)
            source = open_source(item.path, media=("vision",), frames_per_second=config.frames_per_second)
        try:
            self.notes += source.info.notes
            if item.path is not None and is_cut_off(item.path):
                self.notes.append("the file is cut off: only the part that is there was looked at")
            yield from self._sights(item, source, stop)
            self.notes += source.warnings
        finally:
            source.close()

    def _say_unread(self, path: Path) -> None:
        count = pictures_of(path) if path.is_file() else 0
        if count > 1 and path.suffix.lower() == ".webp":
            raise MediaError(
                f"{path}: an animated WebP cannot be read", hint="convert it to GIF or MP4 first"
            )
        if count > 1:
            self.notes.append(f"holds {count} pictures: only the first was looked at")

    def _sights(self, item: Item, source: Source, stop: StopFlag | None) -> Iterator[Sight]:
        frames = (i for i in source if not isinstance(i, AudioBlock | Progress))
        first = [] if item.camera is not None else list(islice(frames, 2))  # one picture alone is a still
        if item.camera is None and not first:
            raise NoMediumError(f"{item.name}: holds no picture", hint="vedette classify listens to sound")
        watcher = Watcher(None, self._detector.config, detector=self._detector)
        if len(first) == 1:
            yield self._still(item, first[0], watcher)
            return
        if item.path is not None and item.path.suffix.lower() in _ANIMATIONS:
            self.notes.append("is an animation: its pictures were looked at as those of a video")
        held: tuple[FoundBox, ...] = ()
        for frame in chain(first, frames):
            if stop is not None and stop.is_set():
                return
            watcher.seen = None
            tracks = [track for block in watcher.push(frame) for track in block.tracks]
            looked = watcher.seen is not None
            if watcher.seen is not None:
                held = self._boxes(watcher.seen, tracks)
            yield Sight(item, frame.time, frame, held, looked, source.info.duration, tuple(tracks))

    def _still(self, item: Item, frame: Frame, watcher: Watcher) -> Sight:
        if is_panorama(frame.size):
            self.notes.append(f"a panorama of {frame.size[0]} x {frame.size[1]}, looked at in tiles")
        if not frame.still:  # a video or animation of one picture
            frame = ImageFrame(frame.bgr(*frame.size))
        return Sight(item, None, frame, self._boxes(watcher.still(frame), ()))

    def _boxes(self, seen: Sequence[Detection], tracks: Sequence[WeaponTrack]) -> tuple[FoundBox, ...]:
        boxes = []
        own = self._detector.config.thresholds  # of classes; without one the common threshold alone counts
        for d in sorted(seen, key=lambda d: -d.probability):
            if d.probability < max(self._least, own.get(d.label, 0.0)):
                continue
            track = _track_of(d, tracks)
            followed = (track.id, track.confirmed) if track is not None else (None, False)
            boxes.append(FoundBox(d.label, d.probability, d.box, *followed))
        return tuple(boxes)


def _track_of(detection: Detection, tracks: Sequence[WeaponTrack]) -> WeaponTrack | None:
    """The track that this box belongs to: the one it overlaps best."""
    if detection.label == "no_weapon":
        return None
    places = [(track, track.box) for track in tracks if track.box is not None]
    if not places:
        return None
    shared = overlap(
        np.asarray([detection.box], np.float32), np.asarray([box for _, box in places], np.float32)
    )[0]
    best = int(np.argmax(shared))
    return places[best][0] if shared[best] >= SAME_THING else None
