"""What a preparation of pictures found: in words for people, as JSON and tables beside the manifest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vedette_base.manifests import write_table, write_text
from vedette_vision.prepare.manifest import write_manifest
from vedette_vision.prepare.preparation import Prepared

_LISTED = 5  # examples of a remark on the screen; the files have all
_SEEN = ("no_labels", "no_picture")  # said among those left out


def write_all(prepared: Prepared, out: Path) -> tuple[Path, ...]:
    """The manifest, and beside it all findings.

    Returns:
        The files written: ``NAME.jsonl``, ``NAME.twins.csv``, ``NAME.findings.json``, where scenes were
        estimated ``NAME.scenes.csv``, and where the source has chips ``NAME.chips.jsonl``.

    Raises:
        OutputError: a file cannot be written.
    """
    files = [write_manifest(out, prepared.root, (e for e in prepared.entries if not e.chip))]
    found = findings(prepared)
    files.append(_table(out, "twins.csv", ("kind", "first", "second", "likeness"), found["twins"]))
    report = out.with_name(f"{out.stem}.findings.json")
    write_text(report, json.dumps(found, indent=1) + "\n")
    files.append(report)
    if prepared.scenes:
        rows = [asdict(scene) for scene in prepared.scenes]
        files.append(_table(out, "scenes.csv", tuple(rows[0]), rows))
    chips = [entry for entry in prepared.entries if entry.chip]
    if chips:
        files.append(write_manifest(out.with_name(f"{out.stem}.chips.jsonl"), prepared.root, chips))
    return tuple(files)


def findings(prepared: Prepared) -> dict[str, Any]:
    """Everything that was found, ready for JSON."""
    entries = prepared.entries
    return {
        "pictures": len(entries),
        "chips": sum(entry.chip for entry in entries),
        "scenes": len({(entry.source, entry.group) for entry in entries}),
        "split": dict(Counter(entry.split for entry in entries)),
        "boxes": dict(Counter(box.label for entry in entries for box in entry.boxes)),
        "finer_names": dict(Counter(box.fine for entry in entries for box in entry.boxes)),
        "boxes_left_out": dict(prepared.dropped),
        "labels_of_one_scene": list(prepared.whole),
        "left_out": [{"path": path, "reason": reason} for path, reason in prepared.left_out],
        "remarks": [asdict(remark) for remark in prepared.remarks],
        "duplicates_across_the_split": [list(pair) for pair in prepared.crossing],
        "twins": [
            {
                "kind": twin.kind,
                "first": entries[twin.first].path,
                "second": entries[twin.second].path,
                "likeness": twin.likeness,
            }
            for twin in prepared.twins
        ],
    }


def words(prepared: Prepared) -> Iterator[str]:
    """The findings as lines for a terminal, the gravest first."""
    entries = prepared.entries
    sides = Counter(entry.split for entry in entries)
    groups = len({(entry.source, entry.group) for entry in entries})
    chips = sum(entry.chip for entry in entries)
    yield (
        f"{len(entries)} pictures of {groups} scenes: {sides['train']} train, {sides['val']} val"
        + (f"; {chips} of them are chips, in a manifest of their own" if chips else "")
    )
    for path, reason in prepared.left_out[:_LISTED]:
        yield f"left out: {path}: {reason}"
    if len(prepared.left_out) > _LISTED:
        yield f"left out: {len(prepared.left_out) - _LISTED} more"
    for name, count in sorted(prepared.dropped.items(), key=lambda item: -item[1]):
        yield f"boxes left out by the card: {count} x {name}"
    for name in prepared.whole:
        yield f"label {name} is in one scene only: it cannot be split, nor measured"
    counts = Counter((entry.split, box.label) for entry in entries for box in entry.boxes)
    for label in sorted({label for _, label in counts}):
        yield f"{label}: {counts['train', label]} boxes in train, {counts['val', label]} in val"
    empty = sum(not entry.boxes for entry in entries)
    if empty:
        yield f"nothing on {empty} pictures: they teach what is no weapon"
    kinds = Counter(twin.kind for twin in prepared.twins)
    if kinds:
        yield "duplicates: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    if prepared.crossing:
        one, two = prepared.crossing[0]
        yield f"on both sides of its former split: {len(prepared.crossing)} pairs, first {one} and {two}"
    if prepared.scenes:
        several = sum(scene.pictures > 1 for scene in prepared.scenes)
        yield f"scenes estimated: {len(prepared.scenes)}, {several} of several pictures; see the scenes table"
    flags = Counter(remark.flag for remark in prepared.remarks if remark.flag not in _SEEN)
    for flag, count in flags.most_common():
        first = next(remark for remark in prepared.remarks if remark.flag == flag)
        yield f"look before trusting: {count} x {flag}, first {first.path}: {first.evidence}"


def _table(out: Path, name: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> Path:
    path = out.with_name(f"{out.stem}.{name}")
    write_table(path, columns, rows)
    return path
