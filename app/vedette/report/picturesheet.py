"""``summary.html``: a set of labelled pictures on one page that opens offline."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

import cv2

from vedette.report.sheetparts import SPLIT_NOTE, histogram, page, section, spans, split_bar, table
from vedette.report.spectrogram import data_uri
from vedette_base.media import Pixels
from vedette_vision.prepare.entries import Entry
from vedette_vision.prepare.summary import LabelSummary, PictureSummary

Thumbnail = Callable[[str, int], Pixels]

_LONGEST = 320  # pixels of an example
_SIDES = (
    0,
    4,
    8,
    16,
    24,
    32,
    64,
    96,
    192,
    384,
    float("inf"),
)  # pixels; 32 and 96 are COCO's small and medium
_SHARES = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, float("inf"))
_LENGTHS = (0, 320, 416, 480, 640, 1280, 1920, 4000, 8000, float("inf"))  # pixels
_COLOURS = {
    "knife": "var(--knife)",
    "long_gun": "var(--long)",
    "pistol": "var(--pistol)",
    "no_weapon": "var(--phone)",
    "gun": "var(--critical)",
    "weapon": "var(--elevated)",
    "person": "var(--accent)",
    "ignore": "var(--low)",
}
_STYLE = """
.sheet svg { width: 100%; height: 190px; background: var(--faint); border-radius: 4px; display: block; }
.sheet rect { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
.sheet small { overflow-wrap: anywhere; }
"""


def make_picturesheet(name: str, found: PictureSummary, thumbnail: Thumbnail) -> str:
    """The page's HTML.

    Args:
        name: of the manifest, for the title.
        found: its figures.
        thumbnail: gives an example by its path, BGR, with the longest side asked for.
    """
    boxes = sum(row.train + row.val for row in found.labels if row.sides)
    intro = (
        f"{found.pictures} pictures, {boxes} boxes, {found.scenes} scenes (videos, cameras, moments), "
        f"{found.flagged} pictures flagged."
    )
    of_label, of_subset = _sizes(found.labels)
    sections = (
        section("Classes and split", _label_table(found.labels)),
        section("Split mix", _split_table(found.splits)),
        section(
            "Box size: square root of the area, pixels of the picture as it lies here",
            _histograms("label", of_label, 0, _SIDES, "px")
            + _histograms("subset", of_subset, 0, _SIDES, "px"),
        ),
        section(
            "Box size: square root of its share of the picture's area",
            _histograms("label", of_label, 1, _SHARES, "%")
            + _histograms("subset", of_subset, 1, _SHARES, "%"),
        ),
        section("Picture size: longest side", _picture_sizes(found.sizes)),
        section("One or two pictures of each label and subset", _contact_sheet(found.examples, thumbnail)),
    )
    return page("picture data", name, intro, sections, _STYLE)


def _label_table(labels: Sequence[LabelSummary]) -> str:
    longest = max(row.train + row.val for row in labels)
    rows = []
    for row in labels:
        alone = " (cannot be split)" if row.train_scenes + row.val_scenes == 1 else ""
        finer = ", ".join(
            f"{name} {count}" for name, count in row.fine[:6] if (name, 1) != (row.label, len(row.fine))
        )
        rows.append(
            f"<tr><td>{escape(row.subset)}</td><td>{_dot(row.label)}{escape(row.label)}</td>"
            f'<td>{escape(finer)}</td><td class="num">{row.train}</td><td class="num">{row.val}</td>'
            f'<td class="num">{row.train_scenes}</td><td class="num">{row.val_scenes}{alone}</td>'
            f"{split_bar(row.train, row.val, longest)}</tr>"
        )
    heads = ("subset", "label", "finer names", "train", "val", "scenes train", "scenes val", "")
    return table(heads, rows, f"boxes (pictures, where nothing is on them): {SPLIT_NOTE}")


def _split_table(splits: Sequence[tuple[str, int, int]]) -> str:
    longest = max(train + val for _, train, val in splits)
    rows = (
        f'<tr><td>{escape(subset)}</td><td class="num">{train}</td><td class="num">{val}</td>'
        f'<td class="num">{val / max(1, train + val):.0%}</td>{split_bar(train, val, longest)}</tr>'
        for subset, train, val in splits
    )
    return table(("subset", "train", "val", "share of val", ""), rows, f"pictures: {SPLIT_NOTE}")


_Sizes = dict[str, tuple[list[float], list[float]]]


def _sizes(labels: Sequence[LabelSummary]) -> tuple[_Sizes, _Sizes]:
    """Sides and shares of all boxes, by label and by subset."""
    by_label: _Sizes = defaultdict(lambda: ([], []))
    by_subset: _Sizes = defaultdict(lambda: ([], []))
    for row in labels:
        for target in (by_label[row.label], by_subset[row.subset]):
            target[0].extend(row.sides)
            target[1].extend(row.shares)
    return by_label, by_subset


def _histograms(what: str, found: _Sizes, part: int, edges: Sequence[float], unit: str) -> str:
    rows = (
        f"<tr><td>{escape(name)}</td>{histogram(values[part], edges)}</tr>"
        for name, values in sorted(found.items())
        if values[part]
    )
    return table((what, *spans(edges, unit)), rows)


def _picture_sizes(sizes: Sequence[tuple[str, tuple[tuple[int, int], ...]]]) -> str:
    rows = []
    for subset, found in sizes:
        (width, height), count = Counter(found).most_common(1)[0]
        rows.append(
            f"<tr><td>{escape(subset)}</td><td>{width}x{height} ({count / len(found):.0%})</td>"
            f"{histogram([max(size) for size in found], _LENGTHS)}</tr>"
        )
    return table(("subset", "commonest", *spans(_LENGTHS, "px")), rows)


def _contact_sheet(examples: Sequence[Entry], thumbnail: Thumbnail) -> str:
    return f'<div class="sheet">{"".join(_figures(examples, thumbnail))}</div>'


def _figures(examples: Sequence[Entry], thumbnail: Thumbnail) -> Iterator[str]:
    for entry in examples:
        pixels = thumbnail(entry.path, _LONGEST)
        height, width = pixels.shape[:2]
        jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
        boxes = "".join(
            f'<rect x="{box.x1 * width:.1f}" y="{box.y1 * height:.1f}" '
            f'width="{(box.x2 - box.x1) * width:.1f}" height="{(box.y2 - box.y1) * height:.1f}" '
            f'style="stroke:{_COLOURS.get(box.label, "var(--ink)")}"><title>{escape(box.fine)}</title></rect>'
            for box in entry.boxes
        )
        counts = Counter(box.label for box in entry.boxes)
        named = (f"{name} {count}" if count > 1 else name for name, count in counts.items())
        names = ", ".join(named) or "nothing on it"
        yield (
            f'<figure><svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(names)}">'
            f'<image href="{data_uri("image/jpeg", jpeg)}" width="{width}" height="{height}"/>{boxes}</svg>'
            f"<figcaption>{escape(names)}<br><small>{escape(entry.subset)}, {entry.split}, "
            f"{entry.size[0]}x{entry.size[1]}: {escape(Path(entry.path).name)}</small></figcaption></figure>"
        )


def _dot(label: str) -> str:
    colour = _COLOURS.get(label)
    return f'<span class="dot" style="background:{colour};margin-left:0"></span>' if colour else ""
