"""How `vedette detect` lists boxes: JSON lines, a CSV with a line per box, a table for people."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from vedette.detecting import FoundBox, Item, Sight
from vedette.report.wording import clock, label_words, one_line, percent
from vedette_base.errors import OutputError

COLUMNS = ("path", "time", "label", "probability", "x1", "y1", "x2", "y2", "track")


def as_line(sight: Sight, notes: Sequence[str] = ()) -> dict[str, object]:
    """One picture as plain values for a line of JSON; ``time`` and ``track`` only where there are any."""
    line: dict[str, object] = {"path": sight.item.name, "size": list(sight.frame.size)}
    if sight.time is not None:
        line["time"] = round(sight.time, 3)
    line["detections"] = [_as_values(box) for box in sight.boxes]
    if notes:
        line["notes"] = list(notes)
    return line


def _as_values(box: FoundBox) -> dict[str, object]:
    values: dict[str, object] = {
        "label": box.label,
        "probability": round(box.probability, 4),
        "box": [round(v, 1) for v in box.box],
    }
    if box.track is not None:
        values |= {"track": box.track, "confirmed": box.confirmed}
    return values


class BoxTable:
    """A CSV with a line per box, written as they come.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        self._rows([COLUMNS])

    def add(self, sight: Sight) -> None:
        """Write the boxes of a picture."""
        time = "" if sight.time is None else f"{sight.time:.3f}"
        rows = [
            (sight.item.name, time, box.label, f"{box.probability:.4f}", *(f"{v:.1f}" for v in box.box),
             "" if box.track is None else str(box.track))
            for box in sight.boxes
        ]  # fmt: skip
        self._rows(rows)

    def __enter__(self) -> BoxTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _rows(self, rows: Sequence[Sequence[str]]) -> None:
        try:
            csv.writer(self._file).writerows(rows)
            self._file.flush()  # a long list that is interrupted leaves whole lines
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror or error}") from error


@dataclass(slots=True)
class _Thing:
    """What one row of the table sums up: a box on a still, or a track, or boxes of a class without one."""

    name: str
    best: FoundBox | None
    start: float | None = None
    end: float | None = None
    looks: int = 1


class ThingTable:
    """A table for people: a row per box of a still, and per thing followed through a video."""

    def __init__(self) -> None:
        self._things: dict[tuple[object, ...], _Thing] = {}

    def add(self, sight: Sight) -> None:
        """Take in a picture."""
        name = sight.item.name
        for number, box in enumerate(sight.boxes):
            if sight.time is None:
                self._things[name, number] = _Thing(name, box)
                continue
            key = (name, "track", box.track) if box.track is not None else (name, "label", box.label)
            thing = self._things.setdefault(key, _Thing(name, box, sight.time, sight.time, 0))
            thing.end, thing.looks = sight.time, thing.looks + 1
            if thing.best is None or box.probability > thing.best.probability:
                thing.best = box

    def finish(self, item: Item) -> None:
        """An item was looked through: one without a box gets a row that says so."""
        if not any(key[0] == item.name for key in self._things):
            self._things[item.name,] = _Thing(item.name, None)

    def render(self) -> Table | None:
        """The table, or None without a row."""
        if not self._things:
            return None
        timed = any(thing.start is not None for thing in self._things.values())
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("picture", "thing", "probability", "box", *(("from", "to", "looks") if timed else ())):
            right = name in ("probability", "looks")
            table.add_column(
                name, justify="right" if right else "left", overflow="fold", no_wrap=name != "picture"
            )
        for thing in self._things.values():
            table.add_row(*map(Text, _cells(thing, timed=timed)))
        return table


def _cells(thing: _Thing, *, timed: bool) -> list[str]:
    if thing.best is None:
        return [one_line(thing.name), "nothing"]
    x1, y1, x2, y2 = (round(v) for v in thing.best.box)
    number = f" {thing.best.track}" if thing.best.track is not None else ""
    cells = [one_line(thing.name), label_words(thing.best.label) + number]
    cells += [percent(thing.best.probability), f"{x1},{y1} to {x2},{y2}"]
    if timed and thing.start is not None and thing.end is not None:
        cells += [clock(thing.start), clock(thing.end), str(thing.looks)]
    return cells
