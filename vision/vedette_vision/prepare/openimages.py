"""Open Images: boxes in CSV files, class names in another, pictures named by their id."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from vedette_base.errors import DataError
from vedette_vision.prepare.labelled import (
    LabelBox,
    Labelled,
    Remark,
    Source,
    picture_files,
    side_of,
    without_labels,
)

_VAGUE = ("IsDepiction", "IsGroupOf")
"""A drawing or toy; a heap in which single things were not drawn: to be ignored, not learnt."""


def read_openimages(root: Path, wanted: frozenset[str], *, background: bool = False) -> Source:
    """Pictures with boxes of the classes ``wanted``; the other five hundred and more classes are not read.

    Needs ``class-descriptions*.csv`` and one or more ``*annotations-bbox*.csv`` below ``root``.

    Raises:
        DataError: a table that is missing or cannot be read.
    """
    described = sorted(root.rglob("*class-descriptions*.csv"))
    tables = sorted(root.rglob("*annotations-bbox*.csv"))
    if not described or not tables:
        raise DataError(f"{root}: needs class-descriptions*.csv and *annotations-bbox*.csv")
    names = {row[0]: row[1] for row in _plain_rows(described[0])}
    there = {Path(path).stem: path for path in picture_files(root)}
    boxes: dict[str, list[LabelBox]] = defaultdict(list)
    sides: dict[str, str] = {}
    for table in tables:
        side = next((found for part in table.stem.split("-") if (found := side_of(part))), "")
        for where, row in _rows(table):
            name = names.get(row["LabelName"], row["LabelName"])
            if name in wanted:
                boxes[row["ImageID"]].append(_box(row, name, where))
                sides[row["ImageID"]] = side
    remarks = [
        Remark(key, "no_picture", "the boxes name it; its picture is not there")
        for key in boxes
        if key not in there
    ]
    pictures = [
        Labelled(there[key], tuple(found), side=sides[key]) for key, found in boxes.items() if key in there
    ]
    rest = without_labels(root, sorted(path for key, path in there.items() if key not in boxes), background)
    return Source((*pictures, *rest.pictures), (*remarks, *rest.remarks))


def _box(row: Mapping[str, str], name: str, where: str) -> LabelBox:
    try:
        x1, x2, y1, y2 = (float(row[key]) for key in ("XMin", "XMax", "YMin", "YMax"))
    except ValueError:
        x1 = x2 = y1 = y2 = math.nan
    if not all(map(math.isfinite, (x1, x2, y1, y2))):
        raise DataError(f"{where}: edges must be numbers")
    return LabelBox(name, x1, y1, x2, y2, vague=any(row.get(key) == "1" for key in _VAGUE))


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    needed = {"ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax"}
    with _table(path) as file:
        reader = csv.DictReader(file)
        absent = needed - set(reader.fieldnames or ())
        if absent:
            raise DataError(f"{path}: no column {', '.join(sorted(absent))}")
        for row in reader:
            yield (
                f"{path.name} line {reader.line_num}",
                {key: value or "" for key, value in row.items() if key},
            )


@contextmanager
def _table(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _plain_rows(path: Path) -> Iterator[list[str]]:
    with _table(path) as file:
        yield from (row for row in csv.reader(file) if len(row) >= 2)
