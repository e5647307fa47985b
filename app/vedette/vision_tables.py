"""The figures of `vedette evaluate vision` as tables of words, for a terminal, a page and Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from vedette_audio.evaluation.tables import Table
from vedette_base.score import VISION_LABELS
from vedette_vision.compare import Difference, Figure
from vedette_vision.operating import Advice, EmptyFrames, Finding
from vedette_vision.study import LEAST_OVERLAP, Row, Study

BANDS = "Boxes by confidence"
READINGS = {"auroc": "armed or not, AUROC per picture", "centre": "AP by centre", "ap30": "AP at IoU 0.3",
            "ap50": "AP50", "small": "AP50 below 32x32 px"}  # fmt: skip


def number(value: float | None, places: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{places}f}"


def between(low: float, high: float, *, sign: bool = False) -> str:
    """An interval in brackets, or nothing."""
    form = "+.3f" if sign else ".3f"
    return "" if math.isnan(low) or math.isnan(high) else f"[{low:{form}}, {high:{form}}]"


def figure_table(found: Sequence[Figure], first: Sequence[Figure]) -> Table:
    """Every figure with its interval, and the first look's beside it."""
    plain = {(f.subset, f.figure): f.value for f in first}
    rows = tuple(
        (f.subset, named(f.figure), number(f.value), between(f.low, f.high),
         number(plain.get((f.subset, f.figure))))
        for f in found
    )  # fmt: skip
    return Table(
        "Figures", ("pictures", "figure", "value", "95 %", "first look alone"), rows,
        "Intervals: bootstrap over groups (scenes, videos); none where there is one group.", (0, 1),
    )  # fmt: skip


def difference_table(found: Sequence[Difference], old: str, new: str) -> Table:
    """Two models side by side with the paired interval of each difference."""
    rows = tuple(
        (d.subset, named(d.figure), number(d.old), number(d.new), f"{d.new - d.old:+.3f}",
         between(d.low, d.high, sign=True), _verdict(d))
        for d in found
    )  # fmt: skip
    head = ("pictures", "figure", old, new, "difference", "95 % of it", "")
    return Table(
        "Side by side", head, rows, "Paired: both models are judged on the same groups in every resample.",
        (0, 1, 6),
    )  # fmt: skip


def named(figure: str) -> str:
    """A figure's name for people."""
    kind, _, what = figure.partition(" ")
    if kind == "firearm":
        return f"firearm, {READINGS[what]}"
    words = {"map50": "mAP50", "map50-95": "mAP50-95", "ap-small": "AP-small (50-95, below 32x32 px)"}
    return words.get(figure) or f"AP50 {what.replace('_', ' ')}"


def study_tables(studies: Mapping[str, Sequence[Study]], confidence: float) -> tuple[Table, ...]:
    """Overall, per class and by band, models side by side; every subset."""
    at = f"at confidence {confidence:g} and IoU {LEAST_OVERLAP:g}"
    overall: list[tuple[str, ...]] = []
    classes: list[tuple[str, ...]] = []
    bands: list[tuple[str, ...]] = []
    for parts in zip(*studies.values(), strict=True):  # of one subset, a part per model
        by_model = dict(zip(studies, parts, strict=True))
        for name in (*VISION_LABELS, "firearm", "overall"):
            for model, part in by_model.items():
                for row in (row for row in part.rows if row.name == name):
                    (overall if name == "overall" else classes).append(_study_row(part.subset, model, row))
        for model, part in by_model.items():
            bands += [
                (part.subset, model, f"{b.low:.1f}-{b.high:.1f}", str(b.boxes), number(b.mean), str(b.right),
                 number(b.right / b.boxes))
                for b in part.bands if b.boxes
            ]  # fmt: skip
    return (
        Table(f"Overall, {at}",
              ("pictures", "model", "precision", "recall", "F1", "FP", "FN", "FP share", "mean conf. of FP"),
              tuple(overall), "The four classes, each counted as itself.", (0, 1)),
        Table(f"Per class, {at}",
              ("pictures", "class", "model", "true", "found", "TP", "FP", "FN", "precision", "recall", "F1"),
              tuple(classes), "Boxes of open type (a gun, a weapon) count as firearms alone.", (0, 1, 2)),
        Table(BANDS,
              ("pictures", "model", "confidence", "boxes", "mean conf.", "right", "share right"),
              tuple(bands), "Every box that the detector kept, however weak.", (0, 1)),
    )  # fmt: skip


