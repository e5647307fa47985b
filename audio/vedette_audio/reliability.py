"""Does a probability of 0.7 come true seven times in ten? The picture that answers it (matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_base.calibration import calibration_error
from vedette_base.errors import DataError, MissingDependencyError, OutputError
from vedette_base.statistics import share_interval

Floats = npt.NDArray[np.float64]
BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Probabilities of one label with the truth, all of shape ``(n,)``.

    Attributes:
        name: what the picture calls it.
        before: raw network scores, 0..1, or None where only calibrated ones are known.
        after: calibrated probabilities, 0..1.
        truth: true where it came true.
    """

    name: str
    before: Floats | None
    after: Floats
    truth: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls, name: str, before: npt.ArrayLike, after: npt.ArrayLike | None, truth: npt.ArrayLike
    ) -> Curve | None:
        """A curve, or None where there is no ``after``."""
        if after is None:
            return None
        return cls(
            name, np.asarray(before, np.float64), np.asarray(after, np.float64), np.asarray(truth, bool)
        )


@dataclass(frozen=True, slots=True)
class Bin:
    """Examples whose probability is alike: their count, mean probability, share that came true and its 95 %
    interval (Wilson; too narrow where examples are of one recording)."""

    count: int
    probability: float
    share: float
    low: float
    high: float


def reliability(probability: npt.ArrayLike, truth: npt.ArrayLike, *, bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of equal width in probability that hold any example, lowest first.

    Args:
        probability, truth: shape ``(n,)``; probabilities within 0..1.
    """
    p, t = np.asarray(probability, np.float64), np.asarray(truth).astype(bool)
    calibration_error(p, t)  # refuses what is no list of probabilities
    where = np.minimum((p * bins).astype(int), bins - 1)
    found = []
    for number in np.unique(where):
        inside = where == number
        count, hits = int(inside.sum()), int(t[inside].sum())
        low, high = share_interval(hits, count)
        found.append(Bin(count, float(p[inside].mean()), hits / count, low, high))
    return tuple(found)


def draw_reliability(path: str | Path, curves: Sequence[Curve], *, title: str = "") -> Path:
    """Draw one column per curve: the share that came true over the probability, and how many there are.

    Args:
        path: PNG to write.
        curves: what to draw; at least one.
        title: a line above all.

    Raises:
        DataError: nothing to draw. OutputError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    if not curves:
        raise DataError("a reliability plot needs at least one curve, got none")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "the reliability plot needs matplotlib, which is not installed",
            hint="pip install 'vedette[train]'",
        ) from error
    figure = Figure(figsize=(4.6 * len(curves), 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(curves), squeeze=False, height_ratios=(3, 1), sharex=True)
    for column, curve in enumerate(curves):
        _draw(axes[0][column], axes[1][column], curve)
    figure.suptitle(title)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _draw(top: Any, bottom: Any, curve: Curve) -> None:
    top.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="as it should be")
    edges = np.linspace(0, 1, BINS + 1)
    looks = [("after", curve.after, "#1f5f99")]
    if curve.before is not None:
        looks.insert(0, ("before", curve.before, "#d9822b"))
    for index, (name, probability, colour) in enumerate(looks):
        bins = reliability(probability, curve.truth)
        share = np.array([b.share for b in bins])
        bars = [share - [b.low for b in bins], [b.high for b in bins] - share]
        label = f"{name}, error {calibration_error(probability, curve.truth, bins=BINS):.3f}"
        top.errorbar(
            [b.probability for b in bins],
            share,
            yerr=np.maximum(bars, 0),
            marker="o",
            markersize=4,
            linewidth=1.2,
            elinewidth=0.8,
            capsize=2,
            color=colour,
            label=label,
        )
        counts = np.histogram(probability, edges)[0]
        width = 0.1 / len(looks) * 0.9
        bottom.bar(edges[:-1] + 0.005 + (index + 0.5) * 0.1 / len(looks), counts, width, color=colour)
    top.set(
        title=f"{curve.name}\n{int(curve.truth.sum())} of {curve.truth.size} came true",
        ylabel="share that came true",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    top.legend(loc="upper left", fontsize="small")
    bottom.set(xlabel="probability", ylabel="count", yscale="log", ylim=(0.7, None))
