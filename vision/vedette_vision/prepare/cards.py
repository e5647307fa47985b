"""Dataset cards of pictures: where a source comes from, its licence, its layout, and what its names mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import Field

from vedette_base.cards import CARD_FILES, Shelf, SourceCard, one_bracket

Layout = Literal["yolo", "voc", "coco", "deepcam", "openimages"]
Label = Literal["knife", "long_gun", "no_weapon", "pistol", "gun", "person", "weapon", "ignore"]


class PictureCard(SourceCard):
    """One source of pictures.

    ``classes`` maps the source's own names to ours; the source's name stays beneath as the finer one. A name
    that is in neither ``classes`` nor ``left_out`` is an error.
    """

    layout: Layout
    classes: dict[str, Label]
    left_out: tuple[str, ...] = ()
    """Names of boxes that are dropped, and counted."""
    names: tuple[str, ...] = ()
    """``yolo`` and ``deepcam``: class names in the order of their ids, where no data.yaml says them."""
    scenes: Literal["named", "similar", "sequence", "picture"] = "similar"
    """How pictures of one video or scene are known: ``named`` by ``group_pattern``; ``similar``: neighbours
    in name look alike; ``sequence``: names differ in their last number; ``picture``: each is its own.
    Near-duplicates always share a scene."""
    group_pattern: Annotated[str, one_bracket("scene")] = ""
    """Regular expression on a picture's path whose first bracket is its video or scene."""
    unlabelled: Literal["leave_out", "background"] = "leave_out"
    """A picture without a label file: not looked at by anybody, or known to show nothing."""
    keep_split: bool = False
    """Keep the publisher's sides where scenes allow it; else the pictures are split anew by scene."""
    val_scenes: tuple[str, ...] = ()
    """Scenes that make up ``val``, as ``group_pattern`` names them; all others train. For few cameras."""
    val_share: float = Field(default=0.2, ge=0.0, le=0.9)
    """Share of the boxes of each class whose scenes go to ``val``."""
    notes: str = ""


_SHELF = Shelf("data/cards/pictures", PictureCard)


def load_picture_card(name_or_file: str | Path) -> PictureCard:
    """A card by its file, or by the name it ships under. Raises ConfigError."""
    return _SHELF.load(name_or_file)


def shipped_picture_cards() -> tuple[str, ...]:
    """Names of the picture cards that come with Vedette, sorted."""
    return _SHELF.names()


def is_picture_card(name_or_file: str | Path) -> bool:
    """Whether a card is one of pictures: by its name, or by the layout that its file says."""
    path = Path(name_or_file)
    if path.suffix not in CARD_FILES:
        return str(name_or_file) in shipped_picture_cards()
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False  # whoever reads the card says what is wrong with it
    return isinstance(said, dict) and said.get("layout") in get_args(Layout)