def _study_row(subset: str, model: str, row: Row) -> tuple[str, ...]:
    c = row.counts
    scores = number(c.precision), number(c.recall), number(c.f1)
    if row.name == "overall":
        share = number(row.false_share), number(row.false_confidence)
        return (subset, model, *scores, str(c.false), str(c.missed), *share)
    shown = "firearm (any type)" if row.name == "firearm" else row.name.replace("_", " ")
    counts = map(str, (row.true, row.boxes, c.right, c.false, c.missed))
    return (subset, shown, model, *counts, *scores)


def finding_table(found: Mapping[str, Sequence[Finding]], confidence: float) -> Table:
    """Firearms at IoU 0.3."""
    rows = tuple(
        (f.subset, model, str(f.true), number(f.stated.recall), number(f.stated.precision),
         number(f.threshold), number(f.best.recall), number(f.best.precision), number(f.precision_at_90))
        for parts in zip(*found.values(), strict=True)
        for model, f in zip(found, parts, strict=True)
    )  # fmt: skip
    head = ("pictures", "model", "true", f"recall at {confidence:g}", "precision", "best F1 at", "recall",
            "precision", "precision at recall 0.90")  # fmt: skip
    return Table("Firearms at IoU 0.3", head, rows, "The best F1 is sought on these very pictures.", (0, 1))


def empty_table(found: Mapping[str, Sequence[EmptyFrames]], chosen: str) -> Table:
    """False boxes on pictures without a weapon."""
    rows = tuple(
        (model, f"{e.recall:.0%} ({READINGS[e.reading].removeprefix('AP ')})", number(e.highest),
         "not reached" if e.threshold is None else number(e.threshold, 4),
         "-" if e.boxes is None else str(e.boxes), str(e.frames), number(e.per_1000, 0))
        for model, parts in found.items() for e in parts
    )  # fmt: skip
    head = ("model", f"firearm recall on {chosen}", "highest there", "threshold", "false boxes",
            "empty pictures", "per 1,000")  # fmt: skip
    return Table(
        "False firearm boxes on pictures without a weapon", head, rows, "Still pictures, no tracks.", (0, 1)
    )


def advice_table(found: Mapping[str, Sequence[Advice]]) -> Table:
    """Which threshold gives what."""
    rows = tuple(
        (a.name.replace("_", " "), model,
         f"precision {a.goal:g}" if a.wanted == "precision" else f"{a.goal:g} false pictures per 1,000",
         "none gives it" if a.threshold is None else number(a.threshold), number(a.precision),
         number(a.recall), number(a.false_per_1000, 0))
        for given in zip(*found.values(), strict=True)
        for model, a in zip(found, given, strict=True)
    )  # fmt: skip
    head = ("class", "model", "wanted", "threshold", "precision", "recall", "false per 1,000")
    return Table(
        "Threshold advice", head, rows,
        "Sought on these very pictures. A false picture: one without the class, with a box of it.", (0, 1, 2),
    )  # fmt: skip


def as_markdown(title: str, conditions: Iterable[str], tables: Iterable[Table]) -> str:
    """All of it as a Markdown document."""
    lines = [f"# {title}", "", *(f"- {line}" for line in conditions)]
    for table in tables:
        rule = ["---" if place in table.words else "---:" for place in range(len(table.head))]
        lines += ["", f"## {table.title}", ""]
        lines += [_line(table.head), _line(rule), *map(_line, table.rows)]
        lines += ["", table.note] if table.note else []
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _verdict(d: Difference) -> str:
    if math.isnan(d.low):
        return "too few groups"
    return "better" if d.low > 0 else "worse" if d.high < 0 else ""
