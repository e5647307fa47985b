"""The layout of the Deepcam gun set: ``detector/`` and ``classifier/``, each with ``gun/`` and ``other/``.

Pictures of ``detector/gun`` have a label file of their name (VOC XML or YOLO text) beside them or anywhere
below ``detector``; those of ``detector/other`` show no gun. Pictures of ``classifier`` are chips: cut-outs
that show one thing, named by the folder.
"""

from __future__ import annotations

from pathlib import Path

from vedette_base.errors import DataError
from vedette_vision.prepare.labelled import LabelBox, Labelled, Remark, Source, picture_files
from vedette_vision.prepare.voc import parse_annotation, read_annotation
from vedette_vision.prepare.yolo import read_labels

HALVES, KINDS = ("detector", "classifier"), ("gun", "other")
_EMPTY = "other"


def read_deepcam(root: Path, names: tuple[str, ...] = ("gun",)) -> Source:
    """All pictures of both halves. Raises DataError where neither half is there."""
    halves = [half for half in HALVES if (root / half).is_dir()]
    if not halves:
        raise DataError(f"{root}: neither detector/ nor classifier/", hint="is --root the right folder?")
    pictures, remarks, broken = [], [], []
    labels = {
        path.stem: path for path in sorted((root / "detector").rglob("*")) if path.suffix in (".xml", ".txt")
    }
    used = set()
    for half in halves:
        for path in picture_files(root / half):
            kind, whole = Path(path).parts[0], f"{half}/{path}"
            if half == "classifier":
                pictures.append(Labelled(whole, (LabelBox(kind, 0.0, 0.0, 1.0, 1.0),), chip=True))
            elif kind == _EMPTY:
                pictures.append(Labelled(whole, ()))
            elif (file := labels.get(Path(path).stem)) is None:
                remarks.append(Remark(whole, "no_labels", "no label file belongs to it"))
            else:
                used.add(file)
                try:
                    size, boxes = _read(file, names, root / whole)
                except DataError as error:
                    broken.append((whole, str(error).removeprefix(f"{root}/")))
                    continue
                pictures.append(Labelled(whole, boxes, size))
    for file in labels.values():
        if file not in used and file.stem != "classes":
            remarks.append(
                Remark(file.relative_to(root).as_posix(), "no_picture", "no picture belongs to it")
            )
    return Source(tuple(pictures), tuple(remarks), tuple(broken))


def _read(
    file: Path, names: tuple[str, ...], picture: Path
) -> tuple[tuple[int, int] | None, tuple[LabelBox, ...]]:
    if file.suffix == ".txt":
        return None, read_labels(file, names)
    return read_annotation(parse_annotation(file), str(file), picture)
