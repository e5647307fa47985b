"""The chip data set: weapons cut out of labelled pictures, and as many things that are none."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vedette_base.errors import DataError
from vedette_base.media import Pixels
from vedette_base.score import VISION_LABELS, WEAPONS
from vedette_base.whole_files import write_whole
from vedette_vision.boxes import Floats, overlap
from vedette_vision.chips.cut import cut_chip
from vedette_vision.dataset import Picture, Split, data_hash, load_pictures
from vedette_vision.detector import ImageFrame, Look, WeaponDetector
from vedette_vision.labels import LABEL_IDS

STORED = 128
"""Side of a stored chip: 16 pixels more than the network sees, so that training can shift and scale it."""
FOUND_IOU = 0.5
"""Overlap with a weapon from which a detector's box shows that weapon."""
Kind = Literal["truth", "found", "no_weapon", "false"]
KINDS: tuple[Kind, ...] = ("truth", "found", "no_weapon", "false")
"""Labelled weapon, the detector's box on one, labelled look-alike, the detector's box on nothing labelled."""
TRUTH, FOUND, NO_WEAPON, FALSE = range(4)
ARMED = (*(LABEL_IDS[name] for name in WEAPONS), LABEL_IDS["gun"], LABEL_IDS["weapon"])
_WEAPON_COLUMNS = tuple(VISION_LABELS.index(name) for name in WEAPONS)
_SAID = (*ARMED, LABEL_IDS["no_weapon"], LABEL_IDS["ignore"])
"""Labels that a false box must not touch; people may be anywhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Chips:
    """Chips with what is known of them; every array has one row per chip.

    Attributes:
        pixels: shape ``(n, 128, 128, 3)``, BGR bytes.
        kind: index into ``KINDS``.
        paired: whether it belongs to the set with one negative per weapon.
        chance: calibrated probability by the detector; 1 for what a person labelled.
        group: number into ``groups``. subset: number into ``subsets``.
        groups: videos or scenes; none is on both sides of a split.
        subsets: where the pictures come from.
    """

    pixels: Pixels
    kind: npt.NDArray[np.int64]
    paired: npt.NDArray[np.bool_]
    chance: Floats
    group: npt.NDArray[np.int64]
    subset: npt.NDArray[np.int64]
    groups: tuple[str, ...]
    subsets: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def weapon(self) -> npt.NDArray[np.bool_]:
        """Whether it shows a weapon."""
        return self.kind <= FOUND

    def counts(self) -> dict[str, int]:
        """Chips of each kind, and pairs."""
        found: dict[str, int] = {name: int((self.kind == i).sum()) for i, name in enumerate(KINDS)}
        return found | {"paired": int(self.paired.sum())}


def chips_of(
    root: Path,
    split: Split,
    detector: WeaponDetector,
    cache: Path,
    *,
    least_score: float,
    tell: Callable[[str], None] = lambda line: None,
) -> Chips:
    """The chips of a split; made once, then read from ``cache``.

    Args:
        root: folder with ``manifest.jsonl``.
        split: of the manifest.
        detector: whose false boxes are the negatives.
        cache: folder for ``chips_train.npz`` and ``chips_val.npz``.
        least_score: uncalibrated score from which its boxes count.
        tell: told how far it is.

    Raises:
        DataError: no data, no weapon or nothing harmless on them, or a cache that cannot be read.
        OutputError: no room for the cache.
    """
    pictures = load_pictures(root, split)
    facts = [data_hash(pictures), detector.card.files, least_score, STORED]
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    file = cache / f"chips_{split}_{key}.npz"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        chips = collect(pictures, detector, least_score=least_score, tell=tell)
        write_whole(
            file, lambda stream: np.savez(stream, **{name: getattr(chips, name) for name in Chips.__slots__})
        )
    try:
        with np.load(file) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in Chips.__slots__}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} cannot be read", hint="delete it: it is made again") from error
    for name in ("groups", "subsets"):
        arrays[name] = tuple(str(value) for value in arrays[name])
    return Chips(**arrays)


def collect(
    pictures: Sequence[Picture],
    detector: WeaponDetector,
    *,
    least_score: float,
    tell: Callable[[str], None] = lambda line: None,
) -> Chips:
    """Cut the chips out of pictures, in their order. Raises DataError where one side would be empty."""
    pixels: list[Pixels] = []
    rows: list[tuple[int, float, int]] = []  # kind, chance, number of the picture
    for number, picture in enumerate(pictures):
        image = picture.read()
        for kind, chance, box in boxes_of(picture, image, detector, least_score):
            pixels.append(cut_chip(image, box, side=STORED))
            rows.append((kind, chance, number))
        if number % 500 == 499:
            tell(f"chips: {number + 1} of {len(pictures)} pictures, {len(rows)} boxes")
    groups, subsets = (tuple(sorted({getattr(p, name) for p in pictures})) for name in ("group", "subset"))
    kinds = np.array([row[0] for row in rows], np.int64)
    chances = np.array([row[1] for row in rows], np.float32)
    subset = np.array([subsets.index(pictures[row[2]].subset) for row in rows], np.int64)
    known = {name: i for i, name in enumerate(groups)}
    group = np.array([known[pictures[row[2]].group] for row in rows], np.int64)
    if not (kinds <= FOUND).any() or not (kinds >= NO_WEAPON).any():
        raise DataError("chips need pictures with weapons, and look-alikes or false boxes of the detector")
    paired = pair(kinds, chances, subset)
    sure = min(detector.threshold(name) for name in WEAPONS)
    kept = np.flatnonzero(paired | (kinds != FALSE) | (chances >= sure))
    stack = np.stack([pixels[i] for i in kept])
    arrays = (kinds[kept], paired[kept], chances[kept], group[kept], subset[kept])
    return Chips(stack, *arrays, groups, subsets)


def boxes_of(
    picture: Picture, image: Pixels, detector: WeaponDetector, least_score: float
) -> list[tuple[int, float, Floats]]:
    """What a picture gives: (index into ``KINDS``, detector's probability, box in pixels).

    Boxes of the detector that touch a weapon without being it, or a look-alike, are none of these.
    """
    size = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    ids, truth = picture.labels[:, 0], picture.labels[:, 1:] * size
    armed = np.isin(ids, ARMED)
    result: list[tuple[int, float, Floats]] = [(TRUTH, 1.0, box) for box in truth[armed]]
    result += [(NO_WEAPON, 1.0, box) for box in truth[ids == LABEL_IDS["no_weapon"]]]
    look = detector.look(ImageFrame(image))
    look = _one_per_thing(look.of(np.isin(look.classes, _WEAPON_COLUMNS) & (look.scores >= least_score)))
    chances = detector.probabilities(look)
    said = truth[np.isin(ids, _SAID)]
    for box, chance in zip(look.boxes, chances, strict=True):
        if armed.any() and overlap(box[None], truth[armed]).max() >= FOUND_IOU:
            result.append((FOUND, float(chance), box))
        elif not len(said) or overlap(box[None], said).max() == 0:
            result.append((FALSE, float(chance), box))
    return result


def pair(kind: npt.NDArray[np.int64], chance: Floats, subset: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which chips make the set with one negative per labelled weapon.

    Look-alikes first, then false boxes, the most probable of each subset first, as many as the subset has
    weapons; what a subset lacks comes from the others. Where all are too few, weapons stay without a partner.
    """
    paired = np.isin(kind, (TRUTH, NO_WEAPON))
    wanted = int((kind == TRUTH).sum())
    order = np.argsort(-chance, kind="stable")
    for name in np.unique(subset):
        own = order[(kind[order] == FALSE) & (subset[order] == name)]
        free = max(0, wanted - int((paired & (kind >= NO_WEAPON)).sum()))
        paired[own[: min(free, int(((kind == TRUTH) & (subset == name)).sum()))]] = True
    free = max(0, wanted - int((paired & (kind >= NO_WEAPON)).sum()))
    paired[order[(kind[order] == FALSE) & ~paired[order]][:free]] = True
    return paired


def _one_per_thing(look: Look) -> Look:
    """Without weaker boxes on the same thing, of whatever class."""
    order = np.argsort(-look.scores, kind="stable")
    shared = overlap(look.boxes[order], look.boxes[order])
    kept = [i for i in range(len(order)) if not (shared[i, :i] >= FOUND_IOU).any()]
    return look.of(order[np.array(kept, np.int64)])
