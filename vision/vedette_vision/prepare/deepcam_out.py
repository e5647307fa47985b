"""Labelled pictures of any format in the layout of the Deepcam gun set, as ``deepcam`` reads it.

``detector/gun`` gets the pictures with a firearm, each with a VOC file in which every firearm is a ``gun``,
its type beneath; ``detector/other`` those that show none. ``classifier/gun`` and ``classifier/other``
get chips: those that the source has, and squares cut around its firearms and around what is taken for them.
The layout knows no sides, and no knives or people: a picture of those alone shows no gun.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from vedette_base.errors import DataError, OutputError
from vedette_base.manifests import write_text
from vedette_base.media import Pixels
from vedette_vision.chips.cut import cut_chip
from vedette_vision.imaging import read_image
from vedette_vision.prepare.convert import Sheet, place, voc_xml
from vedette_vision.prepare.labelled import LabelBox
from vedette_vision.prepare.sources import known_label

_GUN, _OTHER = "gun", "other"
_FIREARMS = ("pistol", "long_gun", "gun")
_PERHAPS = ("weapon", "ignore")
"""Neither a gun for sure nor none: ``difficult`` in the label file."""
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]


def write_deepcam(sheets: Sequence[Sheet], out: Path) -> Mapping[str, int]:
    """Write copies of the pictures, label files and chips below ``out``.

    Returns:
        How many pictures went into each folder (``detector/gun`` ...).

    Raises:
        DataError: a class name of which no shipped card says whether it is a gun, a picture that cannot be
            decoded. OutputError: something cannot be written.
    """
    for sheet in sheets:
        for box in sheet.boxes:
            _kind(box, sheet)  # before anything is written
    counts: Counter[str] = Counter()
    for sheet in sheets:
        kinds = [_kind(box, sheet) for box in sheet.boxes]
        if sheet.chip:
            folder = f"classifier/{_GUN if any(kind in _FIREARMS for kind in kinds) else _OTHER}"
            place(sheet, out / folder)
            counts[folder] += 1
            continue
        both = zip(sheet.boxes, kinds, strict=True)
        guns = tuple(_as_gun(box, kind) for box, kind in both if kind in _FIREARMS + _PERHAPS)
        folder = f"detector/{_GUN if guns else _OTHER}"
        place(sheet, out / folder)
        counts[folder] += 1
        if guns:
            write_text(out / folder / f"{sheet.stem}.xml", voc_xml(replace(sheet, boxes=guns)))
        for folder, stem, chip in _chips(sheet, kinds):
            _write(out / folder / f"{stem}.jpg", chip)
            counts[folder] += 1
    return dict(sorted(counts.items()))


def _kind(box: LabelBox, sheet: Sheet) -> str:
    """Our label of a box; what is vague and may be a gun counts as to be ignored."""
    label = known_label(box.name)
    if box.vague:
        return "ignore" if label is None or label in _FIREARMS + _PERHAPS else label
    if label is None:
        raise DataError(
            f"{sheet.picture}: no card says whether {box.name!r} is a gun",
            hint="vedette data prepare with a card of your own, then convert its manifest",
        )
    return label


def _as_gun(box: LabelBox, kind: str) -> LabelBox:
    finer = box.fine or box.name
    return replace(box, name=_GUN, fine="" if finer == _GUN else finer, vague=kind in _PERHAPS)


def _chips(sheet: Sheet, kinds: Sequence[str]) -> Iterator[tuple[str, str, Pixels]]:
    """Folder, name and pixels of the chips of one picture."""
    image: Pixels | None = None
    for number, (box, kind) in enumerate(zip(sheet.boxes, kinds, strict=True), 1):
        if box.vague or kind not in (*_FIREARMS, "no_weapon"):
            continue
        if image is None:
            image = read_image(sheet.picture)
        if image is None:
            raise DataError(f"{sheet.picture}: cannot be decoded")
        edges = np.asarray(sheet.edges(box)) * np.tile(np.divide(image.shape[1::-1], sheet.size), 2)
        half = _OTHER if kind == "no_weapon" else _GUN
        yield f"classifier/{half}", f"{sheet.stem}_{number}", cut_chip(image, edges.tolist())


def _write(target: Path, chip: Pixels) -> None:
    data = cv2.imencode(".jpg", chip, _QUALITY)[1].tobytes()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
