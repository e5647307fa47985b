"""What a small grey picture tells before any network runs: whether something moved, how well can be seen."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vedette_base.config import MotionConfig

Gray = npt.NDArray[np.uint8]

COVERED_SPREAD = 12.0
"""Grey levels between the 2nd and 98th percentile below which a lens is covered, or the room is black."""
CLEAR_SPREAD = 60.0
DARK_LEVEL, LIT_LEVEL = 10.0, 45.0
"""Mean grey level of the brightest tenth of the picture that is next to black, and that is plenty."""
BLUR_EDGE, SHARP_EDGE = 1.0, 5.0
"""98th percentile of the absolute Laplacian of the small picture: fog or a wet lens, and a sharp picture."""
LEAST_QUALITY = 0.05


class MotionGate:
    """Decides which pictures are worth a look: those that differ from the last one looked at.

    A look is forced ``forced_look`` seconds after the last one, whatever moves. The comparison is with the
    last picture *looked at*, so slow changes add up until they count; an even change of light does not.
    """

    def __init__(self, config: MotionConfig) -> None:
        self._config = config
        self._seen: npt.NDArray[np.int16] | None = None
        self._time = float("-inf")

    def moving(self, gray: Gray) -> npt.NDArray[np.bool_] | None:
        """Which pixels of the small picture changed since the last look; None when there was none yet."""
        if self._seen is None or self._seen.shape != gray.shape:
            return None
        difference = gray.astype(np.int16) - self._seen
        difference -= np.int16(percentiles(difference, 50)[0])
        return np.asarray(np.abs(difference) > self._config.pixel_change)

    def wants_look(self, moving: npt.NDArray[np.bool_] | None, time: float, *, calm: bool = False) -> bool:
        """Whether to look at a picture at this time (seconds); ``calm`` where the last look gave no hint."""
        if not self._config.enabled or moving is None:
            return True
        # a clock that jumps back is no reason to be blind until it has caught up
        if not 0 <= time - self._time < self._config.forced_look - 1e-6:
            return True
        if calm and time - self._time < self._config.calm_pause - 1e-6:
            return False
        return float(moving.mean()) > self._config.share

    def looked(self, gray: Gray, time: float) -> None:
        """Remember what was looked at."""
        self._seen, self._time = gray.astype(np.int16), time


def picture_quality(gray: Gray) -> float:
    """How well a camera sees, 0..1, from its small grey picture: darkness, a covered lens, blur lower it."""
    low, bright, high = percentiles(gray, 2, 90, 98)
    contrast = (high - low - COVERED_SPREAD) / (CLEAR_SPREAD - COVERED_SPREAD)
    light = (bright - DARK_LEVEL) / (LIT_LEVEL - DARK_LEVEL)
    edges = np.abs(cv2.Laplacian(gray, cv2.CV_16S, ksize=1))
    sharp = (percentiles(edges, 98)[0] - BLUR_EDGE) / (SHARP_EDGE - BLUR_EDGE)
    return float(np.clip(min(contrast, light, sharp), LEAST_QUALITY, 1.0))


def percentiles(values: npt.NDArray[np.integer[Any]], *ranks: float) -> list[float]:
    """The same as ``np.percentile`` of small whole numbers, by counting: it runs on every picture."""
    least = int(values.min())
    below = np.bincount((values.ravel() - least).astype(np.intp)).cumsum()
    places = np.asarray(ranks) / 100 * (values.size - 1)
    low = np.searchsorted(below, np.floor(places), "right")
    high = np.searchsorted(below, np.ceil(places), "right")
    return [float(v) for v in least + low + (high - low) * (places % 1)]
