"""Cutting a chip: the square around a box, with a margin, at the classifier's size. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vedette_base.media import Pixels
from vedette_vision.boxes import Floats
from vedette_vision.imaging import resize

CHIP = 112
"""Side of the classifier's input, pixels."""
MARGIN = 0.25
"""Widening on each side, as a share of the box's longer side: the hand around a small gun says much."""
LABELS = ("no_weapon", "weapon")
"""Outputs of a chip classifier, in order: probabilities that sum to 1."""


def cut_chip(image: Pixels, box: Sequence[float] | Floats, *, side: int = CHIP) -> Pixels:
    """The square around ``box``, 1.5 times as large, shape ``(side, side, 3)``.

    A side above ``CHIP`` shows as much more around the thing, at the same scale: room to shift it. Beyond the
    picture its edge is repeated.

    Args:
        image: shape ``(h, w, 3)``, BGR.
        box: x1, y1, x2, y2 in its pixels; its centre lies within the picture.
        side: of the chip, pixels.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in box)
    half = max(x2 - x1, y2 - y1, 2.0) * (0.5 + MARGIN) * side / CHIP
    middle = min(max((x1 + x2) / 2, 0.0), width - 1.0), min(max((y1 + y2) / 2, 0.0), height - 1.0)
    left, top = (round(v - half) for v in middle)
    size = max(2, round(2 * half))
    part = image[max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)]
    rims = (
        max(0, -top), max(0, top + size - height), max(0, -left), max(0, left + size - width)
    )  # fmt: skip
    scale = side / size  # scaled before it is padded: a box as large as a panorama costs no memory
    inner = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    small = resize(np.ascontiguousarray(part), inner)
    if any(rims):
        above, before = min(side - 1, round(rims[0] * scale)), min(side - 1, round(rims[2] * scale))
        below, after = max(0, side - above - inner[1]), max(0, side - before - inner[0])
        small = np.asarray(
            cv2.copyMakeBorder(small, above, below, before, after, cv2.BORDER_REPLICATE), np.uint8
        )
    return resize(small, (side, side))


def centre(chips: Pixels) -> Pixels:
    """The middle ``CHIP`` pixels of stored chips ``(n, side, side, 3)``."""
    edge = (chips.shape[1] - CHIP) // 2
    return chips[:, edge : edge + CHIP, edge : edge + CHIP]
