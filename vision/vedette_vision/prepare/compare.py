"""Two label sets of the same pictures: what one has and the other has not, and where they disagree.

Boxes are matched one to one per picture so that the sum of their overlaps is greatest (Hungarian method),
whatever their class; a pair counts from an IoU of 0.5. Overlaps are the same in shares and in pixels, so
label files are enough: no picture is opened.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from scipy.optimize import linear_sum_assignment

from vedette_base.errors import DataError
from vedette_vision.boxes import Floats, overlap
from vedette_vision.prepare.coco import image_size, read_table, to_box
from vedette_vision.prepare.labelled import LabelBox
from vedette_vision.prepare.manifest import read_entries
from vedette_vision.prepare.voc import parse_annotation, read_annotation
from vedette_vision.prepare.yolo import class_names, label_files, read_labels

MATCH = 0.5
"""Least IoU of two boxes that mean the same thing."""

LabelSet = Mapping[str, Sequence[LabelBox]]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class: boxes in A and in B, matched ones of this class in both, the rest, and their overlap.

    ``only_a`` and ``only_b`` have no counterpart at all; ``renamed`` have one of another class in the other
    set, counted under their name in A. ``iou`` is the mean over those matched, None without any.
    """

    name: str
    a: int
    b: int
    both: int
    only_a: int
    only_b: int
    renamed: int
    iou: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two label sets differ.

    Attributes:
        pictures: in both sets; only_a, only_b: names of pictures in one only.
        alike: pictures on which both have the same boxes.
        classes: one row per class; renamed: (name in A, name in B, how often), most frequent first.
        overlaps: number of matched pairs by IoU in tenths from 0.5: five numbers.
        worst: the pictures with most differences, and how many.
    """

    pictures: int
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    alike: int
    classes: tuple[ClassRow, ...]
    renamed: tuple[tuple[str, str, int], ...]
    overlaps: tuple[int, ...]
    worst: tuple[tuple[str, int], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare(a: LabelSet, b: LabelSet) -> Comparison:
    """Compare two label sets, each boxes by the name of their picture (without ending).

    Raises:
        DataError: no picture is in both.
    """
    shared = sorted(a.keys() & b.keys())
    if not shared:
        raise DataError(
            "the two label sets have no picture in common", hint="pictures are known by their name"
        )
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    overlaps: dict[str, list[float]] = defaultdict(list)
    renamed: Counter[tuple[str, str]] = Counter()
    differing: Counter[str] = Counter()
    for key in shared:
        pairs = match(a[key], b[key])
        used_a, used_b = {one for one, _, _ in pairs}, {two for _, two, _ in pairs}
        for side, boxes, used in (("a", a[key], used_a), ("b", b[key], used_b)):
            for number, box in enumerate(boxes):
                tally[box.name][side] += 1
                tally[box.name][f"only_{side}"] += number not in used
                differing[key] += number not in used
        for one, two, iou in pairs:
            names = a[key][one].name, b[key][two].name
            overlaps[names[0]].append(iou)
            tally[names[0]]["both" if names[0] == names[1] else "renamed"] += 1
            if names[0] != names[1]:
                renamed[names] += 1
                differing[key] += 1
    everything = [iou for found in overlaps.values() for iou in found]
    return Comparison(
        pictures=len(shared),
        only_a=tuple(sorted(a.keys() - b.keys())),
        only_b=tuple(sorted(b.keys() - a.keys())),
        alike=sum(not differing[key] for key in shared),
        classes=tuple(_row(name, tally[name], overlaps[name]) for name in sorted(tally)),
        renamed=tuple((one, two, count) for (one, two), count in renamed.most_common()),
        overlaps=tuple(int(n) for n in np.histogram(everything, np.linspace(MATCH, 1.0 + 1e-9, 6))[0]),
        worst=tuple((key, count) for key, count in differing.most_common(10) if count),
    )


def match(a: Sequence[LabelBox], b: Sequence[LabelBox]) -> list[tuple[int, int, float]]:
    """Pairs of boxes (number in ``a``, number in ``b``, IoU), each used once, IoU at least ``MATCH``."""
    if not a or not b:
        return []
    table = overlap(_edges(a), _edges(b)).astype(np.float64)
    rows, columns = linear_sum_assignment(np.where(table >= MATCH, table, 0.0), maximize=True)
    return [
        (int(i), int(j), float(table[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if table[i, j] >= MATCH
    ]


def read_label_set(source: Path, names: Sequence[str] = ()) -> dict[str, tuple[LabelBox, ...]]:
    """Boxes by picture name from a manifest, a COCO file, or a folder of YOLO or VOC label files.

    Args:
        source: file or folder; pictures need not be there.
        names: class names of a YOLO folder that does not give them.

    Raises:
        DataError: nothing that can be read; two label files of one name.
    """
    if source.suffix == ".jsonl":
        return {
            Path(entry.path).stem: tuple(
                LabelBox(box.label, box.x1, box.y1, box.x2, box.y2) for box in entry.boxes
            )
            for entry in read_entries(source)
        }
    if source.suffix == ".json":
        return _coco(source)
    if not source.is_dir():
        raise DataError(f"{source}: neither a manifest.jsonl, a COCO file nor a folder of labels")
    found = [
        (path.stem, read_annotation(_annotation(path), str(path))[1])
        for path in sorted(source.rglob("*.xml"))
    ]
    if not found:
        known = class_names(source) or tuple(names)
        files = sorted(label_files(source))
        if files and not known:
            raise DataError(f"{source}: no class names", hint="put a classes.txt or data.yaml there")
        found = [(Path(file).stem, read_labels(source / file, known)) for file in files]
    if not found:
        raise DataError(f"{source}: no label files")
    twice = [stem for stem, count in Counter(stem for stem, _ in found).items() if count > 1]
    if twice:
        raise DataError(f"{source}: several label files are called {twice[0]}")
    return dict(found)


def _annotation(path: Path) -> ElementTree.Element:
    try:
        return parse_annotation(path)
    except DataError as error:  # which does not say of which file
        raise DataError(f"{path}: {error}") from error


def _coco(path: Path) -> dict[str, tuple[LabelBox, ...]]:
    table = read_table(path)
    if table is None:
        raise DataError(f"{path}: no COCO file (JSON with images, annotations and categories)")
    named = {int(category["id"]): str(category["name"]) for category in table["categories"]}
    boxes: dict[Any, list[LabelBox]] = {image["id"]: [] for image in table["images"]}
    sizes = {image["id"]: image_size(image, None, str(path)) for image in table["images"]}
    for entry in table["annotations"]:
        if entry["image_id"] in boxes:
            boxes[entry["image_id"]].append(to_box(entry, named, sizes[entry["image_id"]], str(path)))
    return {Path(image["file_name"]).stem: tuple(boxes[image["id"]]) for image in table["images"]}


def _row(name: str, counts: Counter[str], overlaps: Sequence[float]) -> ClassRow:
    return ClassRow(
        name,
        a=counts["a"],
        b=counts["b"],
        both=counts["both"],
        only_a=counts["only_a"],
        only_b=counts["only_b"],
        renamed=counts["renamed"],
        iou=round(float(np.mean(overlaps)), 3) if overlaps else None,
    )


def _edges(boxes: Sequence[LabelBox]) -> Floats:
    return np.array([(box.x1, box.y1, box.x2, box.y2) for box in boxes], np.float32)
