"""Made-up rooms with people cut out of camera pictures, armed or not, or with nobody at all.

A detector brought up on weapons before plain backgrounds takes an empty corridor for a large pistol. Rooms of
plain walls, doors, signs and bins teach it that they are none; people in them, that places do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vedette_base.media import Pixels
from vedette_vision.boxes import Floats
from vedette_vision.cutouts import CAMERA_SUBSETS
from vedette_vision.dataset import Labels, Picture
from vedette_vision.imaging import resize
from vedette_vision.labels import LABEL_IDS, PERSON

LEAST_PERSON = 40
"""Pixels of height from which somebody is cut out."""
EMPTY = 0.7
"""Share of rooms without anybody."""
MOST_PEOPLE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Somebody without background, and what they hold.

    Attributes:
        pixels: shape ``(h, w, 3)``, BGR.
        mask: shape ``(h, w)``, 0..1.
        labels: shape ``(n, 5)``: id, x1, y1, x2, y2 in pixels of this cut-out.
    """

    pixels: Pixels
    mask: Floats
    labels: Labels


@dataclass
class Rooms:
    """Draws rooms with people of given pictures in them.

    Attributes:
        pictures: where people are cut out; those of cameras are used.
    """

    pictures: Sequence[Picture]
    _known: dict[tuple[int, int], Figure | None] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._people = [
            (number, int(row))
            for number, picture in enumerate(self.pictures)
            if picture.subset in CAMERA_SUBSETS
            for row in np.flatnonzero(picture.labels[:, 0] == PERSON)
        ]

    def draw(self, rng: np.random.Generator) -> tuple[Pixels, Labels]:
        """A room and its labels in pixels."""
        width = int(rng.integers(320, 520))
        height = int(width * rng.choice([0.5625, 0.75, 1.0]))
        image = room(width, height, rng)
        labels = [np.empty((0, 5), np.float32)]
        count = 0 if rng.random() < EMPTY or not self._people else int(rng.integers(1, MOST_PEOPLE + 1))
        for tall in np.sort(rng.uniform(0.15, 0.7, count)):  # the nearer ones stand in front
            figure = self._figure(rng)
            if figure is not None:
                labels.append(_stand(image, figure, tall * height, rng))
        return image, np.concatenate(labels)

    def _figure(self, rng: np.random.Generator) -> Figure | None:
        key = self._people[int(rng.integers(len(self._people)))]
        if key not in self._known:
            self._known[key] = figure_of(self.pictures[key[0]], key[1])
        return self._known[key]


def figure_of(picture: Picture, row: int) -> Figure | None:
    """Cut out the person of a label row, with the weapons at hand; None if there is no clear outline."""
    image = picture.read()
    height, width = image.shape[:2]
    labels = picture.labels.copy()
    labels[:, 1:] *= np.array([width, height] * 2, np.float32)
    box = labels[row, 1:]
    middles = (labels[:, 1:3] + labels[:, 3:5]) / 2
    reach = 0.15 * (box[3] - box[1])
    near = ((middles > box[:2] - reach) & (middles < box[2:] + reach)).all(axis=1)
    held = labels[near & (labels[:, 0] < LABEL_IDS["ignore"]) & (labels[:, 0] != PERSON)]
    boxes = np.concatenate([box[None], held[:, 1:]])
    x1, y1 = np.maximum(boxes[:, :2].min(0) - 4, 0).astype(int)
    x2, y2 = np.minimum(boxes[:, 2:].max(0) + 5, [width, height]).astype(int)
    if box[3] - box[1] < LEAST_PERSON or x2 - x1 < 12 or y2 - y1 > 0.97 * height:
        return None
    part = np.ascontiguousarray(image[y1:y2, x1:x2])
    labels = np.concatenate([labels[row : row + 1], held])
    labels[:, 1:] -= np.array([x1, y1, x1, y1], np.float32)
    mask = _body(part, labels[0, 1:])
    if mask is None:
        return None
    for left, top, right, low in labels[1:, 1:].astype(int):
        mask[max(0, top) : low + 1, max(0, left) : right + 1] = 1.0
    return Figure(part, np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.8), np.float32), labels)


