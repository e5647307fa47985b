"""Training pictures as the closer look sees them: people of camera pictures, enlarged, armed or not.

Beside them: web pictures shrunk until their weapons have a few pixels, side by side, and enlarged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from vedette_base.media import Pixels
from vedette_vision.augment import cut_labels, degrade, draw_into, mirrored
from vedette_vision.boxes import PAD_GRAY, Floats
from vedette_vision.cutouts import CAMERA_SUBSETS, Cutouts, hand_something
from vedette_vision.dataset import Labels, Picture
from vedette_vision.imaging import resize
from vedette_vision.labels import LABEL_IDS, PERSON
from vedette_vision.rooms import Rooms

LOOK_SHARE: dict[str, float] = {
    "us_cam5": 1.0,
    "cctv_gray": 1.5,
    "phone_use": 0.5,
    "wallet_phone": 0.5,
    "knife": 0.2,
    "granada_armas": 0.08,
    "openimages_gun": 0.2,
}
"""How often people of a subset are looked at, against 1."""
WEB_SUBSETS = {"granada_armas", "openimages_gun", "knife", "phone_use", "wallet_phone"}
"""Pictures that are shrunk."""
ARMED = 0.5
"""Chance that, where somebody holds something, the look is at that one."""
WIDE = 0.2
"""Share of looks that take in several people, or a place without any."""


@dataclass
class LookSampler:
    """Draws batches of enlarged looks; a batch is a function of (seed, step) alone.

    Attributes:
        pictures: what to draw from, people labelled.
        size: side of the square input in pixels.
        batch: pictures per batch.
        seed: of everything random.
        shrink: share of shrunken web pictures.
        paste: share of looks at people in which something is put into a hand.
        rooms: share of made-up rooms.
        cache: pictures read already, by number; may be shared with a ``Sampler`` of the same pictures.
    """

    pictures: Sequence[Picture]
    size: int
    batch: int
    seed: int = 0
    shrink: float = 0.25
    paste: float = 0.35
    rooms: float = 0.0
    cache: dict[int, Pixels] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        shares = np.array([LOOK_SHARE.get(p.subset, 0.0) for p in self.pictures])
        peopled = np.array([bool((p.labels[:, 0] == PERSON).any()) for p in self.pictures])
        camera = np.array([p.subset in CAMERA_SUBSETS for p in self.pictures])
        self._people = _running(shares * peopled)
        self._frames = _running(shares * camera)
        self._web = _running(np.array([float(p.subset in WEB_SUBSETS) for p in self.pictures]))
        self._cutouts = Cutouts(self.pictures if self.paste else [])
        self._rooms = Rooms(self.pictures if self.rooms else [])

    def draw(self, step: int) -> tuple[Pixels, Labels]:
        """One batch: pictures ``(b, size, size, 3)`` BGR, targets ``(n, 6)``: number, id, box in pixels."""
        rng = np.random.default_rng((self.seed, 1, step))
        images, targets = [], []
        for number in range(self.batch):
            image, labels = self._picture(rng)
            images.append(degrade(image, rng))
            targets.append(np.insert(labels, 0, number, axis=1))
        return np.stack(images), np.concatenate(targets).astype(np.float32)

    def _picture(self, rng: np.random.Generator) -> tuple[Pixels, Labels]:
        if self.rooms and rng.random() < self.rooms:
            image, labels = self._rooms.draw(rng)
            peopled = bool((labels[:, 0] == PERSON).any()) and rng.random() < 0.7
            return self._enlarged(image, labels, (_around if peopled else _wide)(labels, image, rng), rng)
        shrunk = rng.random() < self.shrink
        if len(self._web) and (shrunk or not len(self._people)):
            return self._shrunken(rng)
        wide = rng.random() < WIDE and len(self._frames) > 0
        image, labels = self._take(self._frames if wide else self._people, rng)
        if rng.random() < self.paste:
            image, labels = hand_something(image, labels, self._cutouts, rng)
        window = (_wide if wide else _around)(labels, image, rng)
        return self._enlarged(image, labels, window, rng)

    def _take(self, chances: Floats, rng: np.random.Generator) -> tuple[Pixels, Labels]:
        """A random picture and its labels in pixels, mirrored half of the time."""
        index = min(int(np.searchsorted(chances, rng.random() * chances[-1], side="right")), len(chances) - 1)
        if index not in self.cache:
            self.cache[index] = self.pictures[index].read()
        return mirrored(self.cache[index], self.pictures[index].labels, rng)

    def _enlarged(
        self, image: Pixels, labels: Labels, window: Floats, rng: np.random.Generator
    ) -> tuple[Pixels, Labels]:
        """The part of a picture inside a window ``(4,)`` in pixels, slightly turned, scaled to the input."""
        if rng.random() < 0.3:
            image, labels = _turned(image, labels, rng.uniform(-9, 9))
        x1, y1 = (max(0, int(v)) for v in window[:2])
        x2, y2 = min(image.shape[1], int(window[2]) + 1), min(image.shape[0], int(window[3]) + 1)
        canvas = np.full((self.size, self.size, 3), PAD_GRAY, np.uint8)
        if x2 - x1 < 8 or y2 - y1 < 8:
            return canvas, np.empty((0, 5), np.float32)
        cut = np.ascontiguousarray(image[y1:y2, x1:x2])
        labels = cut_labels(labels, (x1, y1, x2, y2))
        labels[:, 1:] -= np.array([x1, y1, x1, y1], np.float32)
        scale = self.size / max(cut.shape[:2]) * (rng.uniform(0.7, 1.0) if rng.random() < 0.3 else 1.0)
        stretch = rng.uniform(0.9, 1.1)
        scales = (scale * stretch**0.5, scale / stretch**0.5)
        shift = rng.random(2) if rng.random() < 0.4 else np.array([0.5, 0.5])
        return canvas, draw_into(canvas, (0, 0, self.size, self.size), cut, labels, scales, shift)

    def _shrunken(self, rng: np.random.Generator) -> tuple[Pixels, Labels]:
        """Web pictures side by side on a small canvas, their weapons a few pixels large, all enlarged."""
        zoom = rng.uniform(1.0, 2.6)
        side = max(64, round(self.size / zoom))
        small = np.full((side, side, 3), PAD_GRAY, np.uint8)
        count = 2 if side < 200 or rng.random() < 0.5 else 3
        edges = np.linspace(0, side, count + 1).astype(int)
        found = []
        for i in range(count):
            for j in range(count):
                cell = (int(edges[i]), int(edges[j]), int(edges[i + 1]), int(edges[j + 1]))
                image, labels = self._take(self._web, rng)
                scale = side / count / max(image.shape[:2]) * rng.uniform(0.4, 1.3)
                found.append(draw_into(small, cell, image, labels, (scale, scale), rng.random(2)))
        factor = self.size / side
        labels = np.concatenate(found)
        labels[:, 1:] *= factor
        return resize(small, (self.size, self.size)), labels


def _running(shares: Floats) -> Floats:
    """Running sums to draw by; empty when nothing can be drawn."""
    sums: Floats = np.cumsum(shares)
    return sums if len(sums) and sums[-1] > 0 else sums[:0]


def _around(labels: Labels, image: Pixels, rng: np.random.Generator) -> Floats:
    """A square around somebody as the closer look would take it, its place and size varied."""
    people = labels[labels[:, 0] == PERSON, 1:]
    things = labels[(labels[:, 0] < LABEL_IDS["ignore"]) & (labels[:, 0] != PERSON), 1:]
    box = people[int(rng.integers(len(people)))]
    if len(things) and rng.random() < ARMED:
        thing = things[int(rng.integers(len(things)))]
        middle = (thing[:2] + thing[2:]) / 2
        away = np.abs((people[:, :2] + people[:, 2:]) / 2 - middle) / (people[:, 2:] - people[:, :2])
        nearest = int(np.argmin(away.max(1)))
        if away[nearest].max() < 1.0:
            box = people[nearest]
    middle = (box[:2] + box[2:]) / 2
    longest = float((box[2:] - box[:2]).max())
    side = longest * rng.uniform(1.15, 1.7)
    if rng.random() < 0.2:  # the upper body alone
        side *= 0.6
        middle = middle - np.array([0, 0.15 * longest])
    middle = middle + rng.uniform(-0.12, 0.12, 2) * side
    window: Floats = np.concatenate([middle - side / 2, middle + side / 2]).astype(np.float32)
    return window


def _wide(labels: Labels, image: Pixels, rng: np.random.Generator) -> Floats:
    """A square anywhere, half as large as the picture or up to the whole of it."""
    height, width = image.shape[:2]
    side = rng.uniform(0.35, 0.9) * max(width, height) if rng.random() < 0.7 else float(max(width, height))
    x = rng.uniform(0, max(1e-3, width - side)) if side < width else 0.0
    y = rng.uniform(0, max(1e-3, height - side)) if side < height else 0.0
    return np.array([x, y, x + side, y + side], np.float32)


def _turned(image: Pixels, labels: Labels, degrees: float) -> tuple[Pixels, Labels]:
    """Turned about its middle; boxes become the boxes around the turned boxes, a little tightened."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    grey = (PAD_GRAY, PAD_GRAY, PAD_GRAY)
    turned = np.asarray(cv2.warpAffine(image, matrix, (width, height), borderValue=grey), np.uint8)
    labels = labels.copy()
    if len(labels):
        middle = (labels[:, 1:3] + labels[:, 3:5]) / 2
        half = (labels[:, 3:5] - labels[:, 1:3]) / 2
        middle = middle @ matrix[:, :2].T + matrix[:, 2]
        angle = np.radians(abs(degrees))
        # between the box kept as it is and the box around its turned corners: things fill no corners
        grown = half * np.cos(angle) + half[:, ::-1] * np.sin(angle) * 0.5
        labels[:, 1:3], labels[:, 3:5] = middle - grown, middle + grown
        labels = cut_labels(labels.astype(np.float32), (0, 0, width, height))
    return turned, labels
