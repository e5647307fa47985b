"""Pictures far wider than high: scaled down whole they show nothing, so they are looked at in tiles too."""

from __future__ import annotations

import numpy as np

from vedette_base.media import Frame
from vedette_vision.detector import ImageFrame, Look, WeaponDetector

OBLONG = 3.0
"""Pictures at least this many times as long as wide are panoramas."""
LEAST_SIDE = 640
"""Pixels of a tile at least: what is smaller needs none."""
SHARED = 0.25
"""Share of a tile that the next one shows again: things up to that size are whole on one of them."""
MOST_PIXELS = 50_000_000
"""Larger panoramas are scaled down before they are cut: they would fill the memory."""
EDGE = 2.0
"""Pixels from a tile's edge within which a box counts as cut by it."""


def is_panorama(size: tuple[int, int]) -> bool:
    """Whether a still of (width, height) is looked at in tiles."""
    return max(size) >= OBLONG * min(size) and max(size) > 2 * LEAST_SIDE


def look_in_tiles(detector: WeaponDetector, frame: Frame) -> Look:
    """The whole still once, then overlapping square tiles along it; one result in pixels of ``frame``."""
    width, height = frame.size
    shrink = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
    image = frame.bgr(max(1, round(width * shrink)), max(1, round(height * shrink)))
    tall, wide = image.shape[:2]
    along = 0 if wide >= tall else 1  # the coordinate that tiles differ in
    length = max(wide, tall)
    looks = []
    for start, end in tiles(length, max(min(wide, tall), LEAST_SIDE)):
        part = image[:, start:end] if along == 0 else image[start:end]
        look = detector.look_twice(ImageFrame(np.ascontiguousarray(part)))
        low, high = look.boxes[:, along], look.boxes[:, along + 2]
        cut = (low < EDGE) & (start > 0) | (high > end - start - EDGE) & (end < length)
        look = look.of(np.flatnonzero(~cut))
        boxes = look.boxes.copy()
        boxes[:, [along, along + 2]] += start
        looks.append(Look(boxes / np.float32(shrink), look.scores, look.classes))
    return detector.look_twice(frame).merge(looks, detector.config.nms_iou)


def tiles(length: int, side: int) -> list[tuple[int, int]]:
    """Starts and ends of tiles of ``side`` pixels, evenly spread over ``length``."""
    if length <= side:
        return [(0, length)]
    count = int(np.ceil((length - side) / (side * (1 - SHARED)))) + 1
    starts = np.linspace(0, length - side, count).round().astype(int)
    return [(int(start), int(start) + side) for start in starts]