def _body(part: Pixels, box: Floats) -> Floats | None:
    marks: Any = np.full(part.shape[:2], cv2.GC_BGD, np.uint8)
    x1, y1, x2, y2 = (int(v) for v in box)
    marks[max(0, y1) : y2, max(0, x1) : x2] = cv2.GC_PR_FGD
    third = (x2 - x1) // 3
    marks[y1 + (y2 - y1) // 8 : y1 + (y2 - y1) // 2, x1 + third : x2 - third] = cv2.GC_FGD
    models: list[Any] = [np.zeros((1, 65), np.float64) for _ in range(2)]
    cv2.setRNGSeed(0)
    try:
        cv2.grabCut(part, marks, (0, 0, 1, 1), models[0], models[1], 2, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # no background left, or all pixels alike
        return None
    mask = (marks & 1).astype(np.float32)
    share = float(mask.sum()) / max(1, (x2 - x1) * (y2 - y1))
    return mask if 0.25 <= share <= 0.95 else None


def _stand(image: Pixels, figure: Figure, tall: float, rng: np.random.Generator) -> Labels:
    """Draw somebody into a room, in place; the labels in its pixels."""
    scale = tall / float(figure.labels[0, 4] - figure.labels[0, 2])
    size = max(3, round(figure.mask.shape[1] * scale)), max(3, round(figure.mask.shape[0] * scale))
    pixels = resize(figure.pixels, size)
    mask = np.asarray(cv2.resize(figure.mask, size, interpolation=cv2.INTER_AREA), np.float32)
    labels = figure.labels.copy()
    labels[:, 1:] *= np.array([size[0] / figure.mask.shape[1], size[1] / figure.mask.shape[0]] * 2)
    if rng.random() < 0.5:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
        labels[:, [1, 3]] = size[0] - labels[:, [3, 1]]
    height, width = image.shape[:2]
    if size[0] >= width or size[1] >= height:
        return np.empty((0, 5), np.float32)
    left, top = int(rng.integers(0, width - size[0])), int(rng.integers(0, height - size[1]))
    behind = image[top : top + size[1], left : left + size[0]].astype(np.float32)
    light = float(np.clip(behind.mean() / max(20.0, float(pixels.mean())), 0.6, 1.4))
    front = pixels.astype(np.float32) * (light * rng.uniform(0.85, 1.15))
    alpha = mask[..., None]
    mixed = np.clip(behind * (1 - alpha) + front * alpha, 0, 255).astype(np.uint8)
    image[top : top + size[1], left : left + size[0]] = mixed
    labels[:, 1:] += np.array([left, top, left, top], np.float32)
    return labels


def room(width: int, height: int, rng: np.random.Generator) -> Pixels:
    """A made-up room: five surfaces that meet at a back wall; doors, signs, boxes and lights on them."""
    size = np.array([width, height])
    middle = size * rng.uniform([0.25, 0.1], [0.75, 0.6])
    half = size * rng.uniform(0.06, 0.3, 2)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    back = middle + corners * half
    outer = (corners + 1) / 2 * size
    outer += (outer - size / 2) * 0.3  # tilted rooms still fill the picture
    tone = rng.uniform(50, 220) + np.array([-1.0, 0.0, 1.0]) * rng.uniform(-15, 45) + rng.uniform(-10, 10, 3)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = _shade(tone, rng)
    for side in range(4):
        other = (side + 1) % 4
        surface = np.array([outer[side], outer[other], back[other], back[side]])
        colour = _shade(tone if side != 2 else rng.uniform(60, 200, 3) * 0.2 + tone * 0.75, rng)
        cv2.fillConvexPoly(image, surface.astype(np.int32), colour.tolist(), cv2.LINE_AA)
        for _ in range(int(rng.integers(0, 4))):
            _panel(image, surface, rng)
    for _ in range(int(rng.integers(0, 6))):
        _thing(image, rng)
    image = _lit(image, rng)
    if rng.random() < 0.4:
        place = int(rng.integers(0, width // 2)), int(height * rng.choice([0.07, 0.96]))
        text = f"{rng.integers(10, 30)}/0{rng.integers(1, 9)} {rng.integers(10, 24)}:{rng.integers(10, 60)}"
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (235, 235, 235), 1)
    turn: Any = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-8, 8), 1.05)
    return np.asarray(cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def _shade(tone: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    shade: npt.NDArray[np.float64] = np.clip(tone * rng.uniform(0.5, 1.25) + rng.uniform(-8, 8, 3), 5, 250)
    return shade


def _paint(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Mostly greys and browns from dark to white, now and then a colour."""
    if rng.random() < 0.25:
        return rng.uniform(0, 255, 3)
    gray = rng.uniform(8, 70) if rng.random() < 0.5 else rng.uniform(60, 245)
    return np.clip(gray + np.array([-1.0, 0.0, 1.0]) * rng.uniform(-8, 25), 0, 255)


def _panel(image: Pixels, surface: npt.NDArray[np.float64], rng: np.random.Generator) -> None:
    """A door, a window or a poster that lies in a surface."""
    low, high = np.sort(rng.uniform(0.05, 0.95, 2))
    near, far = np.sort(rng.uniform(0.05, 0.95, 2))
    far = min(far, near + 0.4)
    a, b, c, d = surface

    def at(along: float, deep: float) -> npt.NDArray[np.float64]:
        point: npt.NDArray[np.float64] = (a + (b - a) * along) * (1 - deep) + (d + (c - d) * along) * deep
        return point

    corners = np.array([at(low, near), at(high, near), at(high, far), at(low, far)]).astype(np.int32)
    cv2.fillConvexPoly(image, corners, _paint(rng).tolist(), cv2.LINE_AA)
    if rng.random() < 0.5:
        cv2.polylines(image, [corners], True, rng.uniform(0, 255, 3).tolist(), 1, cv2.LINE_AA)


def _thing(image: Pixels, rng: np.random.Generator) -> None:
    """A bin, a box, a sign, a cable: a few patches, up to a third of the picture wide."""
    height, width = image.shape[:2]
    side = width * float(np.exp(rng.uniform(np.log(0.01), np.log(0.3))))
    middle = rng.uniform(0, 1, 2) * (width, height)
    for _ in range(int(rng.integers(1, 4))):
        shape = rng.uniform(-0.5, 0.5, (int(rng.integers(3, 7)), 2)) * side * rng.uniform(0.4, 1.0, 2)
        corners = cv2.convexHull((middle + shape).astype(np.int32))
        cv2.fillConvexPoly(image, corners, _paint(rng).tolist(), cv2.LINE_AA)
        middle = middle + rng.uniform(-0.4, 0.4, 2) * side


def _lit(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Uneven light, spots, and the grain of surfaces."""
    height, width = image.shape[:2]
    coarse = rng.uniform(0.65, 1.25, (3, 3)).astype(np.float32)
    light: Any = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 4))):
        spot: Any = np.zeros((height, width), np.float32)
        place = int(rng.integers(0, width)), int(rng.integers(0, height))
        axes = int(rng.integers(2, max(3, width // 14))), int(rng.integers(2, max(3, height // 14)))
        cv2.ellipse(spot, place, axes, 0, 0, 360, float(rng.uniform(0.3, 1.2)), -1)
        light = light + cv2.GaussianBlur(spot, (0, 0), 2)
    cell = int(rng.integers(1, 5))
    grain = rng.normal(0, rng.uniform(0.0, 0.06), (height // cell + 1, width // cell + 1)).astype(np.float32)
    light = light + cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
    lit = np.clip(image.astype(np.float32) * light[..., None], 0, 255).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 0.9)), np.uint8)
