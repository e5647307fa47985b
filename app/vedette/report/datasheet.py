"""``summary.html``: a set of sounds on one page that opens offline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from vedette.report.sheetparts import SPLIT_NOTE, histogram, page, section, spans, split_bar, table
from vedette.report.spectrogram import data_uri, levels, png
from vedette_audio.prepare.summary import PICTURE_S, ClassSummary
from vedette_base.media import SAMPLE_RATE

Sound = Callable[[str], npt.NDArray[np.float32]]

_COLUMNS, _ROWS = 220, 96  # pixels of a spectrogram
_LENGTHS = (0.0, 0.5, 1.0, 1.5, 2.5, 4.0, 4.5, 6.0, 12.0, 60.0, float("inf"))  # s
_BANDS = (0, 2_000, 4_000, 6_000, 8_500, 11_500, 15_000, 17_000, 21_000, float("inf"))  # Hz
_STYLE = """
.sheet img { width: 100%; height: 96px; image-rendering: auto; display: block; border-radius: 4px; }
"""
_HEADS = ("source", "class", "label", "train", "val", "recordings train", "recordings val", "")


def make_datasheet(name: str, classes: Sequence[ClassSummary], sound: Sound) -> str:
    """The page's HTML.

    Args:
        name: of the manifest, for the title.
        classes: its figures.
        sound: gives the samples of an example at 48 kHz, by its path.
    """
    clips, flagged = sum(c.clips for c in classes), sum(c.flagged for c in classes)
    groups = sum(c.train_groups + c.val_groups for c in classes)
    intro = (
        f"{clips} clips, {len(classes)} classes, {groups} recordings (once for each class in them), "
        f"{flagged} clips flagged."
    )
    sections = (
        section("Classes and split", _class_table(classes)),
        section("Length", _histograms(classes, lambda c: c.durations, _LENGTHS, "s")),
        section("Bandwidth", _histograms(classes, lambda c: c.bandwidths, _BANDS, "Hz")),
        section(f"The first {PICTURE_S:g} s of one or two clips of each class", _pictures(classes, sound)),
    )
    return page("sound data", name, intro, sections, _STYLE)


def _class_table(classes: Sequence[ClassSummary]) -> str:
    longest = max(c.clips for c in classes)
    rows = []
    for c in classes:
        alone = " (cannot be split)" if c.train_groups + c.val_groups == 1 else ""
        rows.append(
            f"<tr><td>{escape(c.source)}</td><td>{escape(c.fine)}</td><td>{escape(c.label)}</td>"
            f'<td class="num">{c.train}</td><td class="num">{c.val}</td>'
            f'<td class="num">{c.train_groups}</td><td class="num">{c.val_groups}{alone}</td>'
            f"{split_bar(c.train, c.val, longest)}</tr>"
        )
    return table(_HEADS, rows, f"clips: {SPLIT_NOTE}")


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
    rows = (
        f"<tr><td>{escape(source)}</td><td>{escape(label)}</td>{histogram(values, edges)}</tr>"
        for (source, label), values in found.items()
        if values
    )
    return table(("source", "label", *spans(edges, unit)), rows)


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
