"""Figures with intervals over groups; of two detectors on the same pictures, with one on the difference."""

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
OVERLAPS: tuple[float, ...] = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""IoU thresholds of mAP50-95 (COCO)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one detector on ``all`` or a subset; 95 % interval over groups, NaN with too few."""

    subset: str
    figure: str
    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, rounded to four places; None where there is no number."""
        return _plain(asdict(self))


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
        return _plain(asdict(self))


def figures(
    pictures: Sequence[Picture],
    looks: Sequence[Look],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Figure]:
    """Every figure of one detector's looks (boxes as shares), on all pictures and per subset."""
    found = []
    for subset, chosen in by_subset(pictures):
        own = [pictures[i] for i in chosen]
        counts = _samples([p.group for p in own], resamples, seed)
        once = np.ones(len(own))
        for name, statistic in statistics(own, [looks[i] for i in chosen]).items():
            low, high = _spread([statistic(row) for row in counts])
            found.append(Figure(subset, name, statistic(once), low, high))
    return found


def by_subset(pictures: Sequence[Picture]) -> list[tuple[str, list[int]]]:
    """``all`` and every subset, with the numbers of its pictures."""
    names = sorted({p.subset for p in pictures})
    parts = [(name, [i for i, p in enumerate(pictures) if p.subset == name]) for name in names]
    return [("all", list(range(len(pictures)))), *parts]


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
    for subset, chosen in by_subset(pictures):
        own = [pictures[i] for i in chosen]
        before = statistics(own, [old[i] for i in chosen])
        after = statistics(own, [new[i] for i in chosen])
        counts = _samples([p.group for p in own], resamples, seed)
        once = np.ones(len(own))
        for name, statistic in before.items():
            low, high = _spread([after[name](row) - statistic(row) for row in counts])
            found.append(Difference(subset, name, statistic(once), after[name](once), low, high))
    return found


def statistics(pictures: Sequence[Picture], looks: Sequence[Look]) -> dict[str, Statistic]:
    """The figures that some truth among the pictures allows, each for any resample of them."""
    classes = {name: class_matches(pictures, looks, name) for name in VISION_LABELS}
    known = [name for name, m in classes.items() if m.truths.any()]
    figures: dict[str, Statistic] = {f"ap50 {name}": classes[name].precision for name in known}
    figures["map50"] = _mean([classes[name].precision for name in known])
    figures["map50-95"] = _mean(
        [
            (classes[name] if limit == 0.5 else class_matches(pictures, looks, name, limit)).precision
            for name in known
            for limit in OVERLAPS
        ]
    )
    small = [
        [class_matches(pictures, looks, name, limit, small=True) for limit in OVERLAPS] for name in known
    ]
    figures["ap-small"] = _mean([m.precision for many in small if many[0].truths.any() for m in many])
    armed = np.array([p.shows("pistol", "long_gun", "gun") for p in pictures])
    if armed.any():
        for reading in get_args(FirearmReading):
            found = firearm_matches(pictures, looks, reading)
            if found.truths.any():
                figures[f"firearm {reading}"] = found.precision
    if armed.any() and not armed.all():
        scores = np.array([firearm_score(look) for look in looks])
        figures["firearm auroc"] = lambda counts: _auroc(scores, armed, counts)
    return {name: statistic for name, statistic in figures.items() if statistic is not _nothing}


def _mean(parts: Sequence[Statistic]) -> Statistic:
    return (lambda counts: float(np.mean([part(counts) for part in parts]))) if parts else _nothing


def _nothing(counts: npt.NDArray[Any]) -> float:
    return float("nan")


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


def _spread(drawn: Sequence[float]) -> tuple[float, float]:
    """95 % of what the resamples gave; NaN where fewer than half of them gave anything."""
    values = np.array(drawn, np.float64)
    values = values[~np.isnan(values)]
    if len(drawn) == 0 or len(values) * 2 < len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    numbers = {k: v for k, v in values.items() if isinstance(v, float)}
    return values | {k: None if np.isnan(v) else round(v, 4) for k, v in numbers.items()}
