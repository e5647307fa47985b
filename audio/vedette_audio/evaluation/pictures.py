"""The evaluation as pictures (PNG): confusion, ROC, detection trade-off, reliability, scores by source.

Needs matplotlib (extra ``train``). Figures are made without pyplot: no global state, no display.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy.stats import norm

from vedette_audio.evaluation.curves import BINS, Bin, Tradeoff
from vedette_audio.evaluation.evaluation import Evaluation
from vedette_audio.evaluation.firearms import Confusion
from vedette_audio.evaluation.scored import Part, Scored
from vedette_base.calibration import logit
from vedette_base.errors import OutputError

Floats = npt.NDArray[np.float64]
Draw = Callable[[Evaluation], Canvas | None]

_INK, _SOFT, _GRID = "#1b2027", "#5a6472", "#dfe3e8"
_SHOT, _OTHER, _THIRD = "#b3431c", "#1f5fa8", "#7b8591"
_MISS_TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
_SCORE_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
_PARTS: dict[Part, str] = {
    "test": "test third of val",
    "val": "all of val",
    "all": "all clips, SEEN IN TRAINING",
    "out_of_fold": "out of fold",
}
_LONGEST = 50  # letters of the model's name
_LEAST = 0.0005  # the log-odds axis ends here and at 1 minus it


def draw_all(found: Evaluation, folder: Path) -> tuple[tuple[str, str], ...]:
    """Draw every picture there is something for into ``folder``.

    Returns:
        File name and caption of each, in the order of ``PICTURES``.

    Raises:
        OutputError: a file cannot be written.
    """
    made = []
    for name, caption, draw in PICTURES:
        canvas = draw(found)
        if canvas is None:
            continue
        try:
            canvas.savefig(folder / name, dpi=110, facecolor="white")
        except OSError as error:
            raise OutputError(f"{folder / name}: cannot be written: {error.strerror or error}") from error
        made.append((name, caption))
    return tuple(made)


def confusion_picture(found: Evaluation) -> Canvas | None:
    """Rows: the true type; columns: what was said. Colour and number: mean share over recordings."""
    matrix = found.confusion
    if not matrix.names:
        return None
    kinds = len(matrix.names)
    canvas, axes = _canvas(1.9 + 0.82 * kinds, 1.7 + 0.74 * kinds)
    share = np.array(matrix.share)
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for row in range(kinds):
        for column in range(kinds):
            _cell(axes, matrix, row, column)
    labels = [
        name.replace(" = ", "\n= ").replace("IMI ", "IMI\n").replace("Zastava ", "Zastava\n")
        for name in matrix.names
    ]
    rows = [f"{label}\n({n} rec.)" for label, n in zip(labels, matrix.recordings, strict=True)]
    axes.set_xticks(range(kinds), labels, fontsize=9)
    axes.set_yticks(range(kinds), rows, fontsize=9)
    axes.set_xticks(np.arange(kinds + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(kinds + 1) - 0.5, minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("said")
    axes.set_ylabel("true")
    _title(axes, "Which firearm (share as the mean over recordings; clips in brackets)", found)
    return canvas


def _cell(axes: Axes, matrix: Confusion, row: int, column: int) -> None:
    share, count = matrix.share[row][column], matrix.count[row][column]
    if not count:
        return
    ink = "white" if share > 0.55 else _INK
    weight = "bold" if row == column else "normal"
    axes.text(
        column, row - 0.1, f"{share:.2f}", ha="center", va="center", color=ink, fontsize=11, weight=weight
    )
    axes.text(column, row + 0.22, f"({count})", ha="center", va="center", color=ink, fontsize=8)


def roc_picture(found: Evaluation) -> Canvas | None:
    """Recall over the share of other clips that are taken for shots; the corner enlarged."""
    if not found.curve.missed:
        return None
    canvas, axes = _canvas(7.4, 5.8)
    corner = axes.inset_axes((0.3, 0.27, 0.66, 0.6))
    _style(corner)
    r = found.report
    for curve, colour, name, area in (
        (found.curve, _SHOT, "all sources", r.auroc.value),
        (found.curve_others, _OTHER, "without the nine-type set", r.auroc_others.value),
    ):
        if curve.missed and area is not None:
            shown = 1 - np.array(curve.missed)
            for where in (axes, corner):
                where.step(curve.false_share, shown, where="post", color=colour, lw=2)
            axes.plot([], [], color=colour, lw=2, label=f"{name}: AUROC {area:.3f}")
    axes.set_xlim(-0.01, 1)
    axes.set_ylim(0, 1.01)
    corner.set_xlim(-0.002, 0.1)
    corner.set_ylim(0.5, 1.005)
    corner.set_title("up to a tenth of the other clips", fontsize=9, color=_SOFT)
    axes.set_xlabel("clips without a shot taken for one (share)")
    axes.set_ylabel("shots found (share)")
    axes.legend(loc="lower right", frameon=False)
    _title(axes, "Shot or not: ROC", found)
    return canvas


def det_picture(found: Evaluation) -> Canvas | None:
    """Missed shots over false alarms per hour (DET): probit against logarithm."""
    if not found.curve.missed:
        return None
    canvas, axes = _canvas(6.8, 5.6)
    hours = found.report.negative_hours
    least = 0.5 / hours  # none at all: drawn at half an alarm in all the sound there is
    for curve, colour, name in (
        (found.curve, _SHOT, "all sources"),
        (found.curve_others, _OTHER, "without the nine-type set"),
    ):
        _det_line(axes, curve, colour, name, least)
    axes.set_xscale("log")
    enough = [
        alarms
        for alarms, missed in zip(found.curve.false_alarms, found.curve.missed, strict=True)
        if missed <= _MISS_TICKS[0]
    ]
    axes.set_xlim(least * 0.9, max(1.4 * enough[0], 20.0))
    axes.set_ylim(norm.ppf(_MISS_TICKS[0]), norm.ppf(_MISS_TICKS[-1]))
    axes.yaxis.set_major_locator(FixedLocator([float(norm.ppf(tick)) for tick in _MISS_TICKS]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{norm.cdf(y):.1%}".replace(".0%", "%")))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    for rate in (1.0, 10.0):
        if rate >= least:
            axes.axvline(rate, color=_THIRD, lw=1, ls=":")
            axes.annotate(
                f"{rate:g}/h",
                (rate, norm.ppf(0.82)),
                color=_SOFT,
                fontsize=9,
                xytext=(4, 0),
                textcoords="offset points",
            )
    axes.axvspan(least * 0.9, 1 / hours, color=_GRID, alpha=0.5, lw=0)
    axes.annotate(f"none in\n{hours:.2f} h", (least, norm.ppf(0.006)), fontsize=8, color=_SOFT)
    axes.set_xlabel("false alarms per hour of sound without shots")
    axes.set_ylabel("shots missed")
    axes.legend(loc="upper right", frameon=False)
    _title(axes, "Detection error trade-off", found)
    return canvas


def _det_line(axes: Axes, curve: Tradeoff, colour: str, name: str, least: float) -> None:
    if curve.missed:
        alarms, last = np.unique(np.array(curve.false_alarms)[::-1], return_index=True)
        missed = np.array(curve.missed)[::-1][last]  # the fewest missed at so many alarms
        shown = norm.ppf(np.clip(missed, _MISS_TICKS[0] * 0.6, 0.999))
        axes.step(np.maximum(alarms, least), shown, where="post", color=colour, lw=2, label=name)


def reliability_picture(found: Evaluation) -> Canvas | None:
    """What was said against how often it was so, with Wilson's intervals, and how many outputs lie where."""
    if not found.gunshot_reliability:
        return None
    canvas = Canvas(figsize=(10.4, 5.8), layout="constrained")
    grid = canvas.add_gridspec(2, 2, height_ratios=[4, 1])
    ece = found.report.ece.value
    sides = (
        (found.gunshot_reliability, _SHOT, f"P(shot) of clips, ECE {ece:.3f}", "clips"),
        (found.type_reliability, _OTHER, "P(type | shot), every type of every typed shot", "outputs"),
    )
    for column, (bins, colour, title, unit) in enumerate(sides):
        above = canvas.add_subplot(grid[0, column])
        below = canvas.add_subplot(grid[1, column], sharex=above)
        _reliability(above, below, bins, colour, unit)
        _style(above)
        _style(below)
        above.set_title(title, loc="left", fontsize=11, color=_INK)
    canvas.suptitle(_subtitle(found), x=0.01, ha="left", fontsize=8.5, color=_SOFT)
    return canvas


