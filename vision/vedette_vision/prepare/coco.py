"""COCO JSON: pictures, categories and annotations in one file per part."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vedette_base.errors import DataError
from vedette_vision.prepare.labelled import (
    FINE,
    LabelBox,
    Labelled,
    Remark,
    Source,
    picture_files,
    side_of,
    without_labels,
)
from vedette_vision.prepare.look import stored_size

_KIND = {"file_name": "text", "name": "text", "id": "a number or text", "image_id": "a number or text",
         "category_id": "a whole number"}  # fmt: skip


def read_coco(root: Path, *, background: bool = False) -> Source:
    """All pictures of the COCO files below ``root``.

    Raises:
        DataError: no COCO file, or one that is not what it should be.
    """
    files = [path for path in sorted(root.rglob("*.json")) if path.is_file()]
    tables = [(path, table) for path in files if (table := read_table(path)) is not None]
    if not tables:
        raise DataError(f"{root}: no COCO file (JSON with images, annotations and categories)")
    there = picture_files(root)
    index = by_name(there)
    pictures, remarks, broken, used = [], [], [], set()
    for file, table in tables:
        where = file.relative_to(root).as_posix()
        named = {int(category["id"]): str(category["name"]) for category in table["categories"]}
        boxes = _by_picture(table, where)
        for image in table["images"]:
            path = find_picture(str(image["file_name"]), file.parent.relative_to(root), index)
            if not path:
                remarks.append(Remark(str(image["file_name"]), "no_picture", f"{where} names it"))
                continue
            used.add(path)
            try:
                size = image_size(image, root / path, where)
                found = tuple(to_box(entry, named, size, where) for entry in boxes.pop(image["id"], ()))
            except DataError as error:
                broken.append((path, str(error)))
                continue
            pictures.append(Labelled(path, found, size, side=_side(file, root)))
        lost = sum(len(entries) for entries in boxes.values())
        if lost:
            remarks.append(
                Remark(where, "no_picture", f"{lost} boxes belong to pictures that it does not list")
            )
    rest = without_labels(root, [path for path in there if path not in used], background)
    return Source((*pictures, *rest.pictures), (*remarks, *rest.remarks), tuple(broken))


def read_table(path: Path) -> dict[str, Any] | None:
    """A COCO file; None for JSON that is something else.

    Raises:
        DataError: not JSON, or entries without the keys that every tool writes.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(table, dict) or not {"images", "annotations", "categories"} <= table.keys():
        return None
    for part, keys in (
        ("images", {"id", "file_name"}),
        ("annotations", {"image_id", "category_id"}),
        ("categories", {"id", "name"}),
    ):
        if not isinstance(table[part], list):
            raise DataError(f"{path}: {part} must be a list")
        for number, entry in enumerate(table[part]):
            if not isinstance(entry, dict) or not keys <= entry.keys():
                raise DataError(f"{path}: {part}[{number}] needs {', '.join(sorted(keys))}")
            for key in sorted(keys):
                kind = "category_id" if part == "categories" and key == "id" else key
                if not _is_fit(kind, entry[key]):
                    shown = json.dumps(entry[key])[:60]
                    raise DataError(f"{path}: {part}[{number}]: {key} must be {_KIND[kind]}, got {shown}")
        ids = Counter(str(entry["id"]) for entry in table[part] if "id" in keys)
        if twice := next((name for name, count in ids.items() if count > 1), None):
            raise DataError(f"{path}: {part}: id {twice} is given twice")
    return table


def to_box(entry: dict[str, Any], names: dict[int, str], size: tuple[int, int], where: str) -> LabelBox:
    """One annotation as a box; its outline where it gives no box. Raises DataError."""
    name = names.get(int(entry["category_id"]))
    if name is None:
        raise DataError(
            f"{where}: category id {entry['category_id']} is out of range, ids are {sorted(names)}"
        )
    width, height = size
    vague = bool(entry.get("iscrowd")) or bool(entry.get("ignore"))
    box = entry.get("bbox") or _around(entry.get("segmentation"))
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(part) for part in box):
        raise DataError(f"{where}: annotation {entry.get('id')} has no box of four numbers")
    x, y, w, h = map(float, box)
    beneath = entry.get("attributes")
    fine = str(beneath.get(FINE) or "") if isinstance(beneath, dict) else ""
    return LabelBox(name, x / width, y / height, (x + w) / width, (y + h) / height, vague=vague, fine=fine)


def by_name(paths: Iterable[str]) -> dict[str, list[str]]:
    """Pictures by their file name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        found[Path(path).name].append(path)
    return found


def find_picture(name: str, folder: Path, there: Mapping[str, Sequence[str]]) -> str:
    """The picture that a COCO file in ``folder`` names, among ``there`` (by file name); empty without one."""
    same = there.get(Path(name).name, ())
    for path in ((folder / name).as_posix(), name, (folder.parent / "images" / name).as_posix()):
        if path in same:
            return path
    ends = [path for path in same if path == name or path.endswith("/" + name)]
    return ends[0] if len(ends) == 1 else ""


def image_size(image: dict[str, Any], picture: Path | None, where: str) -> tuple[int, int]:
    """(width, height) that an entry says, or that the picture has. Raises DataError."""
    width: Any = image.get("width")
    height: Any = image.get("height")
    if _is_number(width) and _is_number(height) and width >= 1 and height >= 1:
        return int(width), int(height)
    if picture is None or not picture.is_file():
        raise DataError(f"{where}: says no size of {image['file_name']}")
    try:
        return stored_size(picture)
    except DataError as error:
        raise DataError(f"{where}: says no size of {image['file_name']}, and the file {error}") from error


def _around(outlines: Any) -> list[float] | None:
    """The box around outlines ``[[x, y, x, y, ...], ...]``."""
    if not isinstance(outlines, list) or not outlines or not all(isinstance(o, list) for o in outlines):
        return None
    numbers = [[float(v) for v in outline if _is_number(v)] for outline in outlines]
    xs = [v for outline in numbers for v in outline[::2]]
    ys = [v for outline in numbers for v in outline[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)] if xs and ys else None


def _is_fit(key: str, value: Any) -> bool:
    if key == "file_name":
        return isinstance(value, str) and bool(value)
    if key == "name":
        return isinstance(value, str | int)
    if isinstance(value, str):  # pictures are told by anything; categories are numbers, perhaps quoted
        return key in ("id", "image_id") or value.isdecimal()
    return _is_number(value) and value == int(value)


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and abs(value) <= sys.float_info.max  # neither NaN, infinite, nor too long to be one


def _by_picture(table: dict[str, Any], where: str) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for entry in table["annotations"]:
        found[entry["image_id"]].append(entry)
    return found


def _side(file: Path, root: Path) -> str:
    """From ``train/_annotations.coco.json`` or ``annotations/instances_val.json``."""
    parts = [*file.relative_to(root).parts[:-1], *file.stem.replace("-", "_").split("_")]
    return next((side for part in parts if (side := side_of(part.rstrip("0123456789")))), "")
