"""Boxes in numpy: letterbox geometry, decoding of the network's output, overlap and suppression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
PAD_GRAY = 114  # the value that ultralytics pads with; the COCO weights know it


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture lies inside the network's input: scaled evenly, then centred on grey.

    Attributes:
        input_size: (width, height) of the network's input.
        inner: (width, height) of the scaled picture, at least 1 each.
        left, top: pixels of padding.
        scale_x, scale_y: input pixels per picture pixel.
    """

    input_size: tuple[int, int]
    inner: tuple[int, int]
    left: int
    top: int
    scale_x: float
    scale_y: float

    @classmethod
    def fit(cls, picture: tuple[int, int], input_size: tuple[int, int]) -> Letterbox:
        """Fit a picture of (width, height) into an input of (width, height)."""
        scale = min(input_size[0] / picture[0], input_size[1] / picture[1])
        inner = (
            max(1, min(input_size[0], round(picture[0] * scale))),
            max(1, min(input_size[1], round(picture[1] * scale))),
        )
        left, top = (input_size[0] - inner[0]) // 2, (input_size[1] - inner[1]) // 2
        return cls(input_size, inner, left, top, inner[0] / picture[0], inner[1] / picture[1])

    def pad(self, inner: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Put the scaled picture onto grey, shape ``(height, width, 3)``."""
        width, height = self.input_size
        canvas = np.full((height, width, 3), PAD_GRAY, np.uint8)
        canvas[self.top : self.top + self.inner[1], self.left : self.left + self.inner[0]] = inner
        return canvas

    def to_picture(self, boxes: Floats) -> Floats:
        """Boxes ``(n, 4)`` in input pixels to picture pixels, clipped to the picture."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        scale = np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y], np.float32)
        limit = np.array([self.inner[0], self.inner[1]] * 2, np.float32)
        moved: Floats = np.clip(boxes - offset, 0, limit) / scale
        return moved

    def to_input(self, boxes: Floats) -> Floats:
        """Boxes ``(n, 4)`` in picture pixels to input pixels."""
        scale = np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y], np.float32)
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        moved: Floats = (boxes * scale + offset).astype(np.float32)
        return moved


def area(boxes: Floats) -> Floats:
    """Area of each box, shape ``(n,)``."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    product: Floats = sides[:, 0] * sides[:, 1]
    return product


def overlap(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every pair, shape ``(len(a), len(b))``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    shared = sides[..., 0] * sides[..., 1]
    union: Floats = area(a)[:, None] + area(b)[None, :] - shared
    result: Floats = (shared / np.maximum(union, 1e-9)).astype(np.float32)
    return result


def containment(box: Floats, others: Floats) -> Floats:
    """Share of the smaller of two boxes that lies in the other: ``box`` ``(4,)`` with each of ``others``."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    sides = np.clip(high - low, 0, None)
    smaller = np.minimum(area(box[None]), area(others))
    share: Floats = (sides[:, 0] * sides[:, 1] / np.maximum(smaller, 1e-9)).astype(np.float32)
    return share


def suppress(boxes: Floats, scores: Floats, classes: Ints, limit: float) -> Ints:
    """Class-wise non-maximum suppression: indices that stay, best first. ``limit`` is the IoU allowed."""
    if len(boxes) == 0:
        return np.empty(0, np.int64)
    shift = classes.astype(np.float64)[:, None] * (float(boxes.max()) + 1.0)
    moved = boxes.astype(np.float64) + shift
    wide = np.concatenate([moved[:, :2], moved[:, 2:] - moved[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(wide.tolist(), scores.astype(np.float64).tolist(), 0.0, limit)
    return np.asarray(kept, np.int64).reshape(-1)


def decode(
    output: Floats, threshold: float, limit: float = 0.6, most: int = 300
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Decode one picture's network output.

    Args:
        output: shape ``(4 + classes, anchors)``: centre x, centre y, width, height in input pixels, then one
            probability per class.
        threshold: least score that counts.
        limit: IoU above which the weaker box of a class is dropped.
        most: candidates looked at, best first.

    Returns:
        Boxes ``(n, 4)`` as x1 y1 x2 y2 in input pixels, scores ``(n,)``, class numbers ``(n,)``; best first.
    """
    classes, anchors = np.nonzero(output[4:] >= threshold)
    scores = output[4 + classes, anchors]
    if scores.size > most:
        best = np.argpartition(-scores, most)[:most]
        classes, anchors, scores = classes[best], anchors[best], scores[best]
    centre, size = output[0:2, anchors].T, output[2:4, anchors].T
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
    kept = suppress(boxes, scores, classes, limit)
    return boxes[kept], scores[kept], classes[kept]
