"""A network that needs no training: it finds rectangles painted in one pure colour per class. For tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from vedette_vision.boxes import Floats
from vedette_vision.labels import OUTPUTS

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "knife": (255, 0, 0),
    "long_gun": (0, 255, 0),
    "no_weapon": (0, 255, 255),
    "pistol": (0, 0, 255),
    "person": (255, 0, 255),
}
"""What to paint, BGR."""


class PaintedEngine:
    """Stands in for a compiled detector.

    Args:
        scores: what it says of a painted class; 0.9 where not given. Change it at any time.
        least_pixels: a rectangle of fewer input pixels is too small to be seen: what a closer look is for.
    """

    description = "painted rectangles"

    def __init__(self, scores: Mapping[str, float] | None = None, *, least_pixels: int = 1) -> None:
        self.scores = dict(scores or {})
        self.least_pixels = least_pixels
        self.shapes: list[tuple[int, ...]] = []
        """Shape of every batch that came by."""

    def run(self, batch: npt.NDArray[np.float32]) -> tuple[Floats, ...]:
        """One candidate per class and picture, shape ``(n, 4 + classes, classes)``."""
        self.shapes.append(batch.shape)
        return (np.stack([self._look(picture) for picture in batch]),)

    def _look(self, picture: Floats) -> Floats:
        output = np.zeros((4 + len(OUTPUTS), len(OUTPUTS)), np.float32)
        for column, name in enumerate(OUTPUTS):
            colour = np.array(COLOURS[name][::-1], np.float32)[:, None, None] / 255
            painted = np.max(np.abs(picture - colour), axis=0) < 0.35
            if painted.sum() < self.least_pixels:
                continue
            rows, columns = np.flatnonzero(painted.any(axis=1)), np.flatnonzero(painted.any(axis=0))
            x1, x2, y1, y2 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
            output[:4, column] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
            output[4 + column, column] = self.scores.get(name, 0.9)
        return output
