"""The tables of the P2 study, at a stated confidence and IoU: bands, per class and overall, per subset.

Confidence is whatever the looks' scores are: the command gives calibrated probabilities, as ``detect`` does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette_base.errors import InputError
from vedette_base.score import VISION_LABELS
from vedette_vision.boxes import Floats
from vedette_vision.compare import by_subset
from vedette_vision.dataset import Picture
from vedette_vision.detector import Look
from vedette_vision.evaluate import class_matches, firearm_matches
from vedette_vision.metrics import Counts, Matches

BANDS = 10
"""Confidence is cut into this many bands of equal width; a band holds its lower edge, the last one also 1."""
LEAST_OVERLAP = 0.5
"""IoU from which a box is right."""
CONFIDENCE = 0.25
"""The default of ``detect``."""


@dataclass(frozen=True, slots=True)
class Band:
    """Boxes whose confidence is in ``low..high``; ``mean`` of it is NaN where there are none."""

    low: float
    high: float
    boxes: int
    right: int
    mean: float


@dataclass(frozen=True, slots=True)
class Row:
    """Boxes at the study's confidence.

    Attributes:
        name: a class, ``overall`` (all classes, each counted as itself) or ``firearm`` (long guns, pistols
            and guns of open type as one class).
        true: boxes in the truth. counts: TP, FP, FN.
        mean_confidence: of the boxes found; NaN without any.
        false_confidence: mean of the false ones.
    """

    name: str
    true: int
    counts: Counts
    mean_confidence: float
    false_confidence: float

    @property
    def boxes(self) -> int:
        """How many were found."""
        return self.counts.right + self.counts.false

    @property
    def false_share(self) -> float:
        """Share of the boxes found that are false; NaN without any."""
        return 1 - self.counts.precision

    def as_dict(self) -> dict[str, Any]:
        """Plain values; None where there is no number."""
        c = self.counts
        return {
            "true": self.true,
            "detections": self.boxes,
            "true_positives": c.right,
            "false_positives": c.false,
            "false_negatives": c.missed,
            "precision": known(c.precision),
            "recall": known(c.recall),
            "f1": known(c.f1),
            "false_positive_share": known(self.false_share),
            "mean_confidence": known(self.mean_confidence),
            "mean_confidence_of_false": known(self.false_confidence),
        }


@dataclass(frozen=True, slots=True)
class Study:
    """One detector on one subset.

    Attributes:
        subset: ``all`` or its name. pictures: how many.
        bands: over every box of the four classes that the detector kept, however weak.
        rows: a class each (those that are true or found there), ``overall`` and, where there are some,
            ``firearm``.
    """

    subset: str
    pictures: int
    bands: tuple[Band, ...]
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, rounded to four places."""
        return {
            "pictures": self.pictures,
            "bands": [
                {"from": b.low, "to": b.high, "detections": b.boxes, "right": b.right,
                 "mean_confidence": known(b.mean)}
                for b in self.bands
            ],
            "classes": {row.name: row.as_dict() for row in self.rows},
        }  # fmt: skip


def study(
    pictures: Sequence[Picture], looks: Sequence[Look], confidence: float = CONFIDENCE
) -> tuple[Study, ...]:
    """All pictures together, then every subset.

    Boxes in regions that are to be ignored, or that a label of open type explains, are in no table.

    Raises:
        InputError: a confidence outside 0..1.
    """
    if not 0 <= confidence <= 1:
        raise InputError(f"the confidence must be within 0..1, got {confidence}")
    found = []
    for subset, chosen in by_subset(pictures):
        own, seen = [pictures[i] for i in chosen], [looks[i] for i in chosen]
        matches = {name: class_matches(own, seen, name, LEAST_OVERLAP) for name in VISION_LABELS}
        rows = [_row(name, [m], confidence) for name, m in matches.items()]
        rows = [row for row in rows if row.true or row.boxes]
        rows.append(_row("overall", list(matches.values()), confidence))
        firearm = _row("firearm", [firearm_matches(own, seen)], confidence)
        found.append(
            Study(subset, len(own), bands(list(matches.values())),
                  (*rows, firearm) if firearm.true else tuple(rows))
        )  # fmt: skip
    return tuple(found)


def bands(matches: Sequence[Matches]) -> tuple[Band, ...]:
    """Boxes of several classes by confidence, lowest band first."""
    scores, hits = _joined(matches)
    number = np.minimum((scores * BANDS + 1e-6).astype(np.int64), BANDS - 1)  # 0.3 is held as 0.29999998
    return tuple(
        Band(
            band / BANDS,
            (band + 1) / BANDS,
            int((number == band).sum()),
            int(hits[number == band].sum()),
            _mean(scores[number == band]),
        )
        for band in range(BANDS)
    )


def known(value: float) -> float | None:
    """A number to four places, or None where it is none."""
    return None if math.isnan(value) else round(float(value), 4)


def _row(name: str, matches: Sequence[Matches], confidence: float) -> Row:
    scores, hits = _joined(matches)
    sure = scores >= confidence
    counts = sum((m.at(confidence) for m in matches), Counts(0, 0, 0))
    true = counts.right + counts.missed
    return Row(name, true, counts, _mean(scores[sure]), _mean(scores[sure & ~hits]))


def _joined(matches: Sequence[Matches]) -> tuple[Floats, Any]:
    return np.concatenate([m.scores for m in matches]), np.concatenate([m.hits for m in matches])


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
