"""Two detectors on the same pictures: every figure side by side, with an interval on the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from vedette_base.score import VISION_LABELS
from vedette_vision.dataset import Picture
from vedette_vision.detector import Look
from vedette_vision.evaluate import FirearmReading, class_matches, firearm_matches, firearm_score
from vedette_vision.metrics import auroc

Statistic = Callable[[npt.NDArray[Any]], float]
"""A figure of pictures taken so often each."""

RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two detectors.

    Attributes:
        subset: ``all`` or a subset's name.
        figure: what was measured.
        old, new: of the two.
        low, high: 95 % interval of ``new - old``: bootstrap over groups of pictures, both detectors judged on
            the same sample each time. NaN where there are too few groups to say.
    """

    subset: str
    figure: str
    old: float
    new: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, rounded to four places; None where there is no number."""
        plain = asdict(self)
        numbers = {k: v for k, v in plain.items() if isinstance(v, float)}
        return plain | {k: None if np.isnan(v) else round(v, 4) for k, v in numbers.items()}


def compare(
    pictures: Sequence[Picture],
    old: Sequence[Look],
    new: Sequence[Look],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Difference]:
    """Figures of two detectors' looks at the same pictures (boxes as shares, as from ``look_at``)."""
    found = []
    for subset in ["all", *sorted({p.subset for p in pictures})]:
        chosen = [i for i, p in enumerate(pictures) if subset in ("all", p.subset)]
        own = [pictures[i] for i in chosen]
        before = statistics(own, [old[i] for i in chosen])
        after = statistics(own, [new[i] for i in chosen])
        counts = _samples([p.group for p in own], resamples, seed)
        once = np.ones(len(own))
        for name, statistic in before.items():
            low, high = _interval(statistic, after[name], counts)
            found.append(Difference(subset, name, statistic(once), after[name](once), low, high))
    return found


def statistics(pictures: Sequence[Picture], looks: Sequence[Look]) -> dict[str, Statistic]:
    """The figures that some truth among the pictures allows, each for any resample of them."""
    classes = {name: class_matches(pictures, looks, name) for name in VISION_LABELS}
    figures: dict[str, Statistic] = {
        f"ap50 {name}": m.precision for name, m in classes.items() if m.truths.any()
    }
    if len(figures) > 1:
        parts = list(figures.values())
        figures["map50"] = lambda counts: float(np.mean([part(counts) for part in parts]))
    armed = np.array([p.shows("pistol", "long_gun", "gun") for p in pictures])
    if armed.any():
        for reading in get_args(FirearmReading):
            figures[f"firearm {reading}"] = firearm_matches(pictures, looks, reading).precision
    if armed.any() and not armed.all():
        scores = np.array([firearm_score(look) for look in looks])
        figures["firearm auroc"] = lambda counts: _auroc(scores, armed, counts)
    return figures


def _auroc(scores: npt.NDArray[Any], armed: npt.NDArray[Any], counts: npt.NDArray[Any]) -> float:
    taken = np.repeat(np.arange(len(scores)), counts.astype(int))
    return auroc(scores[taken], armed[taken])


def _samples(groups: Sequence[str], resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each picture is taken in each resample of groups, shape ``(resamples, pictures)``."""
    names, number = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return np.empty((0, len(groups)), np.int64)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    counts: npt.NDArray[np.int64] = drawn[:, number].astype(np.int64)
    return counts


def _interval(old: Statistic, new: Statistic, counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    differences = np.array([new(row) - old(row) for row in counts], np.float64)
    differences = differences[~np.isnan(differences)]
    if len(counts) == 0 or len(differences) * 2 < len(counts):
        return float("nan"), float("nan")
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)
