"""A picture with the boxes that somebody drew on it, whatever the format they came in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PICTURE_FILES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"))

FINE = "fine"
"""Name of the attribute that keeps the finer name of a box, in formats that know attributes."""


@dataclass(frozen=True, slots=True)
class LabelBox:
    """One box: the source's class name and its edges as shares of the picture's width and height.

    Edges may lie outside of 0..1: what was drawn is kept until it has been checked. ``polygon`` is True where
    an outline or a turned box was drawn; the edges are then those of the upright box around it. ``vague``:
    the source says that it is a drawing, a toy, a group or hardly to be seen. ``fine``: the finer name that
    the source keeps beneath the class (a wallet, of ``no_weapon``); empty where the name is the finest.
    """

    name: str
    x1: float
    y1: float
    x2: float
    y2: float
    polygon: bool = False
    vague: bool = False
    fine: str = ""

    @classmethod
    def around(cls, name: str, points: Iterable[tuple[float, float]]) -> LabelBox:
        """The upright box around an outline."""
        xs, ys = zip(*points, strict=True)
        return cls(name, min(xs), min(ys), max(xs), max(ys), polygon=True)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled picture of a source.

    Attributes:
        path: of the picture below the root, with forward slashes.
        boxes: everything drawn on it; empty for a picture known to show nothing.
        size: (width, height) that the label file says; None where it says none.
        side: ``train`` or ``val`` of the publisher, or empty.
        chip: True for a cut-out that shows one thing only (classifier sets).
    """

    path: str
    boxes: tuple[LabelBox, ...]
    size: tuple[int, int] | None = None
    side: str = ""
    chip: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one file that a person should know: a word, and the evidence."""

    path: str
    flag: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Source:
    """All that a reader found: pictures, remarks on files, and files that cannot be used, with the reason."""

    pictures: tuple[Labelled, ...]
    remarks: tuple[Remark, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()


def picture_files(root: Path) -> list[str]:
    """All picture files below ``root``, sorted, with forward slashes; hidden ones are none."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in PICTURE_FILES and not path.name.startswith(".") and _is_there(path)
    )


def _is_there(path: Path) -> bool:
    """Also a dangling link, so that it is named and not passed over."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def without_labels(root: Path, pictures: Iterable[str], background: bool) -> Source:
    """Pictures that no label file belongs to: background, or left out and said so."""
    if background:
        return Source(tuple(Labelled(path, ()) for path in pictures))
    return Source((), tuple(Remark(path, "no_labels", "no label file belongs to it") for path in pictures))


def side_of(name: str) -> str:
    """``train`` or ``val`` for what publishers call their parts; empty for anything else."""
    return {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
            "test": "val", "testing": "val"}.get(name.lower(), "")  # fmt: skip
