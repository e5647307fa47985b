"""One picture of a manifest: boxes in our labels, upright, inside the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vedette_vision.prepare.labelled import LabelBox

_SLACK = 1.0
"""Pixels by which a box may hang over the edge before it is remarked on: rounding of the tools."""
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class EntryBox:
    """One box: our label, the finer name beneath it, and its edges as shares of the upright picture, 0..1."""

    label: str
    fine: str
    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def centred(self) -> tuple[float, float, float, float]:
        """Centre x, centre y, width, height, as shares: as YOLO and the manifest have it."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2, self.x2 - self.x1, self.y2 - self.y1


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture.

    Attributes:
        path: below the root, with forward slashes.
        size: (width, height) in pixels, upright.
        boxes: what is on it.
        source: name of the card; subset: part of the source that is measured by itself.
        group: video or scene; split: ``train``, ``val`` or empty.
        flag: remarks, joined by ``+``; chip: a cut-out that shows one thing.
    """

    path: str
    size: tuple[int, int]
    boxes: tuple[EntryBox, ...]
    source: str = ""
    subset: str = ""
    group: str = ""
    split: str = ""
    flag: str = ""
    chip: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Distinct labels on it, sorted; ``(nothing)`` for a picture without boxes."""
        return tuple(sorted({box.label for box in self.boxes})) or ("(nothing)",)

    def flagged(self, *flags: str) -> Entry:
        """The same with more remarks."""
        words = [*self.flag.split("+"), *flags]
        return replace(self, flag="+".join(dict.fromkeys(word for word in words if word)))


def inside(box: EntryBox, size: tuple[int, int]) -> tuple[EntryBox | None, str]:
    """A box clipped to the picture, and what was wrong with it.

    Returns:
        The box, or None where nothing is left of it; ``outside``, ``no_area`` or empty.
    """
    wide, high = (box.x2 - box.x1) * size[0], (box.y2 - box.y1) * size[1]
    if wide < _LEAST or high < _LEAST:
        return None, "no_area"
    over = max(-box.x1 * size[0], (box.x2 - 1) * size[0], -box.y1 * size[1], (box.y2 - 1) * size[1])
    cut = replace(
        box,
        x1=min(1.0, max(0.0, box.x1)),
        y1=min(1.0, max(0.0, box.y1)),
        x2=min(1.0, max(0.0, box.x2)),
        y2=min(1.0, max(0.0, box.y2)),
    )
    if (cut.x2 - cut.x1) * size[0] < _LEAST or (cut.y2 - cut.y1) * size[1] < _LEAST:
        return None, "outside"
    return cut, "outside" if over > _SLACK else ""


def upright(boxes: Sequence[LabelBox], turned: int) -> tuple[LabelBox, ...]:
    """Boxes drawn on a picture as stored, on the picture as seen; ``turned``: EXIF orientation 1..8."""
    return tuple(_upright(box, turned) for box in boxes)


def _upright(box: LabelBox, turned: int) -> LabelBox:
    corners = [_point(x, y, turned) for x, y in ((box.x1, box.y1), (box.x2, box.y2))]
    (x1, x2), (y1, y2) = (sorted(values) for values in zip(*corners, strict=True))
    return replace(box, x1=x1, y1=y1, x2=x2, y2=y2)


def _point(x: float, y: float, turned: int) -> tuple[float, float]:
    """EXIF 2.32, tag Orientation: where a stored point is seen."""
    return {
        1: (x, y),
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (1 - y, x),
        7: (1 - y, 1 - x),
        8: (y, 1 - x),
    }[turned]
