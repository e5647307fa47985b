"""Dataset cards of pictures: where a source comes from, its licence, its layout, and what its names mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import Field, field_validator

from vedette_base.bundle import resource
from vedette_base.config import Section, load_config
from vedette_base.errors import ConfigError, InputError

Layout = Literal["yolo", "voc", "coco", "deepcam", "openimages"]
Label = Literal["knife", "long_gun", "no_weapon", "pistol", "gun", "person", "weapon", "ignore"]
_SHELF = "data/cards/pictures"


class PictureCard(Section):
    """One source of pictures.

    ``classes`` maps the source's own names to ours; the source's name stays beneath as the finer one. A name
    that is in neither ``classes`` nor ``left_out`` is an error.
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    where: str
    """Where a user gets it: a page, never a mirror of ours."""
    licence: str
    cite: str = ""
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
    group_pattern: str = ""
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

    @field_validator("group_pattern")
    @classmethod
    def _one_bracket(cls, pattern: str) -> str:
        try:
            brackets = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if pattern and brackets != 1:
            raise ValueError(f"needs one bracket, the scene; has {brackets}")
        return pattern


def load_picture_card(name_or_file: str | Path) -> PictureCard:
    """A card by its file, or by the name it ships under.

    Raises:
        ConfigError: no such card, or a key or value in it that is wrong.
    """
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = _shelf() / f"{name_or_file}.yaml"
        if not path.is_file():
            cards = ", ".join(shipped_picture_cards()) or "none"
            raise ConfigError(f"no dataset card {str(name_or_file)!r}", hint=f"cards: {cards}")
    return load_config(path, PictureCard)


def is_picture_card(name_or_file: str | Path) -> bool:
    """Whether a card is one of pictures: by its name, or by the layout that its file says."""
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        return str(name_or_file) in shipped_picture_cards()
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False  # whoever reads the card says what is wrong with it
    return isinstance(said, dict) and said.get("layout") in get_args(Layout)


def shipped_picture_cards() -> tuple[str, ...]:
    """Names of the picture cards that come with Vedette, sorted."""
    return tuple(sorted(path.stem for path in _shelf().glob("*.yaml")))


def _shelf() -> Path:
    try:
        return resource(_SHELF)
    except InputError as error:
        raise ConfigError("no dataset cards are installed", hint="give the card's YAML file") from error