def _reliability(above: Axes, below: Axes, bins: tuple[Bin, ...], colour: str, unit: str) -> None:
    above.plot([0, 1], [0, 1], color=_THIRD, lw=1, ls=":")
    said = [b.said for b in bins]
    true = [b.true for b in bins]
    reach = [[max(0.0, b.true - b.low) for b in bins], [max(0.0, b.high - b.true) for b in bins]]
    above.errorbar(
        said, true, yerr=reach, fmt="o-", color=colour, ecolor=colour, elinewidth=1, capsize=2, ms=5, lw=1.5
    )
    above.set_xlim(-0.02, 1.02)
    above.set_ylim(-0.02, 1.02)
    above.set_ylabel("was so (share)")
    above.tick_params(labelbottom=False)
    below.bar(said, [b.count for b in bins], width=0.7 / BINS, color=colour, alpha=0.8)
    below.set_yscale("log")
    below.set_ylim(bottom=0.7)
    below.set_ylabel(unit)
    below.set_xlabel("was said (mean of each bin)")


def scores_picture(found: Evaluation) -> Canvas | None:
    """P(shot) of every clip by source, on an axis of log-odds; the line is the median."""
    scored = found.scored
    rows = _source_rows(scored)
    if not rows:
        return None
    canvas, axes = _canvas(8.6, 1.6 + 0.5 * len(rows))
    rng = np.random.default_rng(0)
    ends = logit([_LEAST, 1 - _LEAST])
    for place, (_, values, shot) in enumerate(rows):
        x = np.clip(logit(values), *ends)
        height = place + rng.uniform(-0.28, 0.28, x.size)
        axes.scatter(
            x, height, s=9, color=_SHOT if shot else _OTHER, alpha=max(0.15, min(0.7, 60 / x.size)), lw=0
        )
        axes.plot([np.median(x)] * 2, [place - 0.38, place + 0.38], color=_INK, lw=2)
    for point in found.points[:1]:
        axes.axvline(float(logit(point.threshold)), color=_INK, lw=1, ls="--")
        axes.annotate(
            f" {point.name}", (float(logit(point.threshold)), -0.75), fontsize=8.5, color=_INK, va="center"
        )
    axes.set_yticks(range(len(rows)), [f"{name}  ({values.size})" for name, values, _ in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -1.1)
    axes.set_xlim(ends[0] - 0.3, ends[1] + 0.3)
    axes.set_xticks([float(logit(tick)) for tick in _SCORE_TICKS], [f"{tick:g}" for tick in _SCORE_TICKS])
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("P(shot), log-odds axis; red: clips with a shot, blue: others, bar: median")
    _title(axes, "Scores by source", found)
    return canvas


def _source_rows(scored: Scored) -> list[tuple[str, Floats, bool]]:
    """(name, P(shot), whether these are shots) of each source, shots first."""
    rows = []
    for shot in (True, False):
        names = sorted(
            {clip.source for clip, is_shot in zip(scored.clips, scored.shot, strict=True) if is_shot == shot}
        )
        for name in names:
            own = np.array([clip.source == name for clip in scored.clips]) & (scored.shot == shot)
            rows.append((f"{name}, {'shots' if shot else 'other'}", scored.scores[own, -1], shot))
    return rows


def _canvas(width: float, height: float) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes = canvas.add_subplot()
    _style(axes)
    return canvas, axes


def _style(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_SOFT)
    axes.tick_params(colors=_INK, labelsize=9)


def _title(axes: Axes, title: str, found: Evaluation) -> None:
    axes.set_title(f"{title}\n\n", loc="left", fontsize=11.5, color=_INK)
    axes.text(0, 1.015, _subtitle(found), transform=axes.transAxes, fontsize=8.5, color=_SOFT, va="bottom")


def _subtitle(found: Evaluation) -> str:
    """What a picture that is passed on alone must still say."""
    r = found.report
    part = "LEAKS: random folds" if found.scored.leaks else _PARTS[found.part]
    model = found.model if len(found.model) <= _LONGEST else f"...{found.model[3 - _LONGEST :]}"
    return (
        f"{model}, {part}\n{r.clips} clips, {r.recordings} recordings, "
        f"{r.shots} shots ({r.typed_clips} of known type), {r.negative_hours:.2f} h without"
    )


PICTURES: tuple[tuple[str, str, Draw], ...] = (
    ("confusion.png", "Which firearm was said of each true one, M4 and M16 merged.", confusion_picture),
    ("tradeoff.png", "Missed shots against false alarms per hour.", det_picture),
    ("roc.png", "The same as ROC.", roc_picture),
    ("reliability.png", "Whether probabilities mean what they say.", reliability_picture),
    ("scores.png", "P(shot) of every clip, by source.", scores_picture),
)
"""File name, caption and how it is drawn."""
