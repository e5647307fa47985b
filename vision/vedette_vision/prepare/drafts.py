"""Draft labels: what the current detector finds, written for a person to correct, as YOLO and as VOC."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette_base.errors import DataError
from vedette_base.manifests import write_text
from vedette_base.score import VISION_LABELS
from vedette_vision.detector import WeaponDetector
from vedette_vision.imaging import read_image
from vedette_vision.prepare.convert import Sheet, voc_xml, yolo_lines
from vedette_vision.prepare.labelled import LabelBox, picture_files
from vedette_vision.prepare.look import look_at

Tell = Callable[[int, int], None]
_DOUBT = 0.5  # boxes below it are worth a look first


@dataclass(frozen=True, slots=True)
class Drafted:
    """What was written: ``pictures`` with a draft, ``boxes`` in them, and files left out, with the reason."""

    pictures: int
    boxes: int
    left_out: tuple[tuple[str, str], ...]
    kept: tuple[str, ...]
    """Label files that were there already, perhaps corrected by a person: never overwritten."""


def write_drafts(
    detector: WeaponDetector,
    folder: Path,
    out: Path,
    *,
    min_probability: float = 0.25,
    tell: Tell = lambda done, of: None,
) -> Drafted:
    """Draft labels for every picture below ``folder``.

    Writes ``out/yolo/labels/*.txt`` with ``out/yolo/classes.txt``, ``out/voc/*.xml``, and ``out/drafts.csv``:
    every box with its probability, least sure first, the order in which to look.

    Args:
        detector: finds the boxes.
        folder: pictures; out: where drafts go, sub-folders kept.
        min_probability: calibrated probability from which a box is drafted, 0..1.

    Raises:
        DataError: no pictures there.
        OutputError: a file cannot be written.
    """
    paths = picture_files(folder) if folder.is_dir() else []
    if not paths:
        raise DataError(f"{folder}: no pictures", hint="give a folder of JPEG or PNG files")
    left_out, kept, rows = [], [], []
    pictures = 0
    for number, path in enumerate(paths):
        tell(number, len(paths))
        look = look_at(folder / path)
        if look.fault:
            left_out.append((path, look.fault))
            continue
        image = read_image(folder / path)
        if image is None:
            left_out.append((path, "cannot be decoded"))
            continue
        found = detector.detect(image, min_probability)
        height, width = image.shape[:2]
        boxes = [
            LabelBox(d.label, d.box[0] / width, d.box[1] / height, d.box[2] / width, d.box[3] / height)
            for d in found
        ]
        kept += _write(out, path, folder, (width, height), boxes)
        rows += [(path, d.label, d.probability, d.box) for d in found]
        pictures += 1
    tell(len(paths), len(paths))
    write_text(out / "yolo" / "classes.txt", "".join(f"{name}\n" for name in VISION_LABELS))
    write_text(out / "drafts.csv", _table(rows))
    return Drafted(pictures, len(rows), tuple(left_out), tuple(kept))


def _write(out: Path, path: str, folder: Path, size: tuple[int, int], boxes: Sequence[LabelBox]) -> list[str]:
    """Both drafts of one picture; gives those that were there already and were left alone."""
    name = Path(path).with_suffix("")
    sheet = Sheet(folder / path, name.name, size, tuple(boxes), "")
    kept = []
    for target, text in (
        (out / "yolo" / "labels" / f"{name}.txt", yolo_lines(boxes, VISION_LABELS)),
        (out / "voc" / f"{name}.xml", voc_xml(sheet)),
    ):
        if target.exists():
            kept.append(target.relative_to(out).as_posix())
        else:
            write_text(target, text)
    return kept


def _table(rows: Sequence[tuple[str, str, float, tuple[float, float, float, float]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "label", "probability", "x1", "y1", "x2", "y2", "doubtful"))
    for path, label, probability, box in sorted(rows, key=lambda row: row[2]):
        edges = (round(edge, 1) for edge in box)
        writer.writerow((path, label, round(probability, 3), *edges, int(probability < _DOUBT)))
    return text.getvalue()
