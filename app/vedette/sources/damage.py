"""What went wrong while a recording was read, counted instead of raised."""

from __future__ import annotations

from collections import Counter
from typing import Final

SAID_ONE_BY_ONE: Final = (
    20  # more remarks than that are only counted: a wrecked file must not fill the memory
)


class Damage:
    """Counts and remarks of one source. The reading thread adds, any thread reads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._remarks: list[str] = []

    def count(self, what: str, number: int = 1) -> None:
        """Count something that happens often: ``what`` in the plural, ``"damaged sound packets"``."""
        self._counts[what] += number

    def remark(self, text: str) -> None:
        """Keep a remark; the same one only once."""
        if text not in self._remarks:
            if len(self._remarks) < SAID_ONE_BY_ONE:
                self._remarks.append(text)
            else:
                self.count("further remarks")

    def counted(self, what: str) -> int:
        """How often ``what`` happened so far."""
        return self._counts[what]

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line each, remarks first."""
        return (*self._remarks[:], *(f"{number} {what}" for what, number in list(self._counts.items())))
