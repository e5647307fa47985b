"""Tiles: overlapping squares of the full-size picture, each enlarged and looked at, for tiny things.

A switch for cameras that look far (`tiles.side` in the configuration, off by default): every tile costs as
much as a whole look. Panoramas have tiles of their own in `vedette detect`, whatever is set here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vedette_base.config import TilesConfig
from vedette_base.media import Frame, Pixels
from vedette_vision.boxes import Letterbox
from vedette_vision.imaging import resize
from vedette_vision.look import Look

Window = tuple[int, int, int, int]
LooksAt = Callable[[list[Pixels], list[Letterbox]], list[Look]]

TOGETHER = 8
"""Tiles that go through the network in one batch: memory stays the same however many there are."""
MOST_PIXELS = 50_000_000
"""A larger picture is scaled down before it is cut."""
EDGE = 0.01
"""Share of a tile's side within which a box counts as cut by its edge: the next tile has it whole."""


def tile_windows(picture: tuple[int, int], settings: TilesConfig) -> list[Window]:
    """Tiles of a picture of (width, height): x1, y1, x2, y2 in its pixels; none where one is all.

    Tiles grow where there would be more than ``settings.most``.
    """
    side = float(settings.side)
    while True:
        across, down = (_starts(length, round(side), settings.overlap) for length in picture)
        if len(across) * len(down) <= settings.most:
            break
        side *= 1.1
    if len(across) * len(down) == 1:
        return []
    wide, tall = min(round(side), picture[0]), min(round(side), picture[1])
    return [(x, y, x + wide, y + tall) for y in down for x in across]


def look_at_tiles(
    first: Look,
    frame: Frame,
    settings: TilesConfig,
    looks_at: LooksAt,
    *,
    nms_iou: float,
    most: int,
) -> Look:
    """Look at the tiles of a frame as well.

    Args:
        first: what was found otherwise.
        looks_at: looks at cut-outs, each letterboxed; gives boxes in pixels of its own cut-out.
        nms_iou: overlapping boxes of a class above it leave the best.
        most: boxes that are kept, best first.

    Returns:
        Both looks as one, in full-size pixels. What a tile's edge cuts is left to its neighbour.
    """
    picture = frame.size
    windows = tile_windows(picture, settings)
    if not windows:
        return first
    shrink = min(1.0, (MOST_PIXELS / (picture[0] * picture[1])) ** 0.5)
    image = frame.bgr(max(1, round(picture[0] * shrink)), max(1, round(picture[1] * shrink)))
    found = []
    for begin in range(0, len(windows), TOGETHER):
        few = windows[begin : begin + TOGETHER]
        pairs = [_cut(image, window, shrink, settings.size) for window in few]
        looks = looks_at([cut for cut, _ in pairs], [fit for _, fit in pairs])
        found += [_whole(look, window, picture) for look, window in zip(looks, few, strict=True)]
    merged = first.merge(found, nms_iou)
    return merged.of(np.arange(len(merged.scores)) < most)


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side * (1 - overlap)))) + 1
    return [int(v) for v in np.linspace(0, length - side, count).round()]


def _cut(image: Pixels, window: Window, shrink: float, size: int) -> tuple[Pixels, Letterbox]:
    x1, y1, x2, y2 = window
    cut = image[int(y1 * shrink) : max(int(y2 * shrink), int(y1 * shrink) + 1),
                int(x1 * shrink) : max(int(x2 * shrink), int(x1 * shrink) + 1)]  # fmt: skip
    fit = Letterbox.fit((x2 - x1, y2 - y1), (size, size))
    return fit.pad(resize(cut, fit.inner)), fit


def _whole(look: Look, window: Window, picture: tuple[int, int]) -> Look:
    """Boxes of a tile in picture pixels, without those that an edge inside the picture cuts."""
    size = np.array([window[2] - window[0], window[3] - window[1]], np.float32)
    low = (look.boxes[:, :2] < EDGE * size) & (np.array(window[:2]) > 0)
    high = (look.boxes[:, 2:] > size - EDGE * size) & (np.array(window[2:]) < np.array(picture))
    kept = look.of(np.flatnonzero(~(low | high).any(axis=1)))
    kept.boxes[:] += np.array([window[0], window[1]] * 2, np.float32)
    return kept
