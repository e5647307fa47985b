"""Dataset cards: where a source comes from, its licence, how its files are laid out and told apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from vedette_base.bundle import resource
from vedette_base.config import Section, load_config
from vedette_base.errors import ConfigError, InputError

Layout = Literal["folders", "urbansound8k", "sesa", "esc50", "csv", "train_table"]
_SHELF = "data/cards/sound"


class SoundClass(Section):
    """What one name of the source means here."""

    label: Literal["gunshot", "other"]
    fine: str = Field(min_length=1)
    """Firearm type or sound class; for ``gunshot`` outside the nine types the firearm counts as unknown."""


class DatasetCard(Section):
    """One source of sound.

    ``classes`` maps the source's own names to ours; a name that is in neither ``classes`` nor ``left_out`` is
    an error. ``recordings`` says how clips of one recording are known: by the publisher (``named``), by
    nothing (``estimated``), each clip is its own (``clip``), or nobody can tell and all may be one (``one``:
    the whole source trains).
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    where: str
    """Where a user gets it: a page, never a mirror of ours."""
    licence: str
    cite: str = ""
    layout: Layout
    recordings: Literal["named", "estimated", "clip", "one"]
    classes: dict[str, SoundClass]
    left_out: tuple[str, ...] = ()
    table: str | None = None
    """``csv`` and ``train_table``: the table's file name under the root."""
    columns: dict[str, str] = Field(default_factory=dict)
    """``csv`` and ``train_table``: our column -> theirs, where they differ."""
    groups_table: str | None = None
    """Known recordings of single files, shipped beside the cards in ``tables``."""
    group_pattern: str = ""
    """Regular expression on a clip's path whose first bracket is its recording; where it does not fit,
    ``recordings`` decides."""
    val_share: float = Field(default=0.25, ge=0.0, le=0.9)
    """Share of the clips whose recordings go to ``val``."""
    notes: str = ""

    @field_validator("group_pattern")
    @classmethod
    def _one_bracket(cls, pattern: str) -> str:
        try:
            brackets = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if pattern and brackets != 1:
            raise ValueError(f"needs one bracket, the recording; has {brackets}")
        return pattern


def load_card(name_or_file: str | Path) -> DatasetCard:
    """A card by its file, or by the name it ships under.

    Raises:
        ConfigError: no such card, or a key or value in it that is wrong.
    """
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = shelf() / f"{name_or_file}.yaml"
        if not path.is_file():
            raise ConfigError(
                f"no dataset card {str(name_or_file)!r}",
                hint=f"cards: {', '.join(shipped_cards()) or 'none'}",
            )
    return load_config(path, DatasetCard)


def shelf() -> Path:
    """The folder of the shipped cards. Raises ConfigError where they are not installed."""
    try:
        return resource(_SHELF)
    except InputError as error:
        raise ConfigError("no dataset cards are installed", hint="give the card's YAML file") from error


def shipped_cards() -> tuple[str, ...]:
    """Names of the cards that come with Vedette, sorted."""
    return tuple(sorted(path.stem for path in shelf().glob("*.yaml")))


def shipped_table(name: str) -> Path:
    """A shipped table of recordings. Raises ConfigError where there is none."""
    path = shelf().parent.parent / "tables" / name
    if not path.is_file():
        raise ConfigError(f"no table {name!r} beside the dataset cards")
    return path
