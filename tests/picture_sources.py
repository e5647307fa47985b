"""Small sources of labelled pictures for tests: scenes that look unlike one another, and label files.

``from tests.picture_sources import ...``
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
XYXY = tuple[float, float, float, float]
CMYK_JPEG = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAUDg8SDw0UEhASFxUUGB4yIR4cHB49LC4kMklATEtHQEZFUFpzYlBVbVZFRmSIZW13e4GCgU5gjZeM"
    "fZZzfoF8/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAAGBf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAOBEMA"
    "TQBZAEsAAD8Ar2Ep1mAAAA//2Q=="
)
"""16x16, four inks, base64."""


def scene(seed: int, *, shift: int = 0, size: tuple[int, int] = (120, 80)) -> Pixels:
    """A picture of a place of its own; ``shift`` moves a small thing in it, as from frame to frame."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    place = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    x = 10 + 6 * shift
    cv2.rectangle(place, (x, 30), (x + 8, 40), (20, 20, 200), -1)
    return np.asarray(place, np.uint8)


def write_picture(path: Path, image: Pixels, *, turned: int = 1) -> Path:
    """A picture file; a JPEG may carry an EXIF orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(path.suffix, image)
    assert ok
    whole = data.tobytes()
    if turned != 1:
        tag = struct.pack(">HHIHH", 0x0112, 3, 1, turned, 0)
        exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + tag + struct.pack(">I", 0)
        whole = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + whole[2:]
    path.write_bytes(whole)
    return path


def write_yolo(root: Path, scenes: Mapping[str, Sequence[tuple[str, str]]], names: Sequence[str]) -> Path:
    """``root/<part>/images`` and ``labels``: per part, (stem, label lines); a picture per stem."""
    seed = 0
    for part, pictures in scenes.items():
        for stem, lines in pictures:
            seed += 1
            write_picture(root / part / "images" / f"{stem}.jpg", scene(seed))
            label = root / part / "labels" / f"{stem}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(lines)
    text = "".join(f"{part}: ../{part}/images\n" for part in scenes)
    (root / "data.yaml").write_text(f"{text}nc: {len(names)}\nnames: {list(names)}\n")
    return root


def voc(size: tuple[int, int], boxes: Sequence[tuple[str, XYXY]], *, filename: str = "") -> str:
    """A VOC annotation."""
    things = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
        f"<ymax>{y2}</ymax></bndbox></object>"
        for name, (x1, y1, x2, y2) in boxes
    )
    return (
        f"<annotation><filename>{filename}</filename><size><width>{size[0]}</width><height>{size[1]}</height>"
        f"<depth>3</depth></size>{things}</annotation>"
    )


def coco(pictures: Sequence[tuple[str, tuple[int, int]]], boxes: Sequence[tuple[int, int, XYXY]]) -> str:
    """A COCO file; boxes are (number of the picture, category id, x y w h); categories 1 and 2."""
    return json.dumps(
        {
            "images": [
                {"id": i, "file_name": name, "width": size[0], "height": size[1]}
                for i, (name, size) in enumerate(pictures)
            ],
            "annotations": [
                {"id": n, "image_id": picture, "category_id": kind, "bbox": list(box)}
                for n, (picture, kind, box) in enumerate(boxes)
            ],
            "categories": [{"id": 1, "name": "handgun"}, {"id": 2, "name": "wallet"}],
        }
    )
