"""Weapons and look-alikes cut out of training pictures, and pasted small into camera pictures.

What fixed cameras lack is variety: one camera's training frames show the same few people. Weapons of web
pictures, shrunk to the size that a person's height asks for, darkened and blurred as the frame is, bring it.
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
from vedette_vision.dataset import Labels, Picture
from vedette_vision.imaging import resize
from vedette_vision.labels import LABEL_IDS, PERSON

CAMERA_SUBSETS = {"us_cam5", "cctv_gray"}
"""Pictures of security cameras: what things are pasted into, and looked at closer."""
SOURCES = {"granada_armas", "openimages_gun", "knife", "phone_use", "wallet_phone"}
"""Pictures large enough to find an outline in."""
CUT_SIDE = 112
"""Pixels of the longest side at which a thing is cut out and kept."""
LEAST_CUT, MOST_CUT = 0.10, 0.85
"""Share of its box that a found outline must fill: less is a scrap, more is the whole box."""
SIZES: dict[int, tuple[float, float]] = {
    LABEL_IDS["pistol"]: (0.08, 0.19),
    LABEL_IDS["knife"]: (0.09, 0.2),
    LABEL_IDS["long_gun"]: (0.28, 0.6),
    LABEL_IDS["no_weapon"]: (0.07, 0.15),
}
"""Longest side of a thing, as a share of the height of whoever holds it."""
WEAPONS = 0.72
"""Share of weapons among what is pasted; the rest is phones and wallets."""
ERASED = 0.2
"""Share of pictures to be changed in which weapons are painted over instead."""
MOST_ERASED = 40
"""Pixels of the longest side up to which a weapon can be painted over without a trace."""
LEAST_PASTED = 5
"""Pixels of the longest side below which nothing is pasted: nobody could tell what it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A thing without its background.

    Attributes:
        pixels: shape ``(h, w, 3)``, BGR.
        mask: shape ``(h, w)``, 0..1.
        label: id of ``LABEL_IDS``.
    """

    pixels: Pixels
    mask: Floats
    label: int


@dataclass
class Cutouts:
    """Things cut out when first asked for, kept from then on.

    Attributes:
        pictures: where they come from.
    """

    pictures: Sequence[Picture]
    _known: dict[tuple[int, int], Cutout | None] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._weapons: list[tuple[int, int]] = []
        self._others: list[tuple[int, int]] = []
        for number, picture in enumerate(self.pictures):
            if picture.subset in SOURCES:
                for row, label in enumerate(picture.labels[:, 0]):
                    if int(label) in SIZES:
                        harmless = label == LABEL_IDS["no_weapon"]
                        (self._others if harmless else self._weapons).append((number, row))

    def draw(self, rng: np.random.Generator, *, weapon: bool) -> Cutout | None:
        """A random thing; None when there is none, or the one drawn has no clear outline."""
        keys = self._weapons if weapon else self._others
        if not keys:
            return None
        key = keys[int(rng.integers(len(keys)))]
        if key not in self._known:
            picture = self.pictures[key[0]]
            self._known[key] = cut_out(picture.read(), picture.labels[key[1]])
        return self._known[key]


def cut_out(image: Pixels, label: npt.NDArray[np.float32]) -> Cutout | None:
    """Separate what a label marks from its background; None when no outline is found.

    Phones and wallets fill their boxes, and the hands around them spoil the outline: they stay whole.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = label[1:] * np.array([width, height, width, height])
    boxy = label[0] == LABEL_IDS["no_weapon"]
    rim = 0.0 if boxy else 0.06
    dx, dy = (x2 - x1) * rim, (y2 - y1) * rim
    left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
    part = image[top : int(y2 + dy) + 1, left : int(x2 + dx) + 1]
    if min(part.shape[:2]) < 10:
        return None
    scale = min(1.0, CUT_SIDE / max(part.shape[:2]))
    part = resize(part, (max(4, round(part.shape[1] * scale)), max(4, round(part.shape[0] * scale))))
    mask = _rounded(part.shape[:2]) if boxy else _outline(part)
    if mask is None:
        return None
    rows, columns = np.flatnonzero(mask.max(1) > 0.3), np.flatnonzero(mask.max(0) > 0.3)
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Cutout(np.ascontiguousarray(part[window]), mask[window].copy(), int(label[0]))


