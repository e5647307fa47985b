"""How large the network's input is for a picture: video keeps one shape, stills get what suits them."""

from __future__ import annotations

import math

from vedette_base.config import VisionConfig

SQUARE = 1.25
"""Pictures less oblong than this go through the square input."""
SMALL_STILL = 0.8
"""Share of ``still_size`` that small stills get: blown up further, things outgrow what training showed."""
ENLARGE = 1.2
"""Stills are small when this much larger they still fit it. Measured: knives of 300 pixels have AP50 0.54 at
384 pixels, 0.62 at 512 and 0.56 at 640; long guns of 416 pixels 0.67 at 512 and 0.59 at 640."""
STILL_SHAPES = (1.0, 0.75, 0.5625)
"""Shapes of the network's input for stills, shorter side by longer: each shape is an engine of its own."""
LEAST_FINER = 1.25
"""Stills with so many more pixels a side than the first look count as large."""


def input_size(picture: tuple[int, int], config: VisionConfig, *, still: bool) -> tuple[int, int]:
    """(width, height) of the network's input for a picture of (width, height).

    Near-square video and small stills go through a square one, chosen so that small pictures are not blown
    up; large stills through one of a few shapes.
    """
    if still or max(picture) / min(picture) < SQUARE:
        small = round(config.still_size * SMALL_STILL / 32) * 32
        side = small if ENLARGE * max(picture) <= small else config.still_size
        return shaped(picture, side) if still and max(picture) > LEAST_FINER * side else (side, side)
    if picture[0] >= picture[1]:
        return config.input_width, config.input_height
    return config.input_height, config.input_width


def shaped(picture: tuple[int, int], longest: int) -> tuple[int, int]:
    """(width, height) of the least of a few shapes that holds a picture scaled to a longest side."""
    oblong = min(picture) / max(picture)
    shortest = math.ceil(longest * min(s for s in STILL_SHAPES if s >= oblong) / 32) * 32
    return (longest, shortest) if picture[0] >= picture[1] else (shortest, longest)
