"""``manifest.jsonl``: what `vedette data` writes is what ``vedette_vision.dataset.load_pictures`` reads.

A line holds ``file`` (below the manifest's folder), ``subset`` (the split, a slash, the source), ``source``,
``group``, ``size``, ``boxes`` (label, centre x, centre y, width, height as shares) and, beneath it, ``fine``
(the finer name of each box) and ``flag``. Chips go into a manifest of their own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vedette_base.errors import DataError
from vedette_base.manifests import below, write_text
from vedette_base.splits import TRAIN, VAL
from vedette_vision.labels import LABEL_IDS
from vedette_vision.prepare.entries import Entry, EntryBox

MANY = 5
"""Names listed in an error."""


def write_manifest(path: Path, root: Path, entries: Iterable[Entry]) -> Path:
    """Write entries whose paths lie below ``root``. Raises OutputError."""
    lines = []
    for entry in entries:
        record = {
            "file": below(root / entry.path, path.parent),
            "subset": f"{entry.split or TRAIN}/{entry.subset or entry.source}",
            "source": entry.source,
            "group": entry.group,
            "size": list(entry.size),
            "boxes": [[box.label, *(round(part, 6) for part in box.centred)] for box in entry.boxes],
            "fine": [box.fine for box in entry.boxes],
            "flag": entry.flag,
        }
        lines.append(json.dumps(record) + "\n")
    write_text(path, "".join(lines))
    return path


def read_entries(path: Path) -> tuple[Entry, ...]:
    """The pictures of an existing manifest, whoever wrote it; paths stay relative to its folder.

    Raises:
        DataError: a manifest that cannot be read, a line that is wrong (named by its number), missing files.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}",
            hint="give the manifest.jsonl of a picture data set",
        ) from error
    entries = tuple(
        _entry(line, f"{path} line {number}") for number, line in enumerate(lines, 1) if line.strip()
    )
    if not entries:
        raise DataError(f"{path}: lists no pictures")
    missing = [entry.path for entry in entries if not (path.parent / entry.path).is_file()]
    if missing:
        raise DataError(
            f"{path}: {len(missing)} of {len(entries)} files are missing: {', '.join(missing[:MANY])}"
            + (" ..." if len(missing) > MANY else ""),
            hint="paths are relative to the manifest",
        )
    return entries


def _entry(line: str, where: str) -> Entry:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: must be an object")
    absent = [key for key in ("file", "subset", "group", "boxes") if key not in record]
    if absent:
        raise DataError(f"{where}: no {', '.join(absent)}")
    split, _, subset = str(record["subset"]).partition("/")
    if split not in (TRAIN, VAL):
        raise DataError(f"{where}: subset {record['subset']!r} begins neither with train/ nor with val/")
    boxes = record["boxes"]
    if not isinstance(record["file"], str) or not record["file"]:
        raise DataError(f"{where}: file must be the name of a picture, got {record['file']!r}")
    if not isinstance(boxes, list):
        raise DataError(f"{where}: boxes must be a list, got {boxes!r}")
    fine = record.get("fine") or [box[0] for box in boxes if isinstance(box, list) and box]
    if not isinstance(fine, list) or len(fine) != len(boxes):
        named = len(fine) if isinstance(fine, list) else repr(fine)
        raise DataError(f"{where}: fine names {named} boxes, boxes has {len(boxes)}")
    size = record.get("size") or [0, 0]
    if not isinstance(size, list) or len(size) != 2 or not all(_is_number(side) for side in size):
        raise DataError(f"{where}: size is [width, height] in pixels, got {size!r}")
    return Entry(
        path=record["file"],
        size=(int(size[0]), int(size[1])),
        boxes=tuple(_box(box, str(name), where) for box, name in zip(boxes, fine, strict=True)),
        source=str(record.get("source") or subset),
        subset=subset,
        group=str(record["group"]),
        split=split,
        flag=str(record.get("flag") or ""),
    )


def _is_number(value: Any) -> bool:
    """Neither text, NaN nor infinite, nor an integer too long to be a float."""
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _box(box: Any, fine: str, where: str) -> EntryBox:
    if not isinstance(box, list) or len(box) != 5:
        raise DataError(f"{where}: a box is [label, centre x, centre y, width, height], got {box!r}")
    label, *edges = box
    if not isinstance(label, str) or label not in LABEL_IDS:
        raise DataError(f"{where}: unknown label {label!r}", hint=f"known labels: {', '.join(LABEL_IDS)}")
    if not all(map(_is_number, edges)):
        raise DataError(f"{where}: a box of {label} holds what is no number: {str(edges)[:80]}")
    x, y, width, height = map(float, edges)
    return EntryBox(label, fine, x - width / 2, y - height / 2, x + width / 2, y + height / 2)
