"""Dataset cards: where a source comes from, its licence, how its files are laid out and told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from vedette_base.cards import Shelf, SourceCard, one_bracket
from vedette_base.config import Section
from vedette_base.errors import ConfigError

Layout = Literal["folders", "urbansound8k", "sesa", "esc50", "csv", "train_table"]


class SoundClass(Section):
    """What one name of the source means here."""

    label: Literal["gunshot", "other"]
    fine: str = Field(min_length=1)
    """Firearm type or sound class; for ``gunshot`` outside the nine types the firearm counts as unknown."""


class DatasetCard(SourceCard):
    """One source of sound.

    ``classes`` maps the source's own names to ours; a name that is in neither ``classes`` nor ``left_out`` is
    an error. ``recordings`` says how clips of one recording are known: by the publisher (``named``), by
    nothing (``estimated``), each clip is its own (``clip``), or nobody can tell and all may be one (``one``:
    the whole source trains).
    """

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
    group_pattern: Annotated[str, one_bracket("recording")] = ""
    """Regular expression on a clip's path whose first bracket is its recording; where it does not fit,
    ``recordings`` decides."""
    val_share: float = Field(default=0.25, ge=0.0, le=0.9)
    """Share of the clips whose recordings go to ``val``."""
    notes: str = ""


_SHELF = Shelf("data/cards/sound", DatasetCard)


def load_card(name_or_file: str | Path) -> DatasetCard:
    """A card by its file, or by the name it ships under. Raises ConfigError."""
    return _SHELF.load(name_or_file)


def shelf() -> Path:
    """The folder of the shipped cards. Raises ConfigError where they are not installed."""
    return _SHELF.folder()


def shipped_cards() -> tuple[str, ...]:
    """Names of the cards that come with Vedette, sorted."""
    return _SHELF.names()


def shipped_table(name: str) -> Path:
    """A shipped table of recordings. Raises ConfigError where there is none."""
    path = shelf().parent.parent / "tables" / name
    if not path.is_file():
        raise ConfigError(f"no table {name!r} beside the dataset cards")
    return path
