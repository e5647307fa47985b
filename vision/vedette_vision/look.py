"""What looks at a picture found, and how several looks at the same picture become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette_base.score import VISION_LABELS
from vedette_vision.boxes import Floats, Ints, Letterbox, overlap, suppress
from vedette_vision.labels import OUTPUTS, PERSON

MISSED = 0.01
"""Score of a look that should have found a thing and did not."""
SAME = 0.4
"""IoU from which boxes of a class, of different looks, are one thing."""

Window = tuple[int, int, int, int]
"""x1, y1, x2, y2 of a part of the picture, in its pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one look found, in full-size pixels, uncalibrated.

    Attributes:
        boxes: shape ``(n, 4)``, x1 y1 x2 y2.
        scores: shape ``(n,)``, 0..1.
        classes: shape ``(n,)``, indices into ``OUTPUTS``.
    """

    boxes: Floats
    scores: Floats
    classes: Ints

    @classmethod
    def empty(cls) -> Look:
        """Nothing found."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64))

    def of(self, keep: npt.NDArray[np.bool_] | Ints) -> Look:
        """A selection."""
        return Look(self.boxes[keep], self.scores[keep], self.classes[keep])

    def merge(self, others: Sequence[Look], limit: float) -> Look:
        """Several looks at the same picture as one; overlapping boxes of a class leave the best."""
        boxes = np.concatenate([self.boxes, *(o.boxes for o in others)])
        scores = np.concatenate([self.scores, *(o.scores for o in others)])
        classes = np.concatenate([self.classes, *(o.classes for o in others)])
        return Look(boxes, scores, classes).of(suppress(boxes, scores, classes, limit))

    def best(self) -> Floats:
        """The best score per class of ``VISION_LABELS``, 0 where there is none; shape ``(4,)``."""
        highest = np.zeros(len(OUTPUTS), np.float32)
        np.maximum.at(highest, self.classes, self.scores)
        return highest[: len(VISION_LABELS)]

    def sized(self, least: float, most: float) -> Look:
        """What is as long as this, in the unit of the boxes."""
        sides = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1, initial=0.0)
        return self.of((sides >= least) & (sides <= most))

    def with_people_of(self, other: Look) -> Look:
        """The things of this look, and the people of another."""
        things, people = self.of(self.classes < PERSON), other.of(other.classes == PERSON)
        return Look(
            np.concatenate([things.boxes, people.boxes]),
            np.concatenate([things.scores, people.scores]),
            np.concatenate([things.classes, people.classes]),
        )


def pooled(looks: Sequence[Look], *, agreed: bool) -> Look:
    """Several looks at the same picture as one, best first; people are left aside.

    Boxes of a class that overlap are one thing, which lies where its boxes do in the mean, weighted by score.

    Args:
        looks: boxes in pixels of the picture.
        agreed: whether all looks could have found the same. Then a thing's log-odds are their mean, and
            those that missed it count as ``MISSED`` (or as the best, where that is less). Else they are the
            best look's.
    """
    parts = [look.of(look.classes < PERSON) for look in looks]
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    boxes = np.concatenate([part.boxes for part in parts])[order]
    classes = np.concatenate([part.classes for part in parts])[order]
    source = np.repeat(np.arange(len(parts)), [len(part.scores) for part in parts])[order]
    places = np.zeros((len(order), 4), np.float32)
    given = np.zeros((len(order), len(looks)), np.float32)  # scores per thing and look, 0: none
    kinds = np.full(len(order), -1)
    count = 0
    for box, score, kind, look in zip(boxes, scores[order], classes, source, strict=True):
        free = np.flatnonzero((kinds[:count] == kind) & (given[:count, look] == 0))
        fits = overlap(box[None], places[free])[0]
        if len(fits) and fits.max() >= SAME:
            thing = int(free[int(fits.argmax())])
            weight = float(given[thing].sum())
            places[thing] = (places[thing] * weight + box * score) / (weight + score)
        else:
            thing, count = count, count + 1
            places[thing], kinds[thing] = box, kind
        given[thing, look] = score
    given = given[:count]
    together = _mean(given) if agreed and count else given.max(axis=1, initial=0.0)
    found = Look(places[:count], together, kinds[:count].astype(np.int64))
    return found.of(np.argsort(-together, kind="stable"))


def _mean(given: Floats) -> Floats:
    """Scores of things ``(n,)`` from those of every look ``(n, looks)``, 0 where it found nothing."""
    missed = np.minimum(MISSED, given.max(axis=1, keepdims=True))
    clipped = np.clip(np.where(given > 0, given, missed), 1e-4, 1 - 1e-4)
    odds = np.log(clipped / (1 - clipped)).mean(axis=1)
    scores: Floats = (1 / (1 + np.exp(-odds))).astype(np.float32)
    return scores


def mirrored(look: Look, fit: Letterbox) -> Look:
    """What was found on a mirrored cut-out, in the pixels of the cut-out itself."""
    boxes = look.boxes.copy()
    # mirrored with its grey rim: the right one became the left one
    width = (fit.input_size[0] - 2 * fit.left) / fit.scale_x
    boxes[:, [0, 2]] = np.clip(width - look.boxes[:, [2, 0]], 0, fit.inner[0] / fit.scale_x)
    return Look(boxes, look.scores, look.classes)


def faded(first: Look, windows: Sequence[tuple[int, int, int, int]], share: float) -> Look:
    """A first look in which small things inside looked-at squares keep only a share of their score."""
    sides = (first.boxes[:, 2:] - first.boxes[:, :2]).max(axis=1, initial=0.0)
    scores = first.scores.copy()
    for x1, y1, x2, y2 in windows:
        inside = (first.boxes[:, :2] >= (x1, y1)).all(1) & (first.boxes[:, 2:] <= (x2, y2)).all(1)
        small = (sides < 0.5 * max(x2 - x1, y2 - y1)) & (first.classes < PERSON)
        scores[inside & small] = first.scores[inside & small] * share
    return Look(first.boxes, scores, first.classes)


def thinned(look: Look, small: float, limit: float) -> Look:
    """Stricter suppression among things whose longest side is below ``small``: tiny boxes hardly overlap."""
    sides = (look.boxes[:, 2:] - look.boxes[:, :2]).max(axis=1, initial=0.0)
    tiny = np.flatnonzero((sides < small) & (look.classes < PERSON))
    kept = tiny[suppress(look.boxes[tiny], look.scores[tiny], look.classes[tiny], limit)]
    chosen = np.concatenate([np.setdiff1d(np.arange(len(sides)), tiny), kept])
    return look.of(chosen[np.argsort(-look.scores[chosen], kind="stable")])


def moved(look: Look, window: tuple[int, int, int, int], picture: tuple[int, int]) -> Look:
    """Boxes of a cut-out in picture pixels; those that the cut-out's edge cuts are left to the first look."""
    size = np.array([window[2] - window[0], window[3] - window[1]], np.float32)
    edge = 0.01 * size
    cut_low = (look.boxes[:, :2] < edge) & (np.array(window[:2]) > 0)
    cut_high = (look.boxes[:, 2:] > size - edge) & (np.array(window[2:]) < np.array(picture))
    whole = look.of(np.flatnonzero(~(cut_low | cut_high).any(axis=1)))
    offset = np.array([window[0], window[1]] * 2, np.float32)
    return Look(whole.boxes + offset, whole.scores, whole.classes)
