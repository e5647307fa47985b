"""``summary.html``: a set of sounds on one page that opens offline."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files as package_files
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vedette.report.spectrogram import data_uri, levels, png
from vedette_audio.prepare.summary import PICTURE_S, ClassSummary
from vedette_base.media import SAMPLE_RATE

Sound = Callable[[str], npt.NDArray[np.float32]]

_COLUMNS, _ROWS = 220, 96  # pixels of a spectrogram
_WIDTH = 420  # pixels of the longest bar
_LENGTHS = (0.0, 0.5, 1.0, 1.5, 2.5, 4.0, 4.5, 6.0, 12.0, 60.0, float("inf"))  # s
_BANDS = (0, 2_000, 4_000, 6_000, 8_500, 11_500, 15_000, 17_000, 21_000, float("inf"))  # Hz
_STYLE = """
.bars td { padding: 1px 10px 1px 0; } .bars svg { display: block; }
.num { text-align: right; }
.train { fill: var(--accent); } .val { fill: var(--high); } .bar { fill: var(--sound); }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 14px; }
.sheet img { width: 100%; height: 96px; image-rendering: auto; display: block; border-radius: 4px; }
.dot { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 .8em; }
"""


def make_datasheet(name: str, classes: Sequence[ClassSummary], sound: Sound) -> str:
    """The page's HTML.

    Args:
        name: of the manifest, for the title.
        classes: its figures.
        sound: gives the samples of an example at 48 kHz, by its path.
    """
    style = (package_files("vedette.report") / "page.css").read_text(encoding="utf-8") + _STYLE
    clips, flagged = sum(c.clips for c in classes), sum(c.flagged for c in classes)
    groups = sum(c.train_groups + c.val_groups for c in classes)
    sections = (
        f'<p class="brand">Vedette <span>sound data</span></p><h1>{escape(name)}</h1>'
        f"<p>{clips} clips, {len(classes)} classes, {groups} recordings (once for each class in them), "
        f"{flagged} clips flagged.</p>",
        _section("Classes and split", _class_table(classes)),
        _section("Length", _histograms(classes, lambda c: c.durations, _LENGTHS, "s")),
        _section("Bandwidth", _histograms(classes, lambda c: c.bandwidths, _BANDS, "Hz")),
        _section(f"The first {PICTURE_S:g} s of one or two clips of each class", _pictures(classes, sound)),
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{escape(name)}</title><style>{style}</style></head>'
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _class_table(classes: Sequence[ClassSummary]) -> str:
    longest = max(c.clips for c in classes)
    rows = []
    for c in classes:
        train, val = (round(_WIDTH * part / longest) for part in (c.train, c.val))
        alone = " (cannot be split)" if c.train_groups + c.val_groups == 1 else ""
        rows.append(
            f"<tr><td>{escape(c.source)}</td><td>{escape(c.fine)}</td><td>{escape(c.label)}</td>"
            f'<td class="num">{c.train}</td><td class="num">{c.val}</td>'
            f'<td class="num">{c.train_groups}</td><td class="num">{c.val_groups}{alone}</td>'
            f'<td><svg width="{_WIDTH}" height="14" role="img" aria-label="{c.train} train, {c.val} val">'
            f'<rect class="train" width="{train}" height="14"/><rect class="val" x="{train}" width="{val}" '
            'height="14"/></svg></td></tr>'
        )
    return (
        '<p class="note">clips: <span class="dot" style="background:var(--accent)"></span>train '
        '<span class="dot" style="background:var(--high)"></span>val</p><table class="bars"><thead><tr>'
        "<th>source</th><th>class</th><th>label</th><th>train</th><th>val</th><th>recordings train</th>"
        f"<th>recordings val</th><th></th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _histograms(
    classes: Sequence[ClassSummary],
    of: Callable[[ClassSummary], Sequence[float]],
    edges: Sequence[float],
    unit: str,
) -> str:
    """One row per source and label: shares of the clips measured between the edges."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for c in classes:
        found[c.source, c.label].extend(of(c))
    heads = "".join(f"<th>{_span(low, high, unit)}</th>" for low, high in pairwise(edges))
    rows = "".join(
        f"<tr><td>{escape(source)}</td><td>{escape(label)}</td>{''.join(_cells(values, edges))}</tr>"
        for (source, label), values in found.items()
        if values
    )
    head = f"<thead><tr><th>source</th><th>label</th>{heads}</tr></thead>"
    return f'<table class="bars">{head}<tbody>{rows}</tbody></table>'


def _cells(values: Sequence[float], edges: Sequence[float]) -> Iterator[str]:
    counts: Mapping[int, int] = Counter(int(i) for i in np.searchsorted(edges, values, side="right"))
    for part in range(1, len(edges)):
        share = counts.get(part, 0) / len(values)
        height = round(28 * share)
        yield (
            f'<td><svg width="56" height="30" role="img" aria-label="{share:.0%}"><title>{share:.0%}</title>'
            f'<rect class="bar" x="4" y="{29 - height}" width="44" height="{height + 1}"/></svg></td>'
        )


def _span(low: float, high: float, unit: str) -> str:
    scale, unit = (1000.0, "kHz") if unit == "Hz" else (1.0, unit)
    return f"{low / scale:g} {unit} up" if high == float("inf") else f"to {high / scale:g} {unit}"


def _pictures(classes: Iterable[ClassSummary], sound: Sound) -> str:
    figures = []
    length = round(PICTURE_S * SAMPLE_RATE)
    for c in classes:
        for path in c.examples:
            samples = sound(path)[:length]
            shade = levels(np.pad(samples, (0, length - samples.size)), _COLUMNS, _ROWS)
            figures.append(
                f'<figure><img alt="spectrogram, 50 Hz to 16 kHz" src="{data_uri("image/png", png(shade))}">'
                f"<figcaption>{escape(c.fine)}<br><small>{escape(path)}</small></figcaption></figure>"
            )
    return f'<div class="sheet">{"".join(figures)}</div>'
