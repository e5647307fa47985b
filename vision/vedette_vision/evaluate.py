"""Figures of a detector bundle on labelled pictures, per subset, through the very path that users run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from vedette_base.bundle import Bundle
from vedette_base.config import VisionConfig
from vedette_base.errors import DataError
from vedette_base.score import VISION_LABELS
from vedette_base.statistics import TEST, thirds
from vedette_vision.boxes import Floats
from vedette_vision.dataset import Picture, load_pictures
from vedette_vision.detector import ImageFrame, Look, WeaponDetector
from vedette_vision.labels import FIREARM_IDS, LABEL_IDS, OPEN_TYPES
from vedette_vision.metrics import SMALL_AREA, Matches, auroc, match

if TYPE_CHECKING:
    from vedette_vision.run_model import Engines

FirearmReading = Literal["ap50", "ap30", "centre", "small"]
_FIREARM_COLUMNS = tuple(VISION_LABELS.index(name) for name in OPEN_TYPES["gun"])


@dataclass(frozen=True, slots=True)
class SubsetFigures:
    """Figures of one subset.

    Attributes:
        pictures: how many.
        ap50: AP at IoU 0.5 per class that is labelled in it.
        firearm_ap50: pistols, long guns and unresolved guns as one class; None where there are none.
        firearm_auroc: whether pictures with a firearm score above those without; None where all are alike.
        firearm_ap30, firearm_centre: the same AP at IoU 0.3, and by the box's centre (``metrics.match``): for
            fixed cameras, whose guns have a few pixels.
        firearm_small: AP50 of firearms below 32 x 32 pixels.
    """

    pictures: int
    ap50: dict[str, float]
    firearm_ap50: float | None
    firearm_auroc: float | None
    firearm_ap30: float | None = None
    firearm_centre: float | None = None
    firearm_small: float | None = None


@dataclass(frozen=True, slots=True)
class VisionReport:
    """What ``vedette evaluate vision`` prints.

    Attributes:
        map50: mean over the four classes of AP50, all pictures of the split together.
        ap50: per class, all pictures together.
        subsets: per subset.
        pictures: how many were judged.
        part: which part of ``val``: ``all`` or ``test`` (the third that nothing was fitted on).
        path: ``whole`` (one look) or ``closer`` (people looked at again).
        first_look: per subset, without the closer look, where that was measured too.
    """

    map50: float
    ap50: dict[str, float]
    subsets: dict[str, SubsetFigures]
    pictures: int
    part: str
    path: str
    first_look: dict[str, SubsetFigures] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, rounded to four places, for cards and JSON."""
        plain: dict[str, Any] = _rounded(asdict(self))
        return plain


def evaluate(
    dataset_root: Path,
    bundle: Bundle,
    *,
    engines: Engines | None = None,
    config: VisionConfig | None = None,
    closer: bool = True,
    part: str = "all",
) -> VisionReport:
    """Judge a bundle on ``val`` of the vision data set.

    Args:
        dataset_root: folder with ``manifest.jsonl``.
        bundle: a detector.
        engines: of a training run that was not exported (``run_model.open_model``).
        closer: with the closer look at people, as ``detect`` does it.
        part: ``all``, or ``test``: the third of groups that neither calibration nor fusion saw.

    Raises:
        DataError: no such data.
    """
    pictures = judged_pictures(dataset_root, part)
    detector = open_detector(bundle, engines=engines, config=config, closer=closer)
    if not closer:
        return report(pictures, look_at(detector, pictures), part=part, path="whole")
    first, second = look_at_both(detector, pictures)
    plain = report(pictures, first, part=part, path="whole")
    return dataclasses.replace(report(pictures, second, part=part, path="closer"), first_look=plain.subsets)


