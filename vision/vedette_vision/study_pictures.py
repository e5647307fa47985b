"""A study as pictures (PNG): precision over recall, boxes by confidence, and its tables as bars, per subset.

Needs matplotlib (extra ``train``). Figures are made without pyplot: no global state, no display.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from vedette_base.errors import OutputError
from vedette_base.score import VISION_LABELS
from vedette_vision.compare import by_subset
from vedette_vision.dataset import Picture
from vedette_vision.detector import Look
from vedette_vision.evaluate import class_matches, firearm_matches
from vedette_vision.metrics import Matches
from vedette_vision.study import Row, Study

_COLOURS = ("#b3431c", "#1f5fa8")
_INK, _GRID, _FALSE = "#1b2027", "#dfe3e8", "#b9c0c9"


def draw_study(
    pictures: Sequence[Picture],
    looks: Mapping[str, Sequence[Look]],
    studies: Mapping[str, Sequence[Study]],
    folder: Path,
) -> tuple[tuple[str, str], ...]:
    """Draw one or two models' study into ``folder``.

    Args:
        looks, studies: by the model's name, of the same pictures.

    Returns:
        File name and caption of each picture.

    Raises:
        OutputError: a file cannot be written.
    """
    made = (
        ("precision_recall.png", "Precision over recall per class, IoU 0.5, all pictures together",
         _curves(pictures, looks, None)),
        ("firearms.png", "Firearms as one class, per subset: precision over recall, IoU 0.3",
         _curves(pictures, looks, 0.3)),
        ("confidence.png", "Boxes by confidence, right and false, all pictures together",
         _bands(studies, [0])),
        ("confidence_subsets.png", "Boxes by confidence, right and false, per subset",
         _bands(studies, range(1, len(next(iter(studies.values())))))),
        ("overall.png", "The four classes together, per subset, at the confidence of the tables",
         _overall(studies)),
        ("classes.png", "Right, false and missed boxes per class and subset, at the same confidence",
         _classes(studies)),
    )  # fmt: skip
    for name, _, canvas in made:
        try:
            canvas.savefig(folder / name, dpi=110, facecolor="white")
        except OSError as error:
            raise OutputError(f"{folder / name}: cannot be written: {error.strerror or error}") from error
    return tuple((name, caption) for name, caption, _ in made)


def _curves(
    pictures: Sequence[Picture], looks: Mapping[str, Sequence[Look]], firearms: float | None
) -> Canvas:
    """A small plot per class or, for firearms, per subset that has some; a line per model."""
    parts: dict[str, dict[str, Matches]] = {}
    if firearms is None:
        for name in VISION_LABELS:
            parts[name] = {model: class_matches(pictures, seen, name) for model, seen in looks.items()}
    else:
        for subset, chosen in by_subset(pictures)[1:]:
            own = [pictures[i] for i in chosen]
            parts[subset] = {
                model: firearm_matches(own, [seen[i] for i in chosen], "ap30")
                for model, seen in looks.items()
            }
    parts = {name: found for name, found in parts.items() if any(m.truths.any() for m in found.values())}
    canvas = Canvas(figsize=(3.6 * max(2, len(parts)), 3.9), layout="constrained")
    for place, (name, found) in enumerate(parts.items(), 1):
        axes = canvas.add_subplot(1, len(parts), place)
        for colour, (model, matches) in zip(_COLOURS, found.items(), strict=False):
            _, precision, recall = matches.curve()
            shown = np.append(recall[:1] * 0, recall), np.append(precision[:1], precision)  # from recall 0 on
            axes.plot(*shown, color=colour, lw=1.4, label=f"{model}, AP {matches.precision():.3f}")
        true = int(next(iter(found.values())).truths.sum())
        axes.set_title(f"{name.replace('_', ' ') if firearms is None else name} ({true} true)", fontsize=10)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision" if place == 1 else "")
        axes.legend(fontsize=8, loc="best")
        _clean(axes)
    return canvas


def _bands(studies: Mapping[str, Sequence[Study]], parts: Sequence[int]) -> Canvas:
    """Stacked bars per band, right over false: a row per subset, a column per model."""
    canvas = Canvas(figsize=(6.4 * len(studies), 3.9 * len(parts)), layout="constrained")
    for row, part in enumerate(parts):
        for column, (model, found) in enumerate(studies.items()):
            axes = canvas.add_subplot(len(parts), len(studies), row * len(studies) + column + 1)
            _draw_bands(axes, found[part], _COLOURS[column])
            shown = "" if part == 0 else f"{found[part].subset}, "
            axes.set_title(f"{shown}{model}: share of each band that is right", fontsize=10)
    return canvas


def _draw_bands(axes: Axes, part: Study, colour: str) -> None:
    middle = [(b.low + b.high) / 2 for b in part.bands]
    axes.bar(middle, [b.boxes for b in part.bands], 0.088, color=_FALSE, label="false")
    axes.bar(middle, [b.right for b in part.bands], 0.088, color=colour, label="right")
    axes.set_yscale("symlog", linthresh=10)
    for x, band in zip(middle, part.bands, strict=True):
        if band.boxes:
            axes.annotate(f"{band.right / band.boxes:.0%}", (x, band.boxes), ha="center", va="bottom",
                          fontsize=8, color=_INK)  # fmt: skip
    axes.set_xticks(np.linspace(0, 1, 11))
    axes.set(xlim=(0, 1), xlabel="confidence", ylabel="boxes (linear to 10, then logarithmic)")
    axes.legend(fontsize=8)
    axes.margins(y=0.15)
    _clean(axes)


def _overall(studies: Mapping[str, Sequence[Study]]) -> Canvas:
    """Precision, recall, F1, share of false boxes: a plot each, bars per subset, a colour per model."""
    subsets = [part.subset for part in next(iter(studies.values()))]
    canvas = Canvas(figsize=(15, 0.9 + 0.5 * len(subsets)), layout="constrained")
    figures: Mapping[str, Callable[[Row], float]] = {
        "precision": lambda row: row.counts.precision,
        "recall": lambda row: row.counts.recall,
        "F1": lambda row: row.counts.f1,
        "share of boxes that are false": lambda row: row.false_share,
    }
    for place, (name, value) in enumerate(figures.items(), 1):
        axes = canvas.add_subplot(1, len(figures), place)
        for number, (model, parts) in enumerate(studies.items()):
            values = [value(row) for part in parts for row in part.rows if row.name == "overall"]
            _bars(axes, number, len(studies), values, _COLOURS[number], model, "{:.2f}")
        axes.set_yticks(range(len(subsets)), subsets if place == 1 else [""] * len(subsets), fontsize=8)
        axes.set(xlim=(0, 1.15), ylim=(len(subsets) - 0.5, -0.5), xlabel=name)
        if place == 1:
            axes.legend(fontsize=7)
        _clean(axes)
    return canvas


def _classes(studies: Mapping[str, Sequence[Study]]) -> Canvas:
    """Counts of boxes: a row per subset, a column per model, three bars per class."""
    count = len(next(iter(studies.values())))
    canvas = Canvas(figsize=(6.4 * len(studies), 2.6 * count), layout="constrained")
    for column, (model, parts) in enumerate(studies.items()):
        for row, part in enumerate(parts):
            axes = canvas.add_subplot(count, len(studies), row * len(studies) + column + 1)
            rows = [r for r in part.rows if r.name != "overall"]
            counts = {
                "right (TP)": ([r.counts.right for r in rows], _COLOURS[column]),
                "false (FP)": ([r.counts.false for r in rows], _FALSE),
                "missed (FN)": ([r.counts.missed for r in rows], _INK),
            }
            for number, (name, (values, colour)) in enumerate(counts.items()):
                _bars(axes, number, len(counts), values, colour, name, "{:.0f}")
            axes.set_yticks(range(len(rows)), [r.name.replace("_", " ") for r in rows], fontsize=8)
            axes.set(ylim=(max(1, len(rows)) - 0.5, -0.5))
            axes.set_title(f"{part.subset}, {model}", fontsize=10)
            axes.margins(x=0.1)
            if row == 0:
                axes.legend(fontsize=7)
            _clean(axes)
    return canvas


def _bars(
    axes: Axes, number: int, of: int, values: Sequence[float], colour: str, label: str, form: str
) -> None:
    """Horizontal bars, the ``number``-th of ``of`` in each group, with their values; none where it is NaN."""
    high = 0.8 / of
    places = np.arange(len(values)) - 0.4 + high * (number + 0.5)
    lengths = np.nan_to_num(np.asarray(values, np.float64))
    axes.barh(places, lengths, high * 0.9, color=colour, label=label)
    for y, value, length in zip(places, values, lengths, strict=True):
        text = "-" if np.isnan(value) else form.format(value)
        axes.annotate(f" {text}", (length, y), va="center", fontsize=7, color=_INK)


def _clean(axes: Axes) -> None:
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
