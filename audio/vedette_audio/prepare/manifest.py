"""The manifest as a file: what `vedette data` writes is what `vedette_audio.dataset.read_manifest` reads."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vedette_audio.dataset import read_manifest
from vedette_audio.prepare.layouts import Entry, missing_words
from vedette_base.errors import DataError, OutputError
from vedette_base.score import FIREARMS, GUNSHOT

COLUMNS = (
    "path", "source", "task", "label", "fine", "group", "split",
    "native_rate", "duration_s", "flag", "onsets", "twin",
)  # fmt: skip


def read_entries(path: Path) -> tuple[Entry, ...]:
    """The clips of an existing manifest, whoever wrote it; the files lie beside it.

    Raises:
        DataError: as ``read_manifest``; files that are missing; a label that is neither gunshot nor other.
    """
    clips = read_manifest(path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    missing = [clip.path for clip in clips if not (path.parent / clip.path).is_file()]
    if missing:
        raise DataError(
            f"{path}: {missing_words(missing, len(clips))}", hint="paths are relative to the manifest"
        )
    for number, row in enumerate(rows, 2):
        if row["label"] not in (GUNSHOT, "other"):
            raise DataError(
                f"{path} line {number}: label {row['label']!r} is not in the class list (gunshot, other)"
            )
    return tuple(
        Entry(
            path=row["path"],
            label=row["label"],
            fine=row["fine"],
            group=row["group"],
            onsets=tuple(float(part) for part in (row.get("onsets") or "").split()),
            source=row["source"],
            split=row["split"],
            flag=row.get("flag") or "",
            rate=int(row.get("native_rate") or 0),
        )
        for row in rows
    )


def task_of(entry: Entry) -> str:
    """What a clip can teach: ``type+detect`` for one of the nine firearms, else ``detect``."""
    return "type+detect" if entry.label == GUNSHOT and entry.fine in FIREARMS else "detect"


def below(path: Path, folder: Path) -> str:
    """``path`` as a manifest in ``folder`` names it, with forward slashes."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV in one go: a reader never sees half of it. Raises OutputError."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
