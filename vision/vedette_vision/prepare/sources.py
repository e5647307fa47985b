"""Which reader a card asks for, and what a folder without a card looks like."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import get_args

from vedette_base.errors import DataError
from vedette_vision.prepare.cards import Label, Layout, PictureCard, load_picture_card, shipped_picture_cards
from vedette_vision.prepare.coco import read_coco, read_table
from vedette_vision.prepare.deepcam import HALVES, KINDS, read_deepcam
from vedette_vision.prepare.labelled import PICTURE_FILES, LabelBox, Labelled, Source
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
    read = _read(card.layout, root, card.names, frozenset(names), card.unlabelled == "background")
    source = _each_once(read)
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
    """Label files without a card: YOLO, VOC, COCO or Deepcam, told by what lies there. Raises DataError."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    return _each_once(_read(layout_of(root), root, (), frozenset(), False))


def layout_of(root: Path) -> Layout:
    """YOLO by its ``data.yaml`` or ``classes.txt``, Deepcam by its folders, VOC by XML, COCO by JSON.

    Raises:
        DataError: it is none of them.
    """
    if any((root / name).is_file() for name in ("data.yaml", "dataset.yaml", "data.yml")):
        return "yolo"
    if any(_holds_pictures(root / half / kind) for half in HALVES for kind in KINDS):
        return "deepcam"
    if next(root.rglob("*.xml"), None):
        return "voc"
    if any(read_table(path) is not None for path in sorted(root.rglob("*.json"))):
        return "coco"
    if next(root.rglob("classes.txt"), None):
        return "yolo"
    raise DataError(
        f"{root}: neither data.yaml (YOLO) nor XML (VOC) nor COCO JSON nor Deepcam's folders",
        hint="write a dataset card for it and run vedette data prepare first",
    )


def meaning(card: PictureCard, box: LabelBox) -> tuple[str, str] | None:
    """Our label and the finer name of a box; None where the card leaves it out."""
    by_key = {_key(name): label for name, label in card.classes.items()}
    label = by_key.get(_key(box.name))
    if label is None:
        return None
    return ("ignore" if box.vague else label), _key(box.fine or box.name)


def known_label(name: str) -> Label | None:
    """What some shipped card means by a class name; our own label for our own names; None for others."""
    return _meanings().get(_key(name))


@cache
def _meanings() -> dict[str, Label]:
    own: dict[str, Label] = {label: label for label in get_args(Label)}
    cards = map(load_picture_card, shipped_picture_cards())
    return {_key(name): label for card in cards for name, label in card.classes.items()} | own


def _holds_pictures(folder: Path) -> bool:
    return folder.is_dir() and any(path.suffix.lower() in PICTURE_FILES for path in folder.rglob("*"))


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


def _each_once(source: Source) -> Source:
    """A picture that several label files or entries are of is kept with the first, and named as broken."""
    first: dict[str, Labelled] = {}
    for picture in source.pictures:
        first.setdefault(picture.path, picture)
    if len(first) == len(source.pictures):
        return source
    counts = Counter(picture.path for picture in source.pictures)
    said = [
        (path, f"is labelled {count} times, by several files") for path, count in counts.items() if count > 1
    ]
    return replace(source, pictures=tuple(first.values()), broken=(*source.broken, *said))


def _hint(source: Source, card: PictureCard) -> str:
    bare = sum(remark.flag == "no_labels" for remark in source.remarks)
    if bare:
        return f"{bare} pictures have no label file; is --root the right folder?"
    return f"get it from {card.where}"


def _key(name: str) -> str:
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
