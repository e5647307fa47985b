"""Scenes: which pictures come from one video, camera or moment, estimated where nobody says.

Frames are saved one after the other and numbered, so a scene is a run of neighbouring names whose pictures
look alike. It is an estimate: the evidence of every run comes with it. Near-duplicates are one scene wherever
they lie.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from vedette_vision.prepare.look import Look
from vedette_vision.prepare.nearness import Floats, shaped

SAME_PLACE = 0.65
"""Least correlation of small grey pictures within one scene. Of web photos, which are strangers, one in a
hundred comes above 0.60; joining too much only makes scenes coarser, joining too little leaks."""
BACK = 4
"""Pictures that are looked back at."""
_HASH = re.compile(r"(?:[._-](?:rf\.)?(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,})$")
_LAST = re.compile(r"\d+(?=\D*$)")


@dataclass(frozen=True, slots=True)
class Scene:
    """One estimated scene and the evidence for it.

    Attributes:
        group: its name.
        first, last: paths of its first and last picture; ``pictures``: how many.
        weakest: least likeness of a picture in it to the few before it, 1.0 for a single picture.
        before: likeness of its first picture to the last ones of the scene before, 0.0 for the first one.
    """

    group: str
    first: str
    last: str
    pictures: int
    weakest: float
    before: float


def similar_scenes(
    paths: Sequence[str], looks: Sequence[Look], prefix: str
) -> tuple[list[str], tuple[Scene, ...]]:
    """Scene of each picture and the evidence; ``prefix`` begins every name.

    In the order of their names, a picture belongs to the scene of the one before it when it looks like one of
    the last ``BACK``: a person may step before the camera, and frames of two films may alternate.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for number in sorted(range(len(paths)), key=lambda i: order(paths[i])):
        rows[order(paths[number])[0]].append(number)
    groups = [""] * len(paths)
    found: list[Scene] = []
    for row in rows.values():
        shapes = shaped([looks[i] for i in row])
        likeness = [
            0.0,
            *(_like_before([looks[i] for i in row], shapes, place) for place in range(1, len(row))),
        ]
        starts = [place for place, like in enumerate(likeness) if place == 0 or like < SAME_PLACE]
        for start, end in pairwise([*starts, len(row)]):
            group = f"{prefix}_s{len(found) + 1:05d}"
            for i in row[start:end]:
                groups[i] = group
            weakest = min(likeness[start + 1 : end], default=1.0)
            ends = paths[row[start]], paths[row[end - 1]]
            found.append(Scene(group, *ends, end - start, round(weakest, 3), round(likeness[start], 3)))
    return groups, tuple(found)


def sequence_scenes(paths: Sequence[str], prefix: str) -> list[str]:
    """Scene of each picture where names that differ only in their last number are frames of one video."""
    return [f"{prefix}/{Path(path).parent.as_posix()}/{_LAST.sub('', _stem(path))}" for path in paths]


def order(path: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """Folder and name, numbers by their value: where a picture comes in its sequence."""
    parts = re.findall(r"\d+|\D+", _stem(path))
    return str(Path(path).parent), tuple((int(p), "") if p.isdecimal() else (-1, p) for p in parts)


def _stem(path: str) -> str:
    """A file's name without ending and without the hash that some tools append."""
    return _HASH.sub("", Path(path).stem)


def _like_before(looks: Sequence[Look], shapes: Floats, place: int) -> float:
    """Greatest likeness of a picture to one of the few before it."""
    return max(_like(looks, shapes, place, before) for before in range(max(0, place - BACK), place))


def _like(looks: Sequence[Look], shapes: Floats, one: int, two: int) -> float:
    if looks[one].plain or looks[two].plain:
        both = looks[one].plain and looks[two].plain
        return 1.0 if both and looks[one].size == looks[two].size else 0.0
    plain = float(np.sum(shapes[one] * shapes[two]))
    return max(plain, float(np.sum(shapes[one] * shapes[two][:, ::-1])))  # augmented sets mirror at will
