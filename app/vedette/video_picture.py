"""False alarms per hour after each stage, as a picture. Needs matplotlib (extra ``train``); no pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from vedette.report.wording import length
from vedette.video_figures import StageFigures
from vedette_base.errors import OutputError

NAME = "stages.png"
_FALSE, _FOUND, _INK, _GRID = "#b3431c", "#1f5fa8", "#1b2027", "#dfe3e8"


def draw_stages(found: Sequence[StageFigures], folder: Path) -> tuple[tuple[str, str], ...]:
    """Draw ``stages.png`` into ``folder``: false alarms per hour, and beside it weapon spans found.

    Returns its file name and caption. Raises OutputError where it cannot be written.
    """
    canvas = Canvas(figsize=(11, 0.55 * len(found) + 1.6), layout="constrained")
    left, right = canvas.subplots(1, 2, sharey=True, width_ratios=(2, 1))
    rows = range(len(found))
    if any(f.hours > 0 for f in found):
        rates = [f.per_hour for f in found]
        spread = [[r - f.low for r, f in zip(rates, found, strict=True)],
                  [f.high - r for r, f in zip(rates, found, strict=True)]]  # fmt: skip
        left.barh(rows, rates, 0.6, color=_FALSE, alpha=0.85)
        left.errorbar(rates, rows, xerr=spread, fmt="none", ecolor=_INK, capsize=3, lw=1)
        left.set_xscale("symlog", linthresh=1)
        for row, f in zip(rows, found, strict=True):
            left.annotate(f" {f.per_hour:.0f}", (max(f.high, 1e-6), row), va="center", fontsize=9, color=_INK)
        left.set_xlim(0, 4 * max(f.high for f in found))
    hours = found[0].hours if found else 0.0
    left.set_title(f"false alarms per hour ({length(3600 * hours)} without weapons)", fontsize=10)
    left.set_xlabel("per hour (linear to 1, then logarithmic), 95 % Poisson interval")
    left.set_yticks(rows, [f.stage for f in found])
    left.invert_yaxis()
    spans = found[0].spans if found else 0
    right.barh(rows, [f.found for f in found], 0.6, color=_FOUND, alpha=0.85)
    right.set_title("spans with a weapon found", fontsize=10)
    right.set(xlim=(0, max(1, spans)), xlabel=f"of {spans}")
    right.xaxis.get_major_locator().set_params(integer=True)
    for axes in (left, right):
        axes.grid(axis="x", color=_GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    try:
        canvas.savefig(folder / NAME, dpi=110, facecolor="white")
    except OSError as error:
        raise OutputError(f"{folder / NAME}: cannot be written: {error.strerror or error}") from error
    return ((NAME, "False alarms per hour and weapons found after each stage of the chain"),)
