"""A drawn street corner: the ground on which a scene plays. Fixed, textured, lit by an overcast sky."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def draw_street(width: int, height: int, rng: np.random.Generator) -> Floats:
    """A brick front with door and window above a pavement: ``(height, width, 3)`` BGR, 0..1."""
    import cv2

    unit = height / 720.0
    wall = _bricks(width, height, unit, rng)
    _stain(wall, rng, 0.16, 160 * unit)
    _window(wall, (int(70 * unit), int(120 * unit), int(300 * unit), int(430 * unit)), rng)
    _door(wall, (int(880 * unit), int(90 * unit), int(1090 * unit), int(640 * unit)), rng)
    _pipe(wall, int(770 * unit), unit)
    _pavement(wall, int(640 * unit), rng)
    _sign(wall, (int(360 * unit), int(110 * unit)), unit)
    # Light falls off towards the edges, and a lens is never quite sharp.
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    away = ((columns / width - 0.45) ** 2 + (rows / height - 0.4) ** 2)[..., None]
    return np.asarray(cv2.GaussianBlur(wall * (1.08 - 0.5 * away), (0, 0), 0.8 * unit), np.float32)


def _bricks(width: int, height: int, unit: float, rng: np.random.Generator) -> Floats:
    import cv2

    brick_h, brick_w, joint = 22 * unit, 66 * unit, max(1, round(2.5 * unit))
    wall = np.full((height, width, 3), (0.56, 0.58, 0.59), np.float32)
    for row in range(int(height / brick_h) + 1):
        top = row * brick_h
        for column in range(-1, int(width / brick_w) + 1):
            left = (column + 0.5 * (row % 2)) * brick_w
            shade = 0.60 + 0.035 * rng.standard_normal()  # whitewashed: dark things stand out against it
            colour = (shade * 0.90, shade * 0.95, shade * (1.02 + 0.03 * rng.standard_normal()))
            corner = (int(left) + joint, int(top) + joint)
            cv2.rectangle(wall, corner, (int(left + brick_w), int(top + brick_h)), colour, -1)
    wall += rng.standard_normal((height, width, 1)).astype(np.float32) * 0.035
    return np.asarray(cv2.GaussianBlur(wall, (0, 0), 0.9 * unit), np.float32)


def _stain(wall: Floats, rng: np.random.Generator, depth: float, size: float) -> None:
    import cv2

    coarse = rng.standard_normal((9, 16)).astype(np.float32)
    smooth = cv2.resize(coarse, (wall.shape[1], wall.shape[0]), interpolation=cv2.INTER_CUBIC)
    wall *= 1.0 + depth * 0.5 * cv2.GaussianBlur(smooth, (0, 0), size / 8)[..., None]


def _window(wall: Floats, box: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    import cv2

    left, top, right, bottom = box
    cv2.rectangle(wall, (left - 10, top - 10), (right + 10, bottom + 10), (0.72, 0.74, 0.75), -1)
    glass = np.linspace(0.55, 0.16, bottom - top, dtype=np.float32)[:, None, None]
    sky = np.array([1.0, 0.93, 0.86], np.float32)
    cloud = cv2.resize(
        rng.random((6, 5)).astype(np.float32), (right - left, bottom - top), interpolation=cv2.INTER_CUBIC
    )
    wall[top:bottom, left:right] = glass * sky * (0.75 + 0.4 * cloud[..., None])
    middle = (left + right) // 2
    cv2.line(wall, (middle, top), (middle, bottom), (0.70, 0.72, 0.73), 8)
    cv2.line(wall, (left, (2 * top + bottom) // 3), (right, (2 * top + bottom) // 3), (0.70, 0.72, 0.73), 6)
    cv2.rectangle(wall, (left - 18, bottom + 8), (right + 18, bottom + 26), (0.62, 0.63, 0.64), -1)


def _door(wall: Floats, box: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    import cv2

    left, top, right, bottom = box
    cv2.rectangle(wall, (left - 14, top - 14), (right + 14, bottom), (0.45, 0.46, 0.47), -1)
    cv2.rectangle(wall, (left, top), (right, bottom), (0.24, 0.33, 0.22), -1)
    inset, third = (right - left) // 8, (bottom - top) // 3
    for number in range(3):
        upper = top + number * third + inset
        corners = (left + inset, upper), (right - inset, upper + third - inset)
        cv2.rectangle(wall, *corners, (0.19, 0.27, 0.17), -1)
        cv2.line(wall, (corners[0][0], corners[0][1]), (corners[1][0], corners[0][1]), (0.11, 0.16, 0.10), 3)
        cv2.line(wall, (corners[0][0], corners[1][1]), (corners[1][0], corners[1][1]), (0.36, 0.45, 0.34), 3)
    cv2.circle(wall, (left + inset // 2 + 4, (top + bottom) // 2), 8, (0.5, 0.62, 0.66), -1, cv2.LINE_AA)
    part = wall[top:bottom, left:right]
    part += 0.012 * rng.standard_normal((part.shape[0], part.shape[1], 1)).astype(np.float32)


def _sign(wall: Floats, corner: tuple[int, int], unit: float) -> None:
    import cv2

    sign = np.full((int(80 * unit), int(200 * unit), 3), (107, 92, 51), np.uint8)
    place, thick = (int(22 * unit), int(58 * unit)), max(1, int(3 * unit))
    cv2.putText(sign, "CAFE", place, cv2.FONT_HERSHEY_DUPLEX, 1.8 * unit, (204, 219, 224), thick, cv2.LINE_AA)
    rows, columns = sign.shape[:2]
    wall[corner[1] : corner[1] + rows, corner[0] : corner[0] + columns] = sign.astype(np.float32) / 255.0


def _pipe(wall: Floats, column: int, unit: float) -> None:
    half = int(13 * unit)
    across = np.linspace(-1.0, 1.0, 2 * half, dtype=np.float32)
    light = 0.22 + 0.42 * np.maximum(0.0, np.sqrt(1 - across**2) * 0.7 - across * 0.45)
    wall[:, column - half : column + half] = light[None, :, None] * np.array([1.0, 0.99, 0.97], np.float32)
    shadow = slice(column + half, column + half + int(16 * unit))
    wall[:, shadow] *= np.linspace(0.7, 1.0, wall[:, shadow].shape[1], dtype=np.float32)[None, :, None]


def _pavement(wall: Floats, top: int, rng: np.random.Generator) -> None:
    import cv2

    height, width = wall.shape[0] - top, wall.shape[1]
    stone = np.full((height, width, 3), (0.50, 0.52, 0.53), np.float32)
    stone += 0.03 * rng.standard_normal((height, width, 1)).astype(np.float32)
    stone *= np.linspace(0.78, 1.05, height, dtype=np.float32)[:, None, None]
    for column in range(-width, 2 * width, max(8, width // 9)):
        cv2.line(
            stone,
            (column, 0),
            (width // 2 + 2 * (column - width // 2), height),
            (0.36, 0.37, 0.38),
            2,
            cv2.LINE_AA,
        )
    cv2.line(stone, (0, height // 2), (width, height // 2), (0.38, 0.39, 0.40), 2, cv2.LINE_AA)
    wall[top:] = stone
    wall[top - 10 : top + 4] *= 0.72
