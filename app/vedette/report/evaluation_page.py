"""``index.html`` of an evaluation: conditions, tables and pictures on one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files as package_files

from vedette_audio.evaluation.tables import Table

_STYLE = """
main > p, main > ul { max-width: 80ch; }
.sheet-table { overflow-x: auto; }
.sheet-table td, .sheet-table th { padding: 3px 22px 3px 0; text-align: right; vertical-align: top; }
.sheet-table table { width: auto; }
.sheet-table .word { text-align: left; }
.sheet-table td { white-space: nowrap; border-top: 1px solid var(--faint); }
figure { margin: 14px 0 26px; } figure img { max-width: 100%; height: auto; border: 1px solid var(--faint); }
"""


def make_evaluation_page(
    title: str,
    conditions: Sequence[str],
    tables: Sequence[Table],
    pictures: Sequence[tuple[str, str]],
    *,
    warning: str = "",
) -> str:
    """The page's HTML.

    Args:
        title: what was measured.
        conditions: what a reader must know, a sentence each.
        pictures: file name beside the page, and caption, of each.
        warning: a line in a box above everything, or nothing.
    """
    style = (package_files("vedette.report") / "page.css").read_text(encoding="utf-8") + _STYLE
    banner = f'<p class="banner">{escape(warning)}</p>' if warning else ""
    listed = "".join(f"<li>{escape(line)}</li>" for line in conditions)
    shown = "".join(
        f'<figure><img src="{escape(name)}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for name, caption in pictures
    )
    body = (
        '<p class="brand">Vedette <span>evaluation</span></p>'
        f"<h1>{escape(title)}</h1>{banner}<ul>{listed}</ul>"
        f"{''.join(map(_section, tables))}<section><h2>Pictures</h2>{shown}</section>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{escape(title)}</title><style>{style}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )


def _section(table: Table) -> str:
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    head = _cells("th", table.head, table.words)
    rows = "".join(f"<tr>{_cells('td', row, table.words)}</tr>" for row in table.rows)
    return (
        f'<section><h2>{escape(table.title)}</h2>{note}<div class="sheet-table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _cells(tag: str, row: Sequence[str], words: Sequence[int]) -> str:
    return "".join(
        f'<{tag} class="word">{escape(cell)}</{tag}>' if place in words else f"<{tag}>{escape(cell)}</{tag}>"
        for place, cell in enumerate(row)
    )
