"""Detection metrics on fixed truth: average precision and the area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vedette_vision.boxes import Floats, overlap


def average_precision(
    found: Sequence[tuple[Floats, Floats]],
    truth: Sequence[Floats],
    ignored: Sequence[Floats] | None = None,
    least_overlap: float = 0.5,
) -> float:
    """Area under the precision envelope (all points), one class.

    Args:
        found: per picture, boxes ``(n, 4)`` and scores ``(n,)``.
        truth: per picture, true boxes ``(m, 4)``.
        ignored: per picture, regions in which a false box is not counted.
        least_overlap: IoU at which a box counts as found.

    Returns:
        0..1, or NaN when there is no true box at all.
    """
    total = sum(len(t) for t in truth)
    if total == 0:
        return float("nan")
    scores, hits = [], []
    for number, ((boxes, values), real) in enumerate(zip(found, truth, strict=True)):
        free = np.ones(len(real), bool)
        skip = ignored[number] if ignored is not None else np.empty((0, 4), np.float32)
        for index in np.argsort(-values, kind="stable"):
            box = boxes[index : index + 1]
            fits = np.where(free, overlap(box, real)[0], 0.0) if len(real) else np.zeros(0)
            best = int(np.argmax(fits)) if len(fits) else -1
            if best >= 0 and fits[best] >= least_overlap:
                free[best] = False
                hits.append(True)
            elif len(skip) and overlap(box, skip).max() >= 0.3:
                continue
            else:
                hits.append(False)
            scores.append(values[index])
    if not scores:
        return 0.0
    order = np.argsort(-np.asarray(scores), kind="stable")
    right = np.asarray(hits)[order]
    recall = np.cumsum(right) / total
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * envelope))


def auroc(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Chance that a picture with the thing scores above one without (ties half); NaN with one kind only."""
    values, real = np.asarray(scores, np.float64), np.asarray(truth, bool)
    positive, negative = values[real], np.sort(values[~real])
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    below = np.searchsorted(negative, positive, side="left")
    upto = np.searchsorted(negative, positive, side="right")
    return float((below + upto).mean() / 2 / len(negative))
