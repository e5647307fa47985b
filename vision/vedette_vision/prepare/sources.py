"""Which reader a card asks for, and what a folder without a card looks like."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from vedette_base.errors import DataError
from vedette_vision.prepare.cards import Layout, PictureCard
from vedette_vision.prepare.coco import read_coco, read_table
from vedette_vision.prepare.deepcam import read_deepcam
from vedette_vision.prepare.labelled import LabelBox, Source
from vedette_vision.prepare.openimages import read_openimages
from vedette_vision.prepare.voc import read_voc
from vedette_vision.prepare.yolo import read_yolo


def read_source(card: PictureCard, root: Path) -> Source:
    """All pictures of a source, every class name known to its card, in the order of their paths.

    Raises:
        DataError: no such folder, no pictures in that layout, a class name outside the card's list.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", hint=f"get it from {card.where}")
    names = (*card.classes, *card.left_out)
    source = _read(card.layout, root, card.names, frozenset(names), card.unlabelled == "background")
    if not source.pictures and not source.broken:
        raise DataError(
            f"{root}: no labelled pictures in the layout {card.layout!r}", hint=_hint(source, card)
        )
    known = {_key(name) for name in names}
    for picture in source.pictures:
        for box in picture.boxes:
            if _key(box.name) not in known:
                near = get_close_matches(box.name, names, 1, 0.4)
                raise DataError(
                    f"{picture.path}: label {box.name!r} is not in the card's class list"
                    + (f", nearest {near[0]!r}" if near else ""),
                    hint="add it to the card's classes, or to left_out",
                )
    return replace(source, pictures=tuple(sorted(source.pictures, key=lambda picture: picture.path)))


def read_folder(root: Path) -> Source:
    """Label files without a card: YOLO, VOC or COCO, told by what lies there. Raises DataError."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    return _read(layout_of(root), root, (), frozenset(), False)


def layout_of(root: Path) -> Layout:
    """YOLO by its ``data.yaml`` or ``classes.txt``, VOC by XML, COCO by JSON. Raises DataError."""
    if any((root / name).is_file() for name in ("data.yaml", "dataset.yaml", "data.yml")):
        return "yolo"
    if next(root.rglob("*.xml"), None):
        return "voc"
    if any(read_table(path) is not None for path in sorted(root.rglob("*.json"))):
        return "coco"
    if next(root.rglob("classes.txt"), None):
        return "yolo"
    raise DataError(
        f"{root}: neither data.yaml (YOLO) nor XML (VOC) nor COCO JSON", hint="write a card and use --card"
    )


def meaning(card: PictureCard, box: LabelBox) -> tuple[str, str] | None:
    """Our label and the finer name of a box; None where the card leaves it out."""
    by_key = {_key(name): label for name, label in card.classes.items()}
    label = by_key.get(_key(box.name))
    if label is None:
        return None
    return ("ignore" if box.vague else label), _key(box.name)


def _read(
    layout: Layout, root: Path, names: tuple[str, ...], wanted: frozenset[str], background: bool
) -> Source:
    if layout == "yolo":
        return read_yolo(root, names, background=background)
    if layout == "voc":
        return read_voc(root, background=background)
    if layout == "coco":
        return read_coco(root, background=background)
    if layout == "deepcam":
        return read_deepcam(root, names or ("gun",))
    return read_openimages(root, wanted, background=background)


def _hint(source: Source, card: PictureCard) -> str:
    bare = sum(remark.flag == "no_labels" for remark in source.remarks)
    if bare:
        return f"{bare} pictures have no label file; is --root the right folder?"
    return f"get it from {card.where}"


def _key(name: str) -> str:
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
