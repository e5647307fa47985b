"""A picture manifest in figures: classes, split, sizes of boxes and pictures, and examples to look at."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vedette_base.errors import DataError
from vedette_base.media import Pixels
from vedette_vision.imaging import read_image
from vedette_vision.prepare.entries import Entry
from vedette_vision.prepare.look import look_at
from vedette_vision.prepare.manifest import read_entries

_EXAMPLES = 2


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """One label of one subset.

    Attributes:
        subset, label: as in the manifest; ``(nothing)`` for pictures without boxes.
        fine: finer names beneath it, most frequent first, with their number of boxes.
        train, val: boxes (pictures for ``(nothing)``); ``train_scenes``, ``val_scenes``: scenes with it.
        sides: square root of each box's area in pixels; ``shares``: the same over that of the picture, 0..1.
    """

    subset: str
    label: str
    fine: tuple[tuple[str, int], ...]
    train: int
    val: int
    train_scenes: int
    val_scenes: int
    sides: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PictureSummary:
    """A whole manifest: its labels, its picture sizes by subset, and examples for a contact sheet."""

    pictures: int
    scenes: int
    flagged: int
    labels: tuple[LabelSummary, ...]
    sizes: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
    """(subset, sizes of its pictures)."""
    splits: tuple[tuple[str, int, int], ...]
    """(subset, pictures in train, pictures in val)."""
    examples: tuple[Entry, ...]


def summarise(manifest: Path) -> PictureSummary:
    """Figures of every label of every subset. Raises DataError for a manifest that cannot be read."""
    entries = [_sized(entry, manifest.parent) for entry in read_entries(manifest)]
    by_label: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    by_subset: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_subset[entry.subset].append(entry)
        for label in entry.labels:
            by_label[entry.subset, label].append(entry)
    return PictureSummary(
        pictures=len(entries),
        scenes=len({(entry.source, entry.group) for entry in entries}),
        flagged=sum(bool(entry.flag) for entry in entries),
        labels=tuple(_label(*key, found) for key, found in sorted(by_label.items())),
        sizes=tuple((name, tuple(e.size for e in found)) for name, found in sorted(by_subset.items())),
        splits=tuple((name, *_sides(found)) for name, found in sorted(by_subset.items())),
        examples=tuple(_examples(by_label.values())),
    )


def thumbnail(path: Path, longest: int) -> Pixels:
    """A picture scaled down, BGR. Raises DataError."""
    image = read_image(path)
    if image is None:
        raise DataError(f"{path}: cannot be decoded")
    scale = longest / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


def _label(subset: str, label: str, entries: Sequence[Entry]) -> LabelSummary:
    boxes = [(entry, box) for entry in entries for box in entry.boxes if box.label == label]
    counts = Counter(entry.split for entry, _ in boxes) or Counter(entry.split for entry in entries)
    scenes = Counter(split for split, _ in {(entry.split, entry.group) for entry in entries})
    shares = [max(0.0, (box.x2 - box.x1) * (box.y2 - box.y1)) ** 0.5 for _, box in boxes]
    return LabelSummary(
        subset,
        label,
        tuple(Counter(box.fine for _, box in boxes).most_common()),
        counts["train"],
        counts["val"],
        scenes["train"],
        scenes["val"],
        tuple(share * (e.size[0] * e.size[1]) ** 0.5 for share, (e, _) in zip(shares, boxes, strict=True)),
        tuple(shares),
    )


def _sides(entries: Sequence[Entry]) -> tuple[int, int]:
    sides = Counter(entry.split for entry in entries)
    return sides["train"], sides["val"]


def _examples(groups: Iterable[Sequence[Entry]]) -> list[Entry]:
    """One or two pictures per label and subset, of different scenes where there are two; none twice."""
    chosen: dict[str, Entry] = {}
    for entries in groups:
        shuffled = sorted(entries, key=_shuffling)
        scenes: dict[str, Entry] = {}
        for entry in shuffled:
            scenes.setdefault(entry.group, entry)
        for entry in list(scenes.values())[:_EXAMPLES]:
            chosen.setdefault(entry.path, entry)
    return list(chosen.values())


def _shuffling(entry: Entry) -> bytes:
    return hashlib.sha256(entry.path.encode(errors="surrogateescape")).digest()  # names need not be UTF-8


def _sized(entry: Entry, root: Path) -> Entry:
    if entry.size != (0, 0):
        return entry
    look = look_at(root / entry.path)
    if look.fault:
        raise DataError(f"{root / entry.path}: {look.fault}")
    return Entry(
        entry.path, look.size, entry.boxes, entry.source, entry.subset, entry.group, entry.split, entry.flag
    )
