"""The few picture operations that everything here shares, typed (OpenCV's own types are loose)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vedette_base.media import Pixels


def read_image(path: Path) -> Pixels | None:
    """A picture file decoded, upright, shape ``(h, w, 3)`` BGR; None where that cannot be done.

    ``cv2.imread`` itself ends the process with a segmentation fault at a name that is not UTF-8.
    """
    try:
        data = np.fromfile(path, np.uint8)
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)


def resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Stretch to (width, height): averaging when it gets smaller, linear when it grows."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)


def network_input(images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
    """BGR pictures of one size as the network takes them: RGB, 0..1, shape ``(n, 3, h, w)``."""
    return np.asarray(cv2.dnn.blobFromImages(list(images), 1 / 255.0, swapRB=True), np.float32)