def judged_pictures(dataset_root: Path, part: str = "all") -> list[Picture]:
    """Pictures of ``val``, or of its ``test`` third. Raises DataError where there are none."""
    pictures = load_pictures(dataset_root, "val")
    if part != "test":
        return pictures
    kept = thirds([p.group for p in pictures]) == TEST
    if not kept.any():
        raise DataError(f"no group of val in {dataset_root} falls into its test third", hint="--part val")
    return [p for p, keep in zip(pictures, kept, strict=True) if keep]


def open_detector(
    bundle: Bundle,
    *,
    engines: Engines | None = None,
    config: VisionConfig | None = None,
    closer: bool = True,
) -> WeaponDetector:
    """The detector as ``detect`` runs it, or without its closer look."""
    config = config or VisionConfig()
    if not closer:
        without = config.closer_look.model_copy(update={"enabled": False})
        config = config.model_copy(update={"closer_look": without})
    return WeaponDetector(bundle, config, engines=engines)


def look_at(detector: WeaponDetector, pictures: Sequence[Picture]) -> list[Look]:
    """What the detector finds on each picture, boxes as shares of width and height."""
    return look_at_both(detector, pictures)[1]


def look_at_both(
    detector: WeaponDetector,
    pictures: Sequence[Picture],
    tell: Callable[[int, int], object] = lambda done, of: None,
) -> tuple[list[Look], list[Look]]:
    """What the first look finds on each picture, and what the detector finds in all; boxes as shares.

    ``tell`` hears how many pictures are done, of how many.
    """
    first, second = [], []
    for number, picture in enumerate(pictures):
        tell(number, len(pictures))
        frame = ImageFrame(picture.read())
        look = detector.look(frame)
        first.append(_shares(look, frame.size))
        second.append(_shares(detector.look_again(frame, look), frame.size))
    return first, second


def _shares(look: Look, size: tuple[int, int]) -> Look:
    return Look((look.boxes / np.array(size * 2)).astype(np.float32), look.scores, look.classes)


def report(pictures: Sequence[Picture], looks: Sequence[Look], *, part: str, path: str) -> VisionReport:
    """Figures of given looks (boxes as shares, as from ``look_at``)."""
    ap50 = {name: class_ap50(pictures, looks, name) for name in VISION_LABELS}
    subsets = {}
    for subset in sorted({p.subset for p in pictures}):
        chosen = [i for i, p in enumerate(pictures) if p.subset == subset]
        subsets[subset] = _subset([pictures[i] for i in chosen], [looks[i] for i in chosen])
    known = {name: value for name, value in ap50.items() if not np.isnan(value)}
    mean = float(np.mean(list(known.values()))) if known else float("nan")
    return VisionReport(mean, known, subsets, len(pictures), part, path)


def class_ap50(pictures: Sequence[Picture], looks: Sequence[Look], name: str) -> float:
    """AP50 of one class."""
    return class_matches(pictures, looks, name).precision()


def class_matches(
    pictures: Sequence[Picture],
    looks: Sequence[Look],
    name: str,
    least_overlap: float = 0.5,
    *,
    small: bool = False,
) -> Matches:
    """One class, found and true; boxes of open type, or that are to be ignored, neither help nor harm.

    ``small``: things below 32 x 32 pixels alone; reads the pictures' sizes.
    """
    column = VISION_LABELS.index(name)
    vague = [LABEL_IDS["ignore"], *(LABEL_IDS[k] for k, may in OPEN_TYPES.items() if name in may)]
    found = [_selected(look, (column,)) for look in looks]
    truth = [p.labels[p.labels[:, 0] == LABEL_IDS[name], 1:] for p in pictures]
    ignored = [p.labels[np.isin(p.labels[:, 0], vague), 1:] for p in pictures]
    if not small:
        return match(found, truth, ignored, least_overlap)
    sizes = _sizes(pictures)
    boxes = [(b * size, scores) for (b, scores), size in zip(found, sizes, strict=True)]
    real = [t * size for t, size in zip(truth, sizes, strict=True)]
    skip = [i * size for i, size in zip(ignored, sizes, strict=True)]
    return match(boxes, real, skip, least_overlap, most_area=SMALL_AREA)


