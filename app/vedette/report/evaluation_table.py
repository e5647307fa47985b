"""The tables of an evaluation in the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from vedette_audio.evaluation.tables import Table


def print_tables(title: str, conditions: Iterable[str], tables: Iterable[Table], console: Console) -> None:
    """Print what was measured, under which conditions, and its tables."""
    console.print(Text(title, style="bold"))
    for line in conditions:
        console.print(Text(line, style="dim"))
    for table in tables:
        console.print()
        console.print(Text(table.title, style="bold"))
        console.print(_as_rich(table))
        if table.note:
            console.print(Text(table.note, style="dim"))


def _as_rich(table: Table) -> RichTable:
    shown = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(table.head):
        word = place in table.words
        shown.add_column(Text(name), justify="left" if word else "right", no_wrap=not word, overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown
