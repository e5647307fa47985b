"""YOLO folders: ``data.yaml``, ``images/`` and ``labels/``; boxes, outlines and turned boxes.

A line is ``id cx cy w h`` (a box), or ``id x1 y1 x2 y2 x3 y3 ...`` (an outline of three points or more; four
points are a turned box too), all as shares of the upright picture, as Ultralytics reads them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from vedette_base.errors import DataError
from vedette_vision.prepare.labelled import (
    PICTURE_FILES,
    LabelBox,
    Labelled,
    Remark,
    Source,
    picture_files,
    side_of,
    without_labels,
)

FINER = "finer_names.json"
"""Beside ``data.yaml``: class and finer name of each box by label file; YOLO has no place for the latter."""
_NO_LABELS = frozenset(("classes", "obj.names", "train", "val", "test", "valid", "readme"))
"""Text files that lie among labels and are none, by their stem."""


def read_yolo(root: Path, names: Sequence[str] = (), *, background: bool = False) -> Source:
    """All pictures of a YOLO folder.

    Args:
        root: the folder with ``data.yaml``, or one with ``images/`` and ``labels/``.
        names: class names where neither ``data.yaml`` nor ``classes.txt`` gives them.
        background: whether a picture without a label file is known to show nothing.

    Raises:
        DataError: no class names, or a ``data.yaml`` that cannot be read.
    """
    table, sides = _description(root)
    known = class_names(root, table) or tuple(names)
    if not known:
        raise DataError(f"{root}: no class names", hint="put a data.yaml there, or give names in the card")
    pictures, remarks, broken, bare = [], [], [], []
    finer = _finer_names(root)
    labels = set(label_files(root))
    owners: dict[str, str] = {}
    for path in picture_files(root):
        label = label_path(path)
        if label not in labels:
            bare.append(path)
            continue
        if owners.setdefault(label, path) != path:
            remarks.append(Remark(path, "no_labels", f"its label file belongs to {owners[label]}"))
            continue
        try:
            boxes = read_labels(root / label, known)
        except DataError as error:
            broken.append((path, str(error).removeprefix(f"{root}/")))
            continue
        beneath = finer.get(label)
        if beneath is not None and [box.name for box in boxes] == [name for name, _ in beneath]:
            boxes = tuple(replace(box, fine=fine) for box, (_, fine) in zip(boxes, beneath, strict=True))
        elif beneath is not None:
            remarks.append(Remark(path, "changed", f"finer names of its boxes: {label} is not as written"))
        pictures.append(Labelled(path, boxes, side=sides.get(path) or _side(path)))
    remarks += [
        Remark(label, "no_picture", "no picture belongs to it") for label in sorted(labels - owners.keys())
    ]
    rest = without_labels(root, bare, background)
    return Source((*pictures, *rest.pictures), (*remarks, *rest.remarks), tuple(broken))


def label_path(picture: str) -> str:
    """Where the labels of a picture lie: ``images`` becomes ``labels``, the ending ``.txt``."""
    parts = list(Path(picture).with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place].lower() == "images":
            parts[place] = "labels"
            break
    return "/".join(parts)


def read_labels(path: Path, names: Sequence[str]) -> tuple[LabelBox, ...]:
    """The boxes of one label file; empty for an empty one.

    Raises:
        DataError: a line that is no box: names file, line and what is wrong.
    """
    return tuple(
        _box(line.split(), names, f"{path} line {number}")
        for number, line in enumerate(_text(path).splitlines(), 1)
        if line.strip()
    )


def class_names(root: Path, table: dict[str, Any] | None = None) -> tuple[str, ...]:
    """Class names in the order of their ids from ``data.yaml`` or ``classes.txt``; empty without them."""
    said = (table if table is not None else _description(root)[0]).get("names")
    if isinstance(said, dict):
        if set(said) != set(range(len(said))):
            raise DataError(f"{root / 'data.yaml'}: names must be numbered from 0 without gaps")
        said = [said[number] for number in range(len(said))]
    if isinstance(said, list):
        return tuple(map(str, said))
    if said is not None:
        raise DataError(f"{root / 'data.yaml'}: names must be a list of class names, got {said!r}")
    for file in (*sorted(root.glob("classes.txt")), *sorted(root.glob("*/classes.txt"))):
        return tuple(line.strip() for line in _text(file).splitlines() if line.strip())
    return ()


def _box(parts: list[str], names: Sequence[str], where: str) -> LabelBox:
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise DataError(f"{where}: not numbers: {' '.join(parts)[:60]}") from error
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"{where}: a number is not finite")
    number, edges = numbers[0], numbers[1:]
    if number != int(number) or not 0 <= number < len(names):
        raise DataError(f"{where}: class id {parts[0]} is out of range, ids are 0..{len(names) - 1}")
    name = names[int(number)]
    if len(edges) == 4:
        x, y, width, height = edges
        return LabelBox(name, x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if len(edges) >= 6 and len(edges) % 2 == 0:
        return LabelBox.around(name, zip(edges[::2], edges[1::2], strict=True))
    raise DataError(
        f"{where}: {len(parts)} numbers; a box has 5, an outline an id and pairs"
        + (" (a sixth is a score: save labels without it)" if len(parts) == 6 else "")
    )


def _finer_names(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Class and finer name of the boxes of each label file; empty without the file. Raises DataError."""
    if not (root / FINER).is_file():
        return {}
    try:
        said = json.loads((root / FINER).read_text(encoding="utf-8"))
        return {str(label): [(str(name), str(fine)) for name, fine in pairs] for label, pairs in said.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{root / FINER}: must be pairs of class and finer name by label file") from error


def _description(root: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """``data.yaml`` and the side of each picture that its lists name; both empty where there is none."""
    for name in ("data.yaml", "dataset.yaml", "data.yml"):
        if not (root / name).is_file():
            continue
        try:
            table = yaml.safe_load((root / name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError(f"{root / name}: not YAML: {str(error).splitlines()[0]}") from error
        if not isinstance(table, dict):
            raise DataError(f"{root / name}: must be 'key: value' lines")
        return table, dict(_sides(root, table))
    return {}, {}


def _sides(root: Path, table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pictures of ``train``, ``val`` and ``test``, which are folders, lists of folders, or text files.

    Roboflow writes ``../train/images`` for what lies beside ``data.yaml``: leading ``../`` is tried without.
    """
    for part, side in (("train", "train"), ("val", "val"), ("valid", "val"), ("test", "val")):
        said = table.get(part) or []
        if not isinstance(said, str | list):
            raise DataError(f"{root / 'data.yaml'}: {part} must be a folder or a list of them, got {said!r}")
        for place in [said] if isinstance(said, str) else said:
            bare = str(place)
            while bare.startswith("../"):
                bare = bare[3:]
            tries = (root / str(table.get("path") or "") / str(place), root / str(place), root / bare)
            found = next((path for path in tries if path.exists() and _below(path, root)), None)
            if found is None:
                continue  # its pictures are found by their folder all the same
            listed = _text(found).split("\n") if found.is_file() else found.rglob("*")
            for path in listed:
                file = (found.parent / path.strip()) if isinstance(path, str) else path
                if file.suffix.lower() in PICTURE_FILES and _below(file, root):
                    yield file.resolve().relative_to(root.resolve()).as_posix(), side


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _below(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _side(path: str) -> str:
    return next((side for part in Path(path).parts[:-1] if (side := side_of(part))), "")


def label_files(root: Path) -> Iterator[str]:
    """Text files below ``root`` that may hold labels, with forward slashes."""
    for path in root.rglob("*.txt"):
        name = path.relative_to(root).as_posix()
        if path.stem.lower().split(".")[0] not in _NO_LABELS:
            yield name