def _rounded(shape: tuple[int, ...]) -> Floats:
    """A box with rounded corners: 1 inside, 0 in the corners."""
    y, x = (np.abs(np.linspace(-1, 1, n, dtype=np.float32)) for n in shape[:2])
    radius = (y[:, None] ** 6 + x[None, :] ** 6) ** (1 / 6)
    mask: Floats = np.clip((1.08 - radius) / 0.12, 0, 1).astype(np.float32)
    return mask


def _outline(part: Pixels) -> Floats | None:
    """GrabCut inside a rim that is surely background."""
    height, width = part.shape[:2]
    marks: Any = np.zeros((height, width), np.uint8)
    inner = (max(1, width // 25), max(1, height // 25))
    models: list[Any] = [np.zeros((1, 65), np.float64) for _ in range(2)]
    cv2.setRNGSeed(0)
    rectangle = (inner[0], inner[1], width - 2 * inner[0], height - 2 * inner[1])
    try:
        cv2.grabCut(part, marks, rectangle, models[0], models[1], 3, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # all pixels alike: there is nothing to separate
        return None
    mask = (marks & 1).astype(np.float32)
    if not LEAST_CUT <= mask.mean() <= MOST_CUT:
        return None
    found: Floats = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.7), np.float32)
    return found


def hand_something(
    image: Pixels, labels: Labels, cutouts: Cutouts, rng: np.random.Generator
) -> tuple[Pixels, Labels]:
    """Put a random weapon or look-alike into somebody's hand (labels in pixels), or disarm everybody."""
    if rng.random() < ERASED:
        return erase(image, labels)
    people = labels[labels[:, 0] == PERSON, 1:]
    thing = cutouts.draw(rng, weapon=rng.random() < WEAPONS) if len(people) else None
    if thing is None:
        return image, labels
    return paste(image, labels, thing, people[int(rng.integers(len(people)))], rng)


def erase(image: Pixels, labels: Labels) -> tuple[Pixels, Labels]:
    """The same picture without its small weapons: painted over from around, so that only they make it armed.

    Pictures with a larger one, or with a region that is to be ignored, stay as they are.
    """
    armed = np.isin(labels[:, 0], [*SIZES, LABEL_IDS["gun"], LABEL_IDS["weapon"]])
    sides = labels[armed, 3:5] - labels[armed, 1:3]
    if not armed.any() or sides.max() > MOST_ERASED or (labels[:, 0] == LABEL_IDS["ignore"]).any():
        return image, labels
    marks: Any = np.zeros(image.shape[:2], np.uint8)
    for x1, y1, x2, y2 in labels[armed, 1:].astype(int):
        marks[max(0, y1 - 1) : y2 + 2, max(0, x1 - 1) : x2 + 2] = 255
    painted = np.asarray(cv2.inpaint(image, marks, 3, cv2.INPAINT_TELEA), np.uint8)
    return painted, labels[~armed]


def paste(
    image: Pixels, labels: Labels, thing: Cutout, person: Floats, rng: np.random.Generator
) -> tuple[Pixels, Labels]:
    """Put a thing where a person may hold it: a new picture, and its labels (pixels) with one more.

    Args:
        image: shape ``(h, w, 3)``, BGR; not changed.
        labels: shape ``(n, 5)``: id, x1, y1, x2, y2 in pixels.
        thing: what to paste.
        person: x1, y1, x2, y2 in pixels.
        rng: of everything random.
    """
    tall, broad = float(person[3] - person[1]), float(person[2] - person[0])
    longest = rng.uniform(*SIZES[thing.label]) * min(max(tall, broad), 3.2 * broad)
    if longest < LEAST_PASTED:
        return image, labels
    pixels, mask = _shaped(thing, longest, rng)
    centre = _hand(person, rng)
    left, top = (int(v) for v in centre - np.array([mask.shape[1], mask.shape[0]]) / 2)
    x1, y1 = max(0, left), max(0, top)
    x2, y2 = min(image.shape[1], left + mask.shape[1]), min(image.shape[0], top + mask.shape[0])
    if x2 - x1 < 0.6 * mask.shape[1] or y2 - y1 < 0.6 * mask.shape[0]:
        return image, labels
    alpha = mask[y1 - top : y2 - top, x1 - left : x2 - left, None]
    behind = image[y1:y2, x1:x2].astype(np.float32)
    front = _toned(pixels[y1 - top : y2 - top, x1 - left : x2 - left], behind, rng)
    result = image.copy()
    result[y1:y2, x1:x2] = np.clip(behind * (1 - alpha) + front * alpha, 0, 255).astype(np.uint8)
    row = np.array([[thing.label, x1, y1, x2, y2]], np.float32)
    return result, np.concatenate([labels, row])


def _hand(person: Floats, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Where a hand may be: hanging, held out, or before the body. ``(x, y)`` in pixels."""
    x1, y1, x2, y2 = (float(v) for v in person)
    tall, broad = y2 - y1, min(x2 - x1, 0.6 * (y2 - y1))
    side = -1.0 if rng.random() < 0.5 else 1.0
    kind = rng.random()
    if kind < 0.45:
        across, down = side * rng.uniform(0.25, 0.55) * broad, rng.uniform(0.4, 0.62)
    elif kind < 0.75:
        across, down = side * rng.uniform(0.4, 1.0) * broad, rng.uniform(0.15, 0.42)
    else:
        across, down = side * rng.uniform(0.0, 0.3) * broad, rng.uniform(0.2, 0.55)
    return np.array([(x1 + x2) / 2 + across, y1 + down * tall])


def _shaped(thing: Cutout, longest: float, rng: np.random.Generator) -> tuple[Pixels, Floats]:
    """Mirrored, turned, and scaled so that its longest side has so many pixels; cut to what is left."""
    pixels, mask = thing.pixels, thing.mask
    if rng.random() < 0.5:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    turn = rng.uniform(-35, 35) + (90.0 * rng.integers(-1, 2) if rng.random() < 0.5 else 0.0)
    height, width = mask.shape
    side = int(np.hypot(height, width)) + 4
    matrix: Any = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
    matrix[:, 2] += side / 2 - np.array([width, height]) / 2
    mask = np.asarray(cv2.warpAffine(np.ascontiguousarray(mask), matrix, (side, side)), np.float32)
    whole = np.ascontiguousarray(pixels)
    turned = np.asarray(
        cv2.warpAffine(whole, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
    rows, columns = np.flatnonzero(mask.max(1) > 0.3), np.flatnonzero(mask.max(0) > 0.3)
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mask, turned = mask[window], turned[window]
    scale = longest / max(mask.shape)
    size = max(2, round(mask.shape[1] * scale)), max(2, round(mask.shape[0] * scale))
    how_scaled = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    shrunk = np.asarray(cv2.resize(np.ascontiguousarray(mask), size, interpolation=how_scaled), np.float32)
    return resize(np.ascontiguousarray(turned), size), shrunk


def _toned(pixels: Pixels, behind: Floats, rng: np.random.Generator) -> Floats:
    """In the light, colourfulness and sharpness of what is behind it."""
    tone: Any = pixels.astype(np.float32)
    gray = tone.mean(2, keepdims=True)
    colour = float(np.abs(behind - behind.mean(2, keepdims=True)).mean())
    keep = 0.0 if colour < 1.5 else rng.uniform(0.3, 1.0)
    tone = gray + (tone - gray) * keep
    around, own = float(behind.mean()), float(tone.mean())
    light = float(np.clip(around, 25, 200))
    # mostly darker than what is behind it, as steel is; sometimes bright, as blades and screens are
    aim = light * (rng.uniform(0.15, 0.65) if rng.random() < 0.75 and around > 50 else rng.uniform(1.25, 2.0))
    tone = (tone - own) * rng.uniform(0.4, 0.9) + own * 0.15 + aim * 0.85
    tone = cv2.GaussianBlur(tone, (0, 0), rng.uniform(0.25, 0.7))
    toned: Floats = np.asarray(tone, np.float32).reshape(pixels.shape)
    return toned
