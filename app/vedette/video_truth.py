"""When weapons can be seen in recordings: a file of spans, as people note them while watching."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vedette_base.errors import DataError
from vedette_base.score import Segment, merge_segments

Spans = tuple[Segment, ...]


def read_spans(path: Path) -> dict[str, Spans]:
    """Recording's name -> spans in seconds in which a weapon is visible.

    The file is JSON: ``{"a.mp4": {"visible": [{"label": "pistol", "start": 0.0, "end": 24.7}]}, ...}``. A
    recording without ``visible``, or with an empty one, shows no weapon. Other keys are passed over.

    Raises:
        DataError: it cannot be read, or is not of that form.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise DataError(f"{path}: is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: must be an object with a recording's name per key")
    return {name: _spans(entry, f"{path}: {name}") for name, entry in found.items()}


def spans_of(recordings: Sequence[Path], labels: Mapping[str, Spans], folder: Path) -> list[Spans | None]:
    """The spans of each recording, by its path relative to ``folder`` or by its name; None where not named.

    Raises:
        DataError: none of the recordings is named: the labels are those of others.
    """
    found = []
    for path in recordings:
        try:
            inside = path.resolve().relative_to(folder.resolve()).as_posix()
        except ValueError:
            inside = path.name
        found.append(labels.get(inside, labels.get(path.name)))
    if labels and recordings and all(spans is None for spans in found):
        raise DataError(
            f"none of the {len(recordings)} recordings is named in the labels",
            hint=f"they name {', '.join(list(labels)[:3])}",
        )
    return found


def _spans(entry: Any, where: str) -> Spans:
    listed = entry.get("visible", []) if isinstance(entry, dict) else None
    if not isinstance(listed, list):
        raise DataError(f"{where}: must be an object whose 'visible' is a list of spans")
    return merge_segments([_span(item, where) for item in listed])


def _span(item: Any, where: str) -> Segment:
    ends = [item.get(key) for key in ("start", "end")] if isinstance(item, dict) else []
    known = [float(v) for v in ends if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(known) != 2 or not 0 <= known[0] < known[1] < math.inf:  # also refuses NaN
        raise DataError(
            f"{where}: a visible span needs 0 <= start < end in seconds, got {json.dumps(item)[:80]}"
        )
    return Segment(known[0], known[1])
