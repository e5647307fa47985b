"""Training pictures: mosaics, closer looks and whole pictures, made to look like phone and security video.

Every batch is a function of (seed, step) alone, so that a resumed training sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vedette_base.errors import ConfigError
from vedette_vision.boxes import PAD_GRAY
from vedette_vision.cutouts import CAMERA_SUBSETS, Cutouts, hand_something
from vedette_vision.dataset import Labels, Picture
from vedette_vision.imaging import resize
from vedette_vision.labels import LABEL_IDS
from vedette_vision.rooms import Rooms

Pixels = npt.NDArray[np.uint8]

SUBSET_SHARE: dict[str, float] = {
    "openimages_gun": 1.9,
    "cctv_gray": 1.4,
    "phone_use": 1.3,
    "wallet_phone": 2.0,
    "knife": 0.8,
}
"""How often a picture of a subset is drawn, against 1: kinds of camera and rare classes first."""

WHOLE, KEEP_AS_IGNORED = 0.45, 0.12
"""A cut box stays a label when this share of it is left, becomes an ignored region down to the second."""


@dataclass
class Sampler:
    """Draws augmented batches.

    Attributes:
        pictures: what to draw from.
        size: side of the square input in pixels.
        batch: pictures per batch.
        seed: of everything random.
        mosaic, closer: shares of training pictures that are mosaics, and closer looks; the rest is whole.
        shares: how often a picture of a subset is drawn, where that is not ``SUBSET_SHARE``.
        paste: share of camera pictures in which something is put into somebody's hand.
        rooms: share of made-up rooms among the pictures.
        cache: pictures read already, by number.
    """

    pictures: Sequence[Picture]
    size: int
    batch: int
    seed: int = 0
    mosaic: float = 0.5
    closer: float = 0.28
    shares: Mapping[str, float] = field(default_factory=dict)
    paste: float = 0.0
    rooms: float = 0.0
    cache: dict[int, Pixels] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        shares = SUBSET_SHARE | dict(self.shares)
        weights = np.array([shares.get(p.subset, 1.0) for p in self.pictures])
        if not weights.sum() > 0:
            raise ConfigError("train.shares leave no picture to draw", hint="give a subset a share above 0")
        self._chances = np.cumsum(weights / weights.sum())
        self._cutouts = Cutouts(self.pictures if self.paste else [])
        self._rooms = Rooms(self.pictures if self.rooms else [])

    def draw(self, step: int, *, mosaic: bool = True) -> tuple[Pixels, Labels]:
        """One batch: pictures ``(b, size, size, 3)`` BGR, targets ``(n, 6)``: number, id, box in pixels."""
        rng = np.random.default_rng((self.seed, step))
        images, targets = [], []
        for number in range(self.batch):
            image, labels = self._picture(rng, mosaic)
            images.append(degrade(image, rng))
            targets.append(np.insert(labels, 0, number, axis=1))
        return np.stack(images), np.concatenate(targets).astype(np.float32)

    def _picture(self, rng: np.random.Generator, mosaic: bool) -> tuple[Pixels, Labels]:
        kind = rng.random()
        canvas = np.full((self.size, self.size, 3), PAD_GRAY, np.uint8)
        if mosaic and kind < self.mosaic:
            across, down = (rng.uniform(0.3, 0.7, 2) * self.size).astype(int)
            cells = [(0, 0, across, down), (across, 0, self.size, down),
                     (0, down, across, self.size), (across, down, self.size, self.size)]  # fmt: skip
            labels = [self._place(canvas, cell, rng, rng.uniform(0.45, 1.5)) for cell in cells]
            return canvas, np.concatenate(labels)
        cell = (0, 0, self.size, self.size)
        if kind < self.mosaic + self.closer:
            return canvas, self._closer(canvas, rng)
        return canvas, self._place(canvas, cell, rng, rng.uniform(0.55, 1.25))

    def _take(self, rng: np.random.Generator) -> tuple[Pixels, Labels]:
        """A random picture and its labels in pixels, mirrored half of the time; or a made-up room."""
        if self.rooms and rng.random() < self.rooms:
            return self._rooms.draw(rng)
        index = min(int(np.searchsorted(self._chances, rng.random())), len(self.pictures) - 1)
        if index not in self.cache:
            self.cache[index] = self.pictures[index].read()
        image, labels = mirrored(self.cache[index], self.pictures[index].labels, rng)
        camera = self.paste > 0 and self.pictures[index].subset in CAMERA_SUBSETS
        if camera and rng.random() < self.paste:
            return hand_something(image, labels, self._cutouts, rng)
        return image, labels

    def _place(
        self, canvas: Pixels, cell: tuple[int, int, int, int], rng: np.random.Generator, zoom: float
    ) -> Labels:
        """Draw a picture, scaled to ``zoom`` times what fits the canvas, into a cell at a random shift."""
        image, labels = self._take(rng)
        scale = self.size / max(image.shape[:2]) * zoom
        stretch = rng.uniform(0.85, 1.18)
        return draw_into(
            canvas, cell, image, labels, (scale * stretch**0.5, scale / stretch**0.5), rng.random(2)
        )

    def _closer(self, canvas: Pixels, rng: np.random.Generator) -> Labels:
        """A square around one label (or, now and then, anywhere), scaled up to the whole canvas."""
        image, labels = self._take(rng)
        height, width = image.shape[:2]
        usable = labels[labels[:, 0] < LABEL_IDS["ignore"]]
        if len(usable) and rng.random() < 0.75:
            _, x1, y1, x2, y2 = usable[rng.integers(len(usable))]
            person = rng.uniform(1.1, 2.0) if y2 - y1 > height / 5 else rng.uniform(1.8, 7.0)
            side = max(x2 - x1, y2 - y1) * person
            middle = np.array([x1 + x2, y1 + y2]) / 2 + rng.uniform(-0.2, 0.2, 2) * side
        else:
            side = rng.uniform(0.3, 0.7) * max(width, height)
            middle = rng.random(2) * (width, height)
        side = float(np.clip(side, 32, 1.3 * max(width, height)))
        left, top = (int(v) for v in middle - side / 2)
        x, y = max(0, left), max(0, top)
        cut = image[y : max(y + 8, int(top + side)), x : max(x + 8, int(left + side))]
        if cut.size == 0:
            return np.empty((0, 5), np.float32)
        labels = cut_labels(labels, (x, y, x + cut.shape[1], y + cut.shape[0]))
        labels[:, 1:] -= np.array([x, y, x, y], np.float32)
        scale = self.size / side
        return draw_into(canvas, (0, 0, self.size, self.size), cut, labels, (scale, scale), rng.random(2))


def mirrored(image: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    """A picture and its labels, shares made pixels, mirrored half of the time."""
    labels = labels.copy()
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        labels[:, [1, 3]] = 1 - labels[:, [3, 1]]
    labels[:, 1:] *= np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    return image, labels


def draw_into(
    canvas: Pixels,
    cell: tuple[int, int, int, int],
    image: Pixels,
    labels: Labels,
    scale: tuple[float, float],
    shift: npt.NDArray[np.float64],
) -> Labels:
    """Scale a picture and draw the part of it that fits into the cell; its labels in canvas pixels."""
    width, height = max(2, round(image.shape[1] * scale[0])), max(2, round(image.shape[0] * scale[1]))
    image = resize(image, (width, height))
    x1, y1, x2, y2 = cell
    # where the picture's corner lands: anywhere that leaves no more grey, and cuts no more, than it must
    left = x1 + int((x2 - x1 - width) * shift[0])
    top = y1 + int((y2 - y1 - height) * shift[1])
    low_x, low_y = max(x1, left), max(y1, top)
    high_x, high_y = min(x2, left + width), min(y2, top + height)
    canvas[low_y:high_y, low_x:high_x] = image[low_y - top : high_y - top, low_x - left : high_x - left]
    labels = labels.copy()
    labels[:, 1:] = labels[:, 1:] * np.array([*scale, *scale], np.float32)
    labels[:, 1:] += np.array([left, top, left, top], np.float32)
    return cut_labels(labels, (low_x, low_y, high_x, high_y))


def cut_labels(labels: Labels, window: tuple[float, float, float, float]) -> Labels:
    """Labels as they remain inside a window: whole enough, or an ignored region, or gone."""
    if len(labels) == 0:
        return labels
    before = np.maximum((labels[:, 3] - labels[:, 1]) * (labels[:, 4] - labels[:, 2]), 1e-6)
    cut = labels.copy()
    cut[:, [1, 3]] = cut[:, [1, 3]].clip(window[0], window[2])
    cut[:, [2, 4]] = cut[:, [2, 4]].clip(window[1], window[3])
    sides = cut[:, 3:5] - cut[:, 1:3]
    left = sides[:, 0] * sides[:, 1] / before
    person = cut[:, 0] == LABEL_IDS["person"]
    partial = left < np.where(person, 0.25, WHOLE)
    cut[partial & person, 0] = LABEL_IDS["maybe_person"]
    cut[partial & ~person & (cut[:, 0] != LABEL_IDS["maybe_person"]), 0] = LABEL_IDS["ignore"]
    kept: Labels = cut[(left > KEEP_AS_IGNORED) & (sides.min(1) >= 2)]
    return kept


def degrade(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """What lenses, sensors and codecs do: colour, light, blur, low resolution, noise, compression."""
    image: Any = _colour(picture, rng)
    size = image.shape[1], image.shape[0]
    if rng.random() < 0.12:
        factor = rng.uniform(0.35, 0.8)
        small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.1:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.6))
    elif rng.random() < 0.08:
        length = int(rng.integers(3, 9))
        kernel: Any = np.zeros((length, length), np.float32)
        end = rng.integers(0, length, 2)
        cv2.line(kernel, (int(end[0]), 0), (int(end[1]), length - 1), 1.0)
        kernel = kernel if rng.random() < 0.5 else kernel.T
        image = cv2.filter2D(image, -1, np.ascontiguousarray(kernel / kernel.sum()))
    if rng.random() < 0.15:
        noise: Any = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 30)))
        cv2.randn(noise, np.zeros(3), np.full(3, rng.uniform(2, 14)))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.3:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 75))])
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return np.asarray(image, np.uint8)


def _colour(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Hue, saturation and brightness; sometimes grey, dark, or washed out."""
    image: Any = picture
    if rng.random() < 0.15:
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        image = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    else:
        turn, saturation = rng.uniform(-6, 6), rng.uniform(0.4, 1.5)
        table = np.arange(256)
        hue = ((table + turn) % 180).astype(np.uint8)
        rich = (table * saturation).clip(0, 255).astype(np.uint8)
        h, s, v = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
        merged = cv2.merge([cv2.LUT(h, hue), cv2.LUT(s, rich), v])
        image = cv2.cvtColor(merged, cv2.COLOR_HSV2BGR)
    gamma = rng.uniform(1.4, 2.6) if rng.random() < 0.1 else rng.uniform(0.75, 1.3)
    low, high = (
        (rng.uniform(0, 40), rng.uniform(200, 255)) if rng.random() < 0.15 else (0, rng.uniform(215, 255))
    )
    curve = low + (high - low) * (np.arange(256) / 255) ** gamma
    return np.asarray(cv2.LUT(image, curve.clip(0, 255).astype(np.uint8)), np.uint8)
