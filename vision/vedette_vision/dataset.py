"""The picture data set: a manifest of labelled JPEGs, held in memory as small pictures."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vedette_base.errors import DataError
from vedette_vision.imaging import read_image
from vedette_vision.labels import LABEL_IDS

Split = Literal["train", "val"]
_KEYS = ("file", "subset", "group", "boxes")
Labels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One labelled picture.

    Attributes:
        file: path of the JPEG.
        subset: where it comes from, without the split (``"us_cam1"``).
        group: video or scene; one group is never on both sides of a split.
        labels: shape ``(n, 5)``: id of ``LABEL_IDS``, then x1, y1, x2, y2 as shares of width and height.
    """

    file: Path
    subset: str
    group: str
    labels: Labels

    def read(self) -> npt.NDArray[np.uint8]:
        """Decode it, shape ``(h, w, 3)`` BGR. Raises DataError for a damaged file."""
        pixels = read_image(self.file)
        if pixels is None:
            raise DataError(f"cannot read picture {self.file}")
        return pixels

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels; decodes the picture. Raises DataError for a damaged file."""
        height, width = self.read().shape[:2]
        return width, height

    def shows(self, *names: str) -> bool:
        """Whether any of these labels is on it."""
        return bool(np.isin(self.labels[:, 0], [LABEL_IDS[name] for name in names]).any())


def load_pictures(root: Path, split: Split) -> list[Picture]:
    """Read ``manifest.jsonl`` of the vision data set in ``root``.

    Raises:
        DataError: no manifest, a line that is none of its lines, an unknown label, or a box that is none.
    """
    manifest = root / "manifest.jsonl"
    if not manifest.is_file():
        raise DataError(f"no manifest.jsonl in {root}", hint="give the folder that holds it, train/ and val/")
    pictures = []
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{manifest}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        entry = _entry(line, f"{manifest}:{number}")
        part, _, subset = str(entry["subset"]).partition("/")
        if part == split:
            labels = _labels(entry["boxes"], f"{manifest}:{number}")
            pictures.append(Picture(root / entry["file"], subset, str(entry["group"]), labels))
    if not pictures:
        raise DataError(f"{manifest} lists no {split} pictures")
    return pictures


def _entry(line: str, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: is not JSON: {error}") from error
    missing = [key for key in _KEYS if not isinstance(entry, dict) or key not in entry]
    if missing or not isinstance(entry["boxes"], list) or not isinstance(entry["file"], str):
        raise DataError(
            f"{where}: must be an object with {', '.join(_KEYS)}, of which boxes is a list and file text",
            hint="vedette data prepare writes such a manifest",
        )
    return dict(entry)


def _is_number(value: Any) -> bool:
    """Neither text, NaN nor infinite, nor an integer too long to be a float."""
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _labels(boxes: list[Any], where: str) -> Labels:
    rows = []
    for box in boxes:
        numbers = box[1:] if isinstance(box, list) else []
        if len(numbers) != 4 or not all(map(_is_number, numbers)):
            raise DataError(f"{where}: a box is [label, x, y, width, height], got {json.dumps(box)[:80]}")
        name, (x, y, width, height) = box[0], numbers
        if not isinstance(name, str) or name not in LABEL_IDS:
            raise DataError(f"{where}: unknown label {name!r}", hint=f"known labels: {', '.join(LABEL_IDS)}")
        if width <= 0 or height <= 0:
            raise DataError(f"{where}: a box of no area")
        rows.append([LABEL_IDS[name], x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    labels = np.asarray(rows, np.float32).reshape(-1, 5)
    labels[:, 1:] = labels[:, 1:].clip(0, 1)
    return labels


def data_hash(pictures: list[Picture]) -> str:
    """SHA-256 over names and labels: tells whether two runs saw the same data."""
    digest = hashlib.sha256()
    for picture in sorted(pictures, key=lambda p: p.file.name):
        digest.update(picture.file.name.encode(errors="surrogateescape"))
        digest.update(np.round(picture.labels, 5).tobytes())
    return digest.hexdigest()


def with_people(picture: Picture, people: list[list[float]], sure: float = 0.35) -> Picture:
    """Add people that another detector found: ``[score, x1, y1, x2, y2]`` as shares of the picture.

    Boxes below ``sure`` become ``maybe_person``: neither taught nor taught against.
    """
    rows = [
        [LABEL_IDS["person"] if score >= sure else LABEL_IDS["maybe_person"], *box] for score, *box in people
    ]
    labels = np.concatenate([picture.labels, np.asarray(rows, np.float32).reshape(-1, 5)])
    return Picture(picture.file, picture.subset, picture.group, labels)
