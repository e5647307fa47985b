"""How two label sets differ, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vedette_vision.prepare.compare import Comparison

_LISTED = 5
_BANDS = ("0.5-0.6", "0.6-0.7", "0.7-0.8", "0.8-0.9", "0.9-1.0")


def comparison_lines(found: Comparison, trained: Sequence[Mapping[str, Any]] | None = None) -> Iterator[str]:
    """The comparison, the gravest last; ``trained``: figures of a model trained on A and of one on B."""
    yield f"{found.pictures} pictures in both, {found.alike} of them with the same boxes"
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            more = " ..." if len(names) > _LISTED else ""
            yield f"{len(names)} pictures in {side} only: {', '.join(names[:_LISTED])}{more}"
    width = max(5, *(len(row.name) for row in found.classes)) if found.classes else 5
    heads = ("in A", "in B", "both", "only A", "only B", "renamed", "mean IoU")
    yield f"{'class':{width}} " + " ".join(f"{head:>8}" for head in heads)
    for row in found.classes:
        counts = (row.a, row.b, row.both, row.only_a, row.only_b, row.renamed)
        mean = "-" if row.iou is None else f"{row.iou:.3f}"
        yield f"{row.name:{width}} " + " ".join(f"{count:8d}" for count in counts) + f" {mean:>8}"
    for one, two, count in found.renamed[:_LISTED]:
        yield f"{count} boxes are {one} in A and {two} in B"
    if sum(found.overlaps):
        yield "overlap of matched boxes: " + ", ".join(
            f"{count} at {band}" for band, count in zip(_BANDS, found.overlaps, strict=True)
        )
    if found.worst:
        yield "look first at: " + ", ".join(f"{name} ({count})" for name, count in found.worst[:_LISTED])
    if trained is None:
        yield "what each trains to: train on A and on B, then --model RUN_A --model RUN_B --pictures FOLDER"
    else:
        yield from _trained_lines(*trained)


def _trained_lines(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """AP50 of both models side by side."""
    yield f"{'trains to':20} {'A':>8} {'B':>8} {'B - A':>8}"
    rows = [("mean AP50", a.get("map50"), b.get("map50"))]
    rows += [
        (f"AP50 {name}", value, b.get("ap50", {}).get(name)) for name, value in a.get("ap50", {}).items()
    ]
    for name, one, two in rows:
        if isinstance(one, int | float) and isinstance(two, int | float):
            yield f"{name:20} {one:8.3f} {two:8.3f} {two - one:+8.3f}"
