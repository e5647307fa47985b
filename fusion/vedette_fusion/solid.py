"""Solid things drawn by their depth: swept spheres and bevelled plates, lit from the upper left.

Coordinates are metres: x to the right, y up from the ground, z towards the camera, parallel projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Vector = tuple[float, float, float]

SUPERSAMPLE = 2
LIGHT = np.array([-0.45, 0.75, 0.55], np.float32) / np.float32(np.linalg.norm([-0.45, 0.75, 0.55]))

SKIN, JACKET, TROUSERS, SHOES, HAIR, METAL, POLYMER = range(7)
# Colour as BGR 0..1, and how much each shines and how fine its grain is.
_COLOUR = np.array(
    [
        [0.46, 0.58, 0.78],
        [0.26, 0.33, 0.33],
        [0.34, 0.24, 0.19],
        [0.10, 0.11, 0.13],
        [0.07, 0.08, 0.10],
        [0.20, 0.19, 0.18],
        [0.075, 0.075, 0.08],
    ],
    np.float32,
)
_SHINE = np.array([0.10, 0.03, 0.02, 0.12, 0.08, 0.65, 0.18], np.float32)
_GRAIN = np.array([0.05, 0.16, 0.14, 0.06, 0.35, 0.03, 0.06], np.float32)


class Canvas:
    """Depth, normal and material of the nearest surface at each pixel."""

    def __init__(self, width: float, height: float, left: float, scale: float) -> None:
        self.scale = scale * SUPERSAMPLE
        self.left, self.top = left, height
        shape = (ceil(height * self.scale), ceil(width * self.scale))
        self.depth = np.full(shape, -np.inf, np.float32)
        self.normal = np.zeros((*shape, 3), np.float32)
        self.material = np.full(shape, -1, np.int8)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Column and row of a point, in supersampled pixels."""
        return (x - self.left) * self.scale, (self.top - y) * self.scale

    def sweep(self, start: Vector, begin: float, stop: Vector, end: float, material: int) -> None:
        """A sphere of radius ``begin`` that moves to ``stop`` and becomes one of radius ``end``."""
        length = float(np.linalg.norm(np.subtract(stop, start)))
        count = max(2, ceil(length / (0.12 * min(begin, end))) + 1) if length > 1e-6 else 1
        for share in np.linspace(0.0, 1.0, count):
            x, y, z = (a + share * (b - a) for a, b in zip(start, stop, strict=True))
            self._sphere(x, y, z, begin + share * (end - begin), material)

    def _sphere(self, x: float, y: float, z: float, radius: float, material: int) -> None:
        column, row = self.pixel(x, y)
        reach = radius * self.scale
        top, bottom = max(0, int(row - reach)), min(self.depth.shape[0], int(row + reach) + 2)
        left, right = max(0, int(column - reach)), min(self.depth.shape[1], int(column + reach) + 2)
        if top >= bottom or left >= right:
            return
        dx = ((np.arange(left, right, dtype=np.float32) + 0.5 - column) / reach)[None, :]
        dy = ((row - np.arange(top, bottom, dtype=np.float32) - 0.5) / reach)[:, None]
        inside = dx**2 + dy**2
        rise = np.sqrt(np.maximum(1.0 - inside, 0.0))
        depth = np.where(inside < 1.0, z + radius * rise, -np.inf).astype(np.float32)
        window = (slice(top, bottom), slice(left, right))
        nearer = depth > self.depth[window]
        self.depth[window][nearer] = depth[nearer]
        self.material[window][nearer] = material
        normal = np.stack(np.broadcast_arrays(dx, dy, rise), -1)
        self.normal[window][nearer] = normal[nearer]

    def plate(
        self, outline: Sequence[tuple[float, float]], z: float, thick: float, bevel: float, material: int,
        holes: Sequence[Sequence[tuple[float, float]]] = (),
    ) -> npt.NDArray[np.bool_]:  # fmt: skip
        """A flat part with rounded edges, ``thick`` metres through and nearest at ``z + thick / 2``.

        Returns:
            Which pixels it covers, seen or not.
        """
        import cv2

        mask = np.zeros(self.depth.shape, np.uint8)
        cv2.fillPoly(mask, [self._polygon(outline)], 255, cv2.LINE_8, 4)
        for hole in holes:
            cv2.fillPoly(mask, [self._polygon(hole)], 0, cv2.LINE_8, 4)
        edge = np.minimum(cv2.distanceTransform(mask, cv2.DIST_L2, 3) / (bevel * self.scale), 1.0)
        edge = cv2.GaussianBlur(edge.astype(np.float32), (0, 0), 1.0)
        rise = np.sqrt(np.maximum(1.0 - (1.0 - edge) ** 2, 0.0))
        slope_y, slope_x = np.gradient(rise * bevel * self.scale)
        normal = np.stack([-slope_x, slope_y, np.ones_like(rise)], -1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        depth = z + thick / 2 + (rise - 1.0) * min(bevel, thick / 2)
        nearer = (mask > 0) & (depth > self.depth)
        self.depth[nearer] = depth[nearer]
        self.normal[nearer] = normal[nearer]
        self.material[nearer] = material
        return mask > 0

    def _polygon(self, outline: Sequence[tuple[float, float]]) -> npt.NDArray[np.int32]:
        points = [self.pixel(x, y) for x, y in outline]
        return np.round(np.array(points) * 16.0).astype(np.int32)

    def shade(self, grain: Floats) -> tuple[Floats, Floats]:
        """Light on what is there: colour ``(h, w, 3)`` and cover ``(h, w)``, at the picture's own size."""
        import cv2

        there = self.material >= 0
        material = np.maximum(self.material, 0)
        normal = np.asarray(cv2.GaussianBlur(self.normal, (0, 0), 1.2), np.float32)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
        depth = np.where(there, self.depth, self.depth[there].min() if there.any() else 0.0)
        # What lies deeper than its surroundings gets less of the sky.
        around = cv2.GaussianBlur(depth, (0, 0), 0.035 * self.scale)
        sky = np.clip(1.0 - 3.2 * np.maximum(around - depth, 0.0) / 0.12, 0.45, 1.0)
        lambert = np.maximum(normal @ LIGHT, 0.0)
        half = LIGHT + np.array([0.0, 0.0, 1.0], np.float32)
        shine = np.maximum(normal @ (half / np.float32(np.linalg.norm(half))), 0.0) ** 24
        light = sky * (0.42 + 0.25 * normal[..., 1]) + 0.62 * lambert
        tint = 1.0 + _GRAIN[material] * grain[: depth.shape[0], : depth.shape[1]]
        bgr = _COLOUR[material] * (light * tint)[..., None] + (_SHINE[material] * shine)[..., None]
        bgr = np.where(there[..., None], bgr, 0.0).astype(np.float32)
        size = (depth.shape[1] // SUPERSAMPLE, depth.shape[0] // SUPERSAMPLE)
        cover = cv2.resize(there.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        colour = cv2.resize(np.clip(bgr, 0.0, 1.0), size, interpolation=cv2.INTER_AREA)
        whole = np.asarray(colour / np.maximum(cover, 1e-3)[..., None], np.float32)
        return whole, np.asarray(cover, np.float32)
