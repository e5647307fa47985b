"""The manifest as a file: what `vedette data` writes is what `vedette_audio.dataset.read_manifest` reads."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from vedette_audio.dataset import read_manifest
from vedette_audio.prepare.layouts import Entry, missing_words
from vedette_base.errors import DataError
from vedette_base.score import FIREARMS, GUNSHOT
from vedette_base.splits import TRAIN, VAL

COLUMNS = (
    "path", "source", "task", "label", "fine", "group", "split",
    "native_rate", "duration_s", "flag", "onsets", "twin",
)  # fmt: skip


def read_entries(path: Path) -> tuple[Entry, ...]:
    """The clips of an existing manifest, whoever wrote it; the files lie beside it.

    Raises:
        DataError: as ``read_manifest``; files that are missing; a value that cannot be one of its column.
    """
    try:
        clips = read_manifest(path)
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: no table in UTF-8: {error}") from error
    entries = tuple(_entry(row, f"{path} line {number}") for number, row in enumerate(rows, 2))
    missing = [clip.path for clip in clips if not (path.parent / clip.path).is_file()]
    if missing:
        raise DataError(
            f"{path}: {missing_words(missing, len(clips))}", hint="paths are relative to the manifest"
        )
    return entries


def _entry(row: Mapping[str, str | None], where: str) -> Entry:
    text = {name: row.get(name) or "" for name in COLUMNS}
    empty = [name for name in ("path", "source", "label", "fine", "group", "split") if not text[name]]
    if empty:
        raise DataError(f"{where}: nothing in {', '.join(empty)}")
    if text["label"] not in (GUNSHOT, "other"):
        raise DataError(f"{where}: label {text['label']!r} is not in the class list (gunshot, other)")
    if text["split"] not in (TRAIN, VAL):
        raise DataError(f"{where}: split {text['split']!r} is neither train nor val")
    return Entry(
        path=text["path"],
        label=text["label"],
        fine=text["fine"],
        group=text["group"],
        onsets=tuple(_number(part, where, "onsets") for part in text["onsets"].split()),
        source=text["source"],
        split=text["split"],
        flag=text["flag"],
        rate=round(_number(text["native_rate"] or "0", where, "native_rate")),
    )


def _number(text: str, where: str, column: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {column} must be a number, got {text!r}")
    return number


def task_of(entry: Entry) -> str:
    """What a clip can teach: ``type+detect`` for one of the nine firearms, else ``detect``."""
    return "type+detect" if entry.label == GUNSHOT and entry.fine in FIREARMS else "detect"
