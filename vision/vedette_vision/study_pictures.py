"""A study as pictures (PNG): precision over recall per class, and boxes by confidence.

Needs matplotlib (extra ``train``). Figures are made without pyplot: no global state, no display.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from vedette_vision.study import Study

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
        ("confidence.png", "Boxes by confidence, right and false, all pictures together", _bands(studies)),
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


def _bands(studies: Mapping[str, Sequence[Study]]) -> Canvas:
    """Stacked bars per band, right over false, a plot per model; the mean confidence under each band."""
    canvas = Canvas(figsize=(6.4 * len(studies), 3.9), layout="constrained")
    for place, (model, found) in enumerate(studies.items(), 1):
        axes = canvas.add_subplot(1, len(studies), place)
        bands = found[0].bands
        middle = [(b.low + b.high) / 2 for b in bands]
        axes.bar(middle, [b.boxes for b in bands], 0.088, color=_FALSE, label="false")
        axes.bar(middle, [b.right for b in bands], 0.088, color=_COLOURS[place - 1], label="right")
        axes.set_yscale("symlog", linthresh=10)
        for x, band in zip(middle, bands, strict=True):
            if band.boxes:
                axes.annotate(f"{band.right / band.boxes:.0%}", (x, band.boxes), ha="center", va="bottom",
                              fontsize=8, color=_INK)  # fmt: skip
        axes.set_xticks(np.linspace(0, 1, 11))
        axes.set(xlim=(0, 1), xlabel="confidence", ylabel="boxes (linear to 10, then logarithmic)")
        axes.set_title(f"{model}: share of each band that is right", fontsize=10)
        axes.legend(fontsize=8)
        axes.margins(y=0.15)
        _clean(axes)
    return canvas


def _clean(axes: Axes) -> None:
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
