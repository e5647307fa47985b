"""Dataset cards: what every card says of its source, and how a card is found, shipped or not.

A room's card names its layouts and classes below this head. (A model's card is ``vedette_base.bundle.Card``.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import AfterValidator, Field

from vedette_base.bundle import resource
from vedette_base.config import Section, load_config
from vedette_base.errors import ConfigError, InputError

CARD_FILES = (".yaml", ".yml")


class SourceCard(Section):
    """What a card says of any source, of sound or of pictures."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    where: str
    """Where a user gets it: a page, never a mirror of ours."""
    licence: str
    cite: str = ""


Card = TypeVar("Card", bound=SourceCard)


def one_bracket(what: str) -> AfterValidator:
    """For a field that is a regular expression or empty: it must have one bracket, ``what`` it finds."""

    def check(pattern: str) -> str:
        try:
            brackets = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if pattern and brackets != 1:
            raise ValueError(f"needs one bracket, the {what}; has {brackets}")
        return pattern

    return AfterValidator(check)


@dataclass(frozen=True, slots=True)
class Shelf(Generic[Card]):
    """The shipped cards of one kind: ``place`` is their folder as ``resource`` knows it."""

    place: str
    kind: type[Card]

    def folder(self) -> Path:
        """Where the cards lie. Raises ConfigError where they are not installed."""
        try:
            return resource(self.place)
        except InputError as error:
            raise ConfigError("no dataset cards are installed", hint="give the card's YAML file") from error

    def names(self) -> tuple[str, ...]:
        """Names of the cards, sorted. Raises ConfigError where they are not installed."""
        return tuple(sorted(path.stem for path in self.folder().glob("*.yaml")))

    def load(self, name_or_file: str | Path) -> Card:
        """A card by its file, or by the name it ships under.

        Raises:
            ConfigError: no such card, or a key or value in it that is wrong.
        """
        path = Path(name_or_file)
        if path.suffix not in CARD_FILES:
            path = self.folder() / f"{name_or_file}.yaml"
            if not path.is_file():
                raise ConfigError(
                    f"no dataset card {str(name_or_file)!r}",
                    hint=f"cards: {', '.join(self.names()) or 'none'}",
                )
        return load_config(path, self.kind)
