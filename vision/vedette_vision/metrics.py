"""Detection metrics on fixed truth: average precision in several readings, and AUROC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vedette_vision.boxes import Floats, area, overlap

Reading = Literal["overlap", "centre"]

CENTRE_MARGIN = 0.02
"""Of the picture's width: how far beside the true box a found box's centre may lie. The hand-drawn box of a
7-pixel gun is looser than the gun."""
SMALL_AREA = 32.0**2
"""Square pixels below which a thing is small (COCO)."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Boxes at one threshold: ``right`` (TP), ``false`` (FP), and true ones ``missed`` (FN)."""

    right: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of found boxes that are right; NaN where nothing was found."""
        return _share(self.right, self.right + self.false)

    @property
    def recall(self) -> float:
        """Share of true boxes that were found; NaN where there is none."""
        return _share(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN where there is nothing at all."""
        return _share(2 * self.right, 2 * self.right + self.false + self.missed)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right + other.right, self.false + other.false, self.missed + other.missed)


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Boxes of one class over many pictures, each right or false; enough for AP of any resample of pictures.

    Attributes:
        scores: shape ``(n,)``.
        hits: whether each found a true box, shape ``(n,)``.
        pictures: number of the picture that each is on, shape ``(n,)``.
        truths: true boxes per picture, shape ``(pictures,)``.
    """

    scores: Floats
    hits: npt.NDArray[np.bool_]
    pictures: npt.NDArray[np.int64]
    truths: npt.NDArray[np.int64]

    def precision(self, counts: npt.NDArray[Any] | None = None) -> float:
        """Area under the precision envelope (all points), NaN without any true box.

        Args:
            counts: how often each picture is taken, for a bootstrap; once each if not given.
        """
        counts = np.ones(len(self.truths)) if counts is None else counts
        total = float((counts * self.truths).sum())
        if total == 0:
            return float("nan")
        order = np.argsort(-self.scores, kind="stable")
        weights = counts[self.pictures[order]].astype(np.float64)
        right = np.cumsum(weights * self.hits[order])
        if len(right) == 0:
            return 0.0
        precision = right / np.maximum(np.cumsum(weights), 1e-12)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        return float(np.sum(np.diff(np.concatenate([[0.0], right / total])) * envelope))

    def at(self, threshold: float) -> Counts:
        """What is right, false and missed among boxes that score at least ``threshold``.

        Pairing goes by falling score, so weaker boxes change nothing about stronger ones.
        """
        counted = self.scores >= threshold
        right = int((self.hits & counted).sum())
        return Counts(right, int(counted.sum()) - right, int(self.truths.sum()) - right)

    def curve(self) -> tuple[Floats, Floats, Floats]:
        """Thresholds, falling, one per score that occurs, with precision and recall at each."""
        order = np.argsort(-self.scores, kind="stable")
        scores, right = self.scores[order], np.cumsum(self.hits[order])
        last = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.empty(0, int)
        precision = right[last] / (last + 1)
        recall = right[last] / max(int(self.truths.sum()), 1)
        return scores[last], precision.astype(np.float32), recall.astype(np.float32)


def match(
    found: Sequence[tuple[Floats, Floats]],
    truth: Sequence[Floats],
    ignored: Sequence[Floats] | None = None,
    least_overlap: float = 0.5,
    *,
    reading: Reading = "overlap",
    widths: Sequence[float] | None = None,
    most_area: float | None = None,
) -> Matches:
    """Pair found boxes with true ones, best score first, each true box once.

    Args:
        found: per picture, boxes ``(n, 4)`` and scores ``(n,)``.
        truth: per picture, true boxes ``(m, 4)``.
        ignored: per picture, regions in which a false box is not counted.
        least_overlap: IoU at which a box counts as found.
        reading: ``centre``: found when the box's centre lies within the true box, grown on each side by
            ``CENTRE_MARGIN`` of the picture's width; ``least_overlap`` plays no part.
        widths: of the pictures, in the boxes' unit; needed for ``centre``.
        most_area: only true boxes below this area count, in squared units of the boxes; larger ones, and
            false boxes above it, neither help nor harm (COCO's AP of small things).
    """
    scores, hits, pictures = [], [], []
    truths = np.zeros(len(truth), np.int64)
    for number, ((boxes, values), real) in enumerate(zip(found, truth, strict=True)):
        counted = np.ones(len(real), bool) if most_area is None else area(real) < most_area
        truths[number] = counted.sum()
        skip = ignored[number] if ignored is not None else np.empty((0, 4), np.float32)
        margin = CENTRE_MARGIN * widths[number] if widths is not None else 0.0
        fits = _fits(boxes, real, reading, margin)
        enough = least_overlap if reading == "overlap" else 1e-9
        inside = overlap(boxes, skip).max(axis=1) if len(skip) and len(boxes) else np.zeros(len(boxes))
        too_large = np.zeros(len(boxes), bool) if most_area is None else area(boxes) >= most_area
        free = np.ones(len(real), bool)
        for index in np.argsort(-values, kind="stable"):
            best = _best(fits[index], free, counted, enough)
            if best >= 0:
                free[best] = False
                if not counted[best]:
                    continue
            elif inside[index] >= 0.3 or too_large[index]:
                continue
            scores.append(values[index])
            hits.append(best >= 0)
            pictures.append(number)
    values = np.asarray(scores, np.float32)
    order = np.argsort(-values, kind="stable")  # sorting what is sorted is quick, and a bootstrap sorts often
    return Matches(
        values[order], np.asarray(hits, bool)[order], np.asarray(pictures, np.int64)[order], truths
    )


def _fits(boxes: Floats, real: Floats, reading: Reading, margin: float) -> Floats:
    """How well every found box fits every true one, shape ``(found, true)``, 0 for not at all."""
    if reading == "overlap" or len(boxes) == 0 or len(real) == 0:
        return overlap(boxes.reshape(-1, 4), real.reshape(-1, 4))
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    near = ((centres >= real[None, :, :2] - margin) & (centres <= real[None, :, 2:] + margin)).all(axis=2)
    away = np.abs(centres - ((real[:, :2] + real[:, 2:]) / 2)[None]).sum(axis=2)
    # of several true boxes that a centre lies in, the nearest
    nearness: Floats = np.where(near, 1.0 / (1.0 + away), 0.0).astype(np.float32)
    return nearness


def _best(fits: Floats, free: npt.NDArray[Any], counted: npt.NDArray[Any], enough: float) -> int:
    """Which true box a found one takes: a counted one before one that does not count; -1 for none."""
    for kind in (counted, ~counted):
        chances = np.where(free & kind, fits, 0.0)
        if len(chances) and chances.max() >= enough:
            return int(np.argmax(chances))
    return -1


def average_precision(
    found: Sequence[tuple[Floats, Floats]],
    truth: Sequence[Floats],
    ignored: Sequence[Floats] | None = None,
    least_overlap: float = 0.5,
) -> float:
    """Area under the precision envelope (all points), one class; arguments as of ``match``.

    Returns:
        0..1, or NaN when there is no true box at all.
    """
    return match(found, truth, ignored, least_overlap).precision()


def auroc(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Chance that a picture with the thing scores above one without (ties half); NaN with one kind only."""
    values, real = np.asarray(scores, np.float64), np.asarray(truth, bool)
    positive, negative = values[real], np.sort(values[~real])
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    below = np.searchsorted(negative, positive, side="left")
    upto = np.searchsorted(negative, positive, side="right")
    return float((below + upto).mean() / 2 / len(negative))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