def firearm_ap50(pictures: Sequence[Picture], looks: Sequence[Look]) -> float:
    """AP50 of firearms as one class, whatever their type (ids 1, 3 and 4 of the data set)."""
    return firearm_matches(pictures, looks).precision()


def firearm_matches(
    pictures: Sequence[Picture], looks: Sequence[Look], reading: FirearmReading = "ap50"
) -> Matches:
    """Firearms as one class, found and true, paired in one of four readings.

    ``ap50``, ``ap30``: by overlap. ``centre``: by the box's centre. ``small``: by overlap, those below
    32 x 32 pixels alone. The last two read the pictures' sizes.
    """
    found = [_one_class(look, _FIREARM_COLUMNS) for look in looks]
    truth = [p.labels[np.isin(p.labels[:, 0], FIREARM_IDS), 1:] for p in pictures]
    ignored = [p.labels[p.labels[:, 0] == LABEL_IDS["ignore"], 1:] for p in pictures]
    if reading in ("ap50", "ap30"):
        return match(found, truth, ignored, 0.5 if reading == "ap50" else 0.3)
    sizes = _sizes(pictures)
    boxes = [(b * size, scores) for (b, scores), size in zip(found, sizes, strict=True)]
    real = [t * size for t, size in zip(truth, sizes, strict=True)]
    skip = [i * size for i, size in zip(ignored, sizes, strict=True)]
    if reading == "small":
        return match(boxes, real, skip, most_area=SMALL_AREA)
    widths = [float(size[0]) for size in sizes]
    return match(boxes, real, skip, reading="centre", widths=widths)


def firearm_score(look: Look) -> float:
    """Best score of a firearm on a picture."""
    return float(look.best()[list(_FIREARM_COLUMNS)].max())


def _subset(pictures: Sequence[Picture], looks: Sequence[Look]) -> SubsetFigures:
    ap50 = {name: class_ap50(pictures, looks, name) for name in VISION_LABELS}
    armed = [p.shows("pistol", "long_gun", "gun") for p in pictures]
    area = auroc([firearm_score(look) for look in looks], armed)
    readings: dict[str, float | None] = dict.fromkeys(("ap50", "ap30", "centre", "small"))
    if any(np.isin(p.labels[:, 0], FIREARM_IDS).any() for p in pictures):
        at_hand = all(p.file.is_file() for p in pictures)  # two readings need the pictures' sizes
        for name in get_args(FirearmReading) if at_hand else ("ap50", "ap30"):
            value = firearm_matches(pictures, looks, name).precision()
            readings[name] = None if np.isnan(value) else value
    return SubsetFigures(
        pictures=len(pictures),
        ap50={name: value for name, value in ap50.items() if not np.isnan(value)},
        firearm_ap50=readings["ap50"],
        firearm_auroc=None if np.isnan(area) else area,
        firearm_ap30=readings["ap30"],
        firearm_centre=readings["centre"],
        firearm_small=readings["small"],
    )


def _sizes(pictures: Sequence[Picture]) -> list[Floats]:
    """Width, height, width, height of each picture."""
    return [np.array(_size(p) * 2, np.float32) for p in pictures]


@lru_cache(maxsize=20_000)
def _size(picture: Picture) -> tuple[int, int]:
    return picture.size  # decodes it, and several readings ask


def _selected(look: Look, columns: tuple[int, ...]) -> tuple[Floats, Floats]:
    chosen = look.of(np.isin(look.classes, columns))
    return chosen.boxes, chosen.scores


def _one_class(look: Look, columns: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Boxes of several classes as one, overlapping ones joined."""
    chosen = look.of(np.isin(look.classes, columns))
    joined = Look(chosen.boxes, chosen.scores, np.zeros(len(chosen.scores), np.int64))
    merged = joined.merge([], 0.5)
    return merged.boxes, merged.scores


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return value
