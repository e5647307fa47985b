"""Where to put a threshold: for a wanted precision, recall or rate of false alarms, and what it costs.

Thresholds are sought on the pictures that they are judged on: on others they do a little worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vedette_base.errors import InputError
from vedette_base.score import VISION_LABELS
from vedette_vision.dataset import Picture
from vedette_vision.detector import Look
from vedette_vision.evaluate import FirearmReading, class_matches, firearm_matches, firearm_score
from vedette_vision.metrics import Counts, Matches
from vedette_vision.study import CONFIDENCE, known

WEAPONS = ("knife", "long_gun", "pistol", "gun", "weapon")
"""Labels of which a picture without weapons has none; nor has it a region that is to be ignored."""
PRECISIONS = (0.5, 0.8, 0.9)
FALSE_PER_1000 = (100.0, 10.0)
RECALLS = (0.5, 0.8, 0.9)

Wanted = Literal["precision", "false pictures per 1,000"]


@dataclass(frozen=True, slots=True)
class Advice:
    """The lowest threshold that gives what was wanted of a class; None (and NaN) where none does."""

    name: str
    wanted: Wanted
    goal: float
    threshold: float | None
    precision: float
    recall: float
    false_per_1000: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return _plain(asdict(self))


@dataclass(frozen=True, slots=True)
class EmptyFrames:
    """False firearm boxes on pictures without any weapon, at the threshold of a given recall.

    Attributes:
        reading: how boxes were paired for the recall. recall: that was asked for.
        highest: recall of everything that the detector kept: where it is below ``recall``, there is no
            threshold and no rate.
        boxes: on ``frames`` empty pictures. per_1000: the same as a rate.
    """

    reading: FirearmReading
    recall: float
    highest: float
    threshold: float | None
    boxes: int | None
    frames: int
    per_1000: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return _plain(asdict(self))


@dataclass(frozen=True, slots=True)
class Finding:
    """Firearms of a subset at IoU 0.3: at the study's confidence, and at the threshold of the best F1."""

    subset: str
    true: int
    stated: Counts
    best: Counts
    threshold: float | None
    precision_at_90: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        parts = {"stated": self.stated, "best_f1": self.best}
        shown = {
            name: {"precision": known(c.precision), "recall": known(c.recall), "f1": known(c.f1)}
            for name, c in parts.items()
        }
        return {
            "true": self.true,
            **shown,
            "best_threshold": self.threshold,
            "precision_at_recall_0.9": known(self.precision_at_90),
        }


def firearm_finding(
    subset: str, pictures: Sequence[Picture], looks: Sequence[Look], confidence: float = CONFIDENCE
) -> Finding:
    """Precision and recall of firearms as one class at IoU 0.3."""
    found = firearm_matches(pictures, looks, "ap30")
    thresholds, precision, recall = found.curve()
    total = np.maximum(precision + recall, 1e-9)
    place = int(np.argmax(2 * precision * recall / total)) if len(thresholds) else -1
    best = found.at(float(thresholds[place])) if place >= 0 else found.at(np.inf)
    enough = precision[recall >= 0.9]
    return Finding(
        subset,
        int(found.truths.sum()),
        found.at(confidence),
        best,
        round(float(thresholds[place]), 4) if place >= 0 else None,
        float(enough.max()) if len(enough) else float("nan"),
    )


def threshold_for_recall(found: Matches, recall: float) -> float | None:
    """The highest threshold that finds this share of the true boxes; None where none does."""
    thresholds, _, recalls = found.curve()
    enough = np.flatnonzero(recalls >= recall - 1e-6)
    return float(thresholds[enough[0]]) if len(enough) else None


def empty_frames(
    pictures: Sequence[Picture],
    looks: Sequence[Look],
    chosen: str,
    reading: FirearmReading,
    recall: float,
) -> EmptyFrames:
    """False boxes on all pictures without a weapon, at the threshold that subset ``chosen`` asks for."""
    inside = [i for i, p in enumerate(pictures) if p.subset == chosen]
    found = firearm_matches([pictures[i] for i in inside], [looks[i] for i in inside], reading)
    threshold = threshold_for_recall(found, recall)
    empty = [i for i, p in enumerate(pictures) if not p.shows(*WEAPONS, "ignore")]
    highest = found.at(-np.inf).recall
    if threshold is None or not empty:
        return EmptyFrames(reading, recall, highest, threshold, None, len(empty), float("nan"))
    # on empty pictures every box is false
    boxes = firearm_matches([pictures[i] for i in empty], [looks[i] for i in empty]).at(threshold).false
    return EmptyFrames(reading, recall, highest, threshold, boxes, len(empty), 1000 * boxes / len(empty))


def advise(
    pictures: Sequence[Picture], looks: Sequence[Look], rates: Sequence[float] = FALSE_PER_1000
) -> tuple[Advice, ...]:
    """Thresholds per class, and of firearms as one, for every wanted precision and false-alarm rate.

    A false alarm is a picture without the class on which a box of it reaches the threshold.

    Args:
        rates: wanted, false alarms per 1,000 pictures.

    Raises:
        InputError: a rate outside 0..1000.
    """
    check_rates(rates)
    given: list[Advice] = []
    for column, name in enumerate(VISION_LABELS):
        free = [not p.shows(name, "ignore", "gun", "weapon") for p in pictures]
        best = np.array([look.best()[column] for look in looks])
        given += _of(name, class_matches(pictures, looks, name), best[np.array(free, bool)], rates)
    free = [not p.shows("long_gun", "pistol", "gun", "weapon", "ignore") for p in pictures]
    best = np.array([firearm_score(look) for look in looks])
    given += _of("firearm", firearm_matches(pictures, looks), best[np.array(free, bool)], rates)
    return tuple(given)


def check_rates(rates: Sequence[float]) -> None:
    """Raise InputError for a wanted rate, per 1,000 pictures, outside 0..1000."""
    for rate in rates:
        if not 0 <= rate <= 1000:
            raise InputError(f"false alarms per 1,000 pictures must be within 0..1000, got {rate:g}")


def _of(name: str, found: Matches, alarms: npt.NDArray[Any], false_per_1000: Sequence[float]) -> list[Advice]:
    """All goals of one class; ``alarms`` are the best scores of pictures without it."""
    if not found.truths.any():
        return []
    thresholds, precision, recall = found.curve()
    rates = np.array([1000 * float((alarms >= t).mean()) if len(alarms) else np.nan for t in thresholds])
    goals: list[tuple[Wanted, float, npt.NDArray[np.bool_]]] = [
        *(("precision", goal, precision >= goal) for goal in PRECISIONS),
        *(("false pictures per 1,000", goal, rates <= goal) for goal in false_per_1000),
    ]
    given = []
    for wanted, goal, holds in goals:
        if not holds.any():
            given.append(Advice(name, wanted, goal, None, float("nan"), float("nan"), float("nan")))
            continue
        last = np.flatnonzero(holds)[-1]  # thresholds fall: the lowest that holds
        values = float(precision[last]), float(recall[last]), float(rates[last])
        given.append(Advice(name, wanted, goal, float(thresholds[last]), *values))
    return given


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: known(v) if isinstance(v, float) else v for k, v in values.items()}
