"""Figures of a detector bundle on labelled pictures, per subset, through the very path that users run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vedette_base.bundle import Bundle
from vedette_base.config import VisionConfig
from vedette_base.score import VISION_LABELS
from vedette_base.statistics import TEST, thirds
from vedette_vision.boxes import Floats
from vedette_vision.dataset import Picture, load_pictures
from vedette_vision.detector import ImageFrame, Look, WeaponDetector
from vedette_vision.labels import FIREARM_IDS, LABEL_IDS, OPEN_TYPES
from vedette_vision.metrics import auroc, average_precision

_FIREARM_COLUMNS = tuple(VISION_LABELS.index(name) for name in OPEN_TYPES["gun"])


@dataclass(frozen=True, slots=True)
class SubsetFigures:
    """Figures of one subset.

    Attributes:
        pictures: how many.
        ap50: AP at IoU 0.5 per class that is labelled in it.
        firearm_ap50: pistols, long guns and unresolved guns as one class; None where there are none.
        firearm_auroc: whether pictures with a firearm score above those without; None where all are alike.
    """

    pictures: int
    ap50: dict[str, float]
    firearm_ap50: float | None
    firearm_auroc: float | None


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
    """

    map50: float
    ap50: dict[str, float]
    subsets: dict[str, SubsetFigures]
    pictures: int
    part: str
    path: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, rounded to four places, for cards and JSON."""
        plain: dict[str, Any] = _rounded(asdict(self))
        return plain


def evaluate(
    dataset_root: Path,
    bundle: Bundle,
    *,
    config: VisionConfig | None = None,
    closer: bool = True,
    part: str = "all",
) -> VisionReport:
    """Judge a bundle on ``val`` of the vision data set.

    Args:
        dataset_root: folder with ``manifest.jsonl``.
        bundle: a detector.
        closer: with the closer look at people, as ``detect`` does it.
        part: ``all``, or ``test``: the third of groups that neither calibration nor fusion saw.

    Raises:
        DataError: no such data.
    """
    config = config or VisionConfig()
    if not closer:
        without = config.closer_look.model_copy(update={"enabled": False})
        config = config.model_copy(update={"closer_look": without})
    pictures = load_pictures(dataset_root, "val")
    if part == "test":
        kept = thirds([p.group for p in pictures]) == TEST
        pictures = [p for p, keep in zip(pictures, kept, strict=True) if keep]
    looks = look_at(WeaponDetector(bundle, config), pictures)
    return report(pictures, looks, part=part, path="closer" if closer else "whole")


def look_at(detector: WeaponDetector, pictures: Sequence[Picture]) -> list[Look]:
    """What the detector finds on each picture, boxes as shares of width and height."""
    looks = []
    for picture in pictures:
        frame = ImageFrame(picture.read())
        look = detector.look_twice(frame)
        shares = (look.boxes / np.array(frame.size * 2)).astype(np.float32)
        looks.append(Look(shares, look.scores, look.classes))
    return looks


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
    """AP50 of one class; boxes whose type is open, or that are to be ignored, neither help nor harm."""
    column = VISION_LABELS.index(name)
    vague = [LABEL_IDS["ignore"], *(LABEL_IDS[k] for k, may in OPEN_TYPES.items() if name in may)]
    found = [_selected(look, (column,)) for look in looks]
    truth = [p.labels[p.labels[:, 0] == LABEL_IDS[name], 1:] for p in pictures]
    ignored = [p.labels[np.isin(p.labels[:, 0], vague), 1:] for p in pictures]
    return average_precision(found, truth, ignored)


def firearm_ap50(pictures: Sequence[Picture], looks: Sequence[Look]) -> float:
    """AP50 of firearms as one class, whatever their type (ids 1, 3 and 4 of the data set)."""
    found = [_one_class(look, _FIREARM_COLUMNS) for look in looks]
    truth = [p.labels[np.isin(p.labels[:, 0], FIREARM_IDS), 1:] for p in pictures]
    ignored = [p.labels[p.labels[:, 0] == LABEL_IDS["ignore"], 1:] for p in pictures]
    return average_precision(found, truth, ignored)


def firearm_score(look: Look) -> float:
    """Best score of a firearm on a picture."""
    return float(look.best()[list(_FIREARM_COLUMNS)].max())


def _subset(pictures: Sequence[Picture], looks: Sequence[Look]) -> SubsetFigures:
    ap50 = {name: class_ap50(pictures, looks, name) for name in VISION_LABELS}
    armed = [p.shows("pistol", "long_gun", "gun") for p in pictures]
    area = auroc([firearm_score(look) for look in looks], armed)
    firearm = firearm_ap50(pictures, looks)
    return SubsetFigures(
        pictures=len(pictures),
        ap50={name: value for name, value in ap50.items() if not np.isnan(value)},
        firearm_ap50=None if np.isnan(firearm) else firearm,
        firearm_auroc=None if np.isnan(area) else area,
    )


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
