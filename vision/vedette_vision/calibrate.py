"""From a picture's best score to the probability that it shows a weapon: one map for all weapons.

Validation pictures are no fair sample of what a camera sees: every second one shows a pistol. So positives
and negatives are weighted to a stated base rate, and negatives are made: the largest part of each picture
that holds no label. Three weapons share one map, because a third of ``val`` has 30 long guns: a map fitted
to so few said 0.86 of what a wet pavement scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vedette_base.calibration import CalibrationMap, PlattMap, fit_platt
from vedette_base.errors import DataError
from vedette_base.media import Pixels
from vedette_base.score import VISION_LABELS, WEAPONS
from vedette_vision.boxes import Floats
from vedette_vision.dataset import Picture
from vedette_vision.detector import ImageFrame, Look, WeaponDetector

BASE_RATE = 0.05
"""Share of pictures with a weapon that calibration assumes."""
FLOOR = 0.02
"""Best scores below this say "nothing found", and do not bend the map for those above."""
UNSURE_SUBSETS = {"us_cam1"}
"""Left out: of the original's labels 210 knives are missing, and half of its guns cannot be told by eye."""
LEAST_SIDE = 96
"""Pixels that a part without labels must have each way to serve as a negative."""


def calibrate(
    detector: WeaponDetector, pictures: Sequence[Picture], looks: Sequence[Look]
) -> dict[str, CalibrationMap]:
    """Calibration of a detector on labelled pictures at which it has already looked.

    Raises:
        DataError: a class that is on no picture, or no picture without it.
    """
    sure = [i for i, p in enumerate(pictures) if p.subset not in UNSURE_SUBSETS]
    parts = [part for i in sure if (part := weapon_free(pictures[i])) is not None]
    empty = [detector.look_twice(ImageFrame(part)) for part in parts]
    return fit_maps([pictures[i] for i in sure], [looks[i] for i in sure], empty)


def weapon_free(picture: Picture) -> Pixels | None:
    """The largest strip of a picture beside, above or below everything labelled; None if it is too narrow."""
    image = picture.read()
    size = np.array([image.shape[1], image.shape[0]] * 2)
    boxes = picture.labels[:, 1:] * size
    low, high = (boxes[:, :2].min(0), boxes[:, 2:].max(0)) if len(boxes) else (size[:2], size[2:])
    width, height = int(size[0]), int(size[1])
    strips = [
        image[:, : int(low[0])],
        image[:, min(width, int(high[0]) + 1) :],
        image[: int(low[1])],
        image[min(height, int(high[1]) + 1) :],
    ]
    largest = max(strips, key=lambda strip: min(strip.shape[:2]) >= LEAST_SIDE and strip.size)
    return np.ascontiguousarray(largest) if min(largest.shape[:2]) >= LEAST_SIDE else None


def fit_maps(
    pictures: Sequence[Picture], looks: Sequence[Look], empty: Sequence[Look]
) -> dict[str, CalibrationMap]:
    """The maps from looks at labelled pictures, and at pictures that show nothing of all this.

    Platt's map, because it keeps the order of scores everywhere: an isotonic map is flat at its ends.
    """
    best = np.stack([look.best() for look in looks])
    nothing = np.stack([look.best() for look in empty]) if empty else np.empty((0, len(VISION_LABELS)))
    positive, negative = [], []
    for name in WEAPONS:
        column = VISION_LABELS.index(name)
        positive.append(best[[p.shows(name) for p in pictures], column])
        negative.append(nothing[:, column])
    weapon = _fit("a weapon", np.concatenate(positive), np.concatenate(negative))
    column = VISION_LABELS.index("no_weapon")
    shown = np.array([p.shows("no_weapon") for p in pictures])
    phone = _fit("no_weapon", best[shown, column], np.concatenate([best[~shown, column], nothing[:, column]]))
    return {name: weapon if name in WEAPONS else phone for name in VISION_LABELS}


def _fit(name: str, positive: Floats, negative: Floats) -> PlattMap:
    if len(positive) == 0 or len(negative) == 0:
        raise DataError(f"cannot calibrate {name}: {len(positive)} pictures show it, {len(negative)} do not")
    raw = np.concatenate([positive, negative])
    truth = np.arange(len(raw)) < len(positive)
    weights = np.where(truth, BASE_RATE / len(positive), (1 - BASE_RATE) / len(negative)) * len(raw)
    used = raw >= FLOOR
    if not truth[used].any() or truth[used].all():
        right, wrong = int((positive >= FLOOR).sum()), int((negative >= FLOOR).sum())
        raise DataError(
            f"cannot calibrate {name}: of {len(positive)} pictures that show it {right} score {FLOOR:g} "
            f"or more, and {wrong} of {len(negative)} that do not",
            hint="a network of a few steps finds nothing yet: train longer",
        )
    fitted = fit_platt(raw[used], truth[used], weights=weights[used])
    return fitted.model_copy(update={"base_rate": BASE_RATE})
