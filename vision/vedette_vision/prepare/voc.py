"""Pascal VOC: one XML file per picture, edges in pixels of the size that the file says."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree

from vedette_base.errors import DataError
from vedette_vision.prepare.labelled import (
    FINE,
    LabelBox,
    Labelled,
    Remark,
    Source,
    picture_files,
    without_labels,
)
from vedette_vision.prepare.look import stored_size


def read_voc(root: Path, *, background: bool = False) -> Source:
    """All pictures below ``root`` with an XML file of their name, wherever that lies."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for path in picture_files(root):
        by_stem[Path(path).stem].append(path)
    sides = _sides(root)
    pictures, remarks, broken, used = [], [], [], set()
    for file in sorted(root.rglob("*.xml")):
        name = file.relative_to(root).as_posix()
        try:
            tree = parse_annotation(file)
            path = _picture_of(name, tree, by_stem)
            if not path:
                remarks.append(Remark(name, "no_picture", "no picture belongs to it"))
                continue
            used.add(path)
            size, boxes = read_annotation(tree, name, root / path)
        except DataError as error:
            broken.append((name, str(error)))
            continue
        pictures.append(Labelled(path, boxes, size, side=sides.get(Path(path).stem, "")))
    bare = sorted(path for paths in by_stem.values() for path in paths if path not in used)
    rest = without_labels(root, bare, background)
    return Source((*pictures, *rest.pictures), (*remarks, *rest.remarks), tuple(broken))


def read_annotation(
    tree: ElementTree.Element, where: str, picture: Path | None = None
) -> tuple[tuple[int, int], tuple[LabelBox, ...]]:
    """Size and boxes of one annotation; ``where`` names it in errors.

    Edges are taken as they stand. Where the annotation says no size, that of ``picture`` is read.

    Raises:
        DataError: no size, an object without name or box, an edge that is no number.
    """
    width, height = (_number(tree, f"size/{key}", where, 0.0) for key in ("width", "height"))
    if width <= 0 or height <= 0:
        if picture is None or not picture.is_file():
            raise DataError(f"{where}: says no size of its picture")
        try:
            width, height = stored_size(picture)
        except DataError as error:
            raise DataError(f"{where}: says no size, and its picture {error}") from error
    boxes = []
    for thing in tree.iter("object"):
        name = (thing.findtext("name") or "").strip()
        if not name:
            raise DataError(f"{where}: an object without a name")
        vague = (thing.findtext("difficult") or "0").strip() == "1"
        x1, y1, x2, y2 = (_number(thing, f"bndbox/{key}", where) for key in ("xmin", "ymin", "xmax", "ymax"))
        edges = x1 / width, y1 / height, x2 / width, y2 / height
        boxes.append(LabelBox(name, *edges, vague=vague, fine=_finer(thing)))
    return (round(width), round(height)), tuple(boxes)


def _finer(thing: ElementTree.Element) -> str:
    """The finer name beneath an object's class, in the attributes that CVAT writes."""
    for attribute in thing.iterfind("attributes/attribute"):
        if (attribute.findtext("name") or "").strip() == FINE:
            return (attribute.findtext("value") or "").strip()
    return ""


def parse_annotation(path: Path) -> ElementTree.Element:
    """An XML file. Raises DataError: unreadable, not XML, defines entities, or is no annotation."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error
    if b"<!ENTITY" in data:
        raise DataError("defines entities, which no label file needs")
    try:
        tree = ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter: an unknown encoding
        raise DataError(f"not XML: {error}") from error
    if tree.tag != "annotation":
        raise DataError(f"is no VOC annotation: its first element is {tree.tag[:40]!r}")
    return tree


def _picture_of(name: str, tree: ElementTree.Element, by_stem: dict[str, list[str]]) -> str:
    """The picture that an annotation belongs to: by its own name first, then by what it says."""
    said = PureWindowsPath((tree.findtext("filename") or "").strip()).name
    for stem in (Path(name).stem, PureWindowsPath(said).stem if "." in said else said):
        found = by_stem.get(stem, [])
        beside = [path for path in found if Path(path).parent == Path(name).parent]
        near = beside or found
        if len(near) > 1:
            raise DataError(f"{len(near)} pictures are called {stem}: {', '.join(near[:3])}")
        if near:
            return near[0]
    return ""


def _number(tree: ElementTree.Element, key: str, where: str, otherwise: float | None = None) -> float:
    text = tree.findtext(key)
    if text is None and otherwise is not None:
        return otherwise
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {key} is no number: {text!r}")
    return number


def _sides(root: Path) -> dict[str, str]:
    """Sides from ``ImageSets/Main/train.txt`` and ``val.txt`` or ``test.txt``, by the picture's stem."""
    sides = {}
    for part, side in (("test", "val"), ("val", "val"), ("train", "train")):
        for file in sorted(root.rglob(f"ImageSets/Main/{part}.txt")):
            try:  # names need not be UTF-8
                text = file.read_text("utf-8-sig", errors="surrogateescape")
            except OSError as error:
                raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
            words = [line.split() for line in text.splitlines()]
            sides.update({word[0]: side for word in words if word})
    return sides
