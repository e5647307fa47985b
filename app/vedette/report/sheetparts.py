"""What the summary pages of sounds and of pictures share: frame, split bars, small histograms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files as package_files
from itertools import pairwise

import numpy as np

WIDTH = 420
"""Pixels of the longest bar."""
SPLIT_NOTE = (
    '<span class="dot" style="background:var(--accent)"></span>train '
    '<span class="dot" style="background:var(--high)"></span>val'
)
_STYLE = """
.bars td { padding: 1px 10px 1px 0; } .bars svg { display: block; }
.num { text-align: right; }
.train { fill: var(--accent); } .val { fill: var(--high); } .bar { fill: var(--sound); }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 14px; }
.dot { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 .8em; }
"""


def page(kind: str, name: str, intro: str, sections: Iterable[str], style: str = "") -> str:
    """A page that opens offline.

    Args:
        kind: of data, beside the brand; name: of the manifest, for the title.
        intro: HTML of the first line; sections: HTML; style: more CSS.
    """
    css = (package_files("vedette.report") / "page.css").read_text(encoding="utf-8") + _STYLE + style
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{escape(name)}</title><style>{css}</style></head>'
        f'<body><main><p class="brand">Vedette <span>{kind}</span></p><h1>{escape(name)}</h1>'
        f"<p>{intro}</p>{''.join(sections)}</main></body></html>\n"
    )


def section(title: str, body: str) -> str:
    """One part of the page."""
    return f"<section><h2>{title}</h2>{body}</section>"


def table(heads: Sequence[str], rows: Iterable[str], note: str = "") -> str:
    """A table of bars; ``rows`` are HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    above = f'<p class="note">{note}</p>' if note else ""
    return f'{above}<table class="bars"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def split_bar(train: int, val: int, longest: int) -> str:
    """A cell with the two parts of a split as one bar; ``longest`` fills the width."""
    one, two = (round(WIDTH * part / max(1, longest)) for part in (train, val))
    return (
        f'<td><svg width="{WIDTH}" height="14" role="img" aria-label="{train} train, {val} val">'
        f'<rect class="train" width="{one}" height="14"/><rect class="val" x="{one}" width="{two}" '
        'height="14"/></svg></td>'
    )


def histogram(values: Sequence[float], edges: Sequence[float]) -> str:
    """One cell per part between the edges, its bar the share of the values in it."""
    return "".join(_cells(values, edges))


def spans(edges: Sequence[float], unit: str) -> list[str]:
    """Heads of a histogram's columns."""
    return [_span(high, low, unit) for low, high in pairwise(edges)]


def _cells(values: Sequence[float], edges: Sequence[float]) -> Iterator[str]:
    parts = np.maximum(1, np.searchsorted(edges, values, side="left"))  # a part holds its upper edge
    counts: Mapping[int, int] = Counter(int(part) for part in parts)
    for part in range(1, len(edges)):
        share = counts.get(part, 0) / max(1, len(values))
        height = round(28 * share)
        yield (
            f'<td><svg width="56" height="30" role="img" aria-label="{share:.0%}"><title>{share:.0%}</title>'
            f'<rect class="bar" x="4" y="{29 - height}" width="44" height="{height + 1}"/></svg></td>'
        )


def _span(high: float, low: float, unit: str) -> str:
    scale, unit = (1000.0, "kHz") if unit == "Hz" else (0.01, "%") if unit == "%" else (1.0, unit)
    return f"{low / scale:g} {unit} up" if high == float("inf") else f"to {high / scale:g} {unit}"
