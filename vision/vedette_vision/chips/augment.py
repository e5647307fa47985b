"""What training does to chips: shifts, flips, and all that cameras and recorders do to a picture."""

from __future__ import annotations

import cv2
import numpy as np

from vedette_base.media import Pixels
from vedette_vision.chips.cut import CHIP
from vedette_vision.imaging import resize

TURNED, GREY, SHRUNK, BLURRED, PACKED, NOISY = 0.3, 0.2, 0.4, 0.2, 0.3, 0.15
"""Share of chips each happens to."""
LEAST_SIDE = 12
"""Pixels to which a chip may be shrunk: a gun on a far camera has about as many."""


def augment(chip: Pixels, rng: np.random.Generator) -> Pixels:
    """A stored chip ``(128, 128, 3)`` as training sees it, ``(112, 112, 3)``."""
    image = _window(chip, rng)
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    if rng.random() < SHRUNK:
        side = round(float(np.exp(rng.uniform(np.log(LEAST_SIDE), np.log(CHIP)))))
        image = resize(resize(image, (side, side)), (CHIP, CHIP))
    if rng.random() < BLURRED:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.0)), np.uint8)
    light = image.astype(np.float32)
    if rng.random() < GREY:
        light = np.repeat(light.mean(axis=2, keepdims=True), 3, axis=2)
    light = (light - light.mean()) * rng.uniform(0.6, 1.4) + light.mean() * rng.uniform(0.5, 1.5)
    if rng.random() < NOISY:
        light = light + rng.normal(0, rng.uniform(2, 12), light.shape).astype(np.float32)
    image = np.clip(light, 0, 255).astype(np.uint8)
    if rng.random() < PACKED:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return image


def _window(chip: Pixels, rng: np.random.Generator) -> Pixels:
    """A random square of it, 0.7 to 1 times as wide, sometimes turned, at the network's size."""
    stored = chip.shape[0]
    if rng.random() < TURNED:
        matrix = cv2.getRotationMatrix2D((stored / 2, stored / 2), float(rng.uniform(-25, 25)), 1.0)
        chip = np.asarray(
            cv2.warpAffine(chip, matrix, (stored, stored), borderMode=cv2.BORDER_REFLECT_101), np.uint8
        )
    side = int(rng.integers(round(0.7 * stored), stored + 1))
    left, top = (int(v) for v in rng.integers(0, stored - side + 1, 2))
    return resize(np.ascontiguousarray(chip[top : top + side, left : left + side]), (CHIP, CHIP))
