"""What a preparation found: in words for people, as JSON for programs, as tables beside the manifest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vedette_audio.prepare.manifest import COLUMNS, task_of
from vedette_audio.prepare.preparation import Prepared, conflicts
from vedette_base.manifests import below, write_table, write_text

_LISTED = 5  # examples of a remark on the screen; the tables have all


def write_manifest(prepared: Prepared, out: Path) -> tuple[Path, ...]:
    """The manifest, and beside it the tables of twins and recordings and all findings as JSON.

    Returns:
        The files written: ``NAME.csv``, ``NAME.twins.csv``, ``NAME.findings.json`` and, where recordings were
        estimated, ``NAME.recordings.csv``.

    Raises:
        OutputError: a file cannot be written.
    """
    paths = [below(prepared.root / entry.path, out.parent) for entry in prepared.entries]
    twin_of: dict[int, str] = {}
    for twin in prepared.twins:
        twin_of.setdefault(twin.first, paths[twin.second])
        twin_of.setdefault(twin.second, paths[twin.first])
    write_table(out, COLUMNS, (
        {
            "path": paths[i],
            "source": entry.source,
            "task": task_of(entry),
            "label": entry.label,
            "fine": entry.fine,
            "group": entry.group,
            "split": entry.split,
            "native_rate": entry.rate,
            "duration_s": round(prepared.facts[i].duration, 3),
            "flag": entry.flag,
            "onsets": " ".join(f"{onset:g}" for onset in entry.onsets),
            "twin": twin_of.get(i, ""),
        }
        for i, entry in enumerate(prepared.entries)
    ))  # fmt: skip
    found = findings(prepared)
    twins, recordings, all_of_it = (
        out.with_name(f"{out.stem}.{name}") for name in ("twins.csv", "recordings.csv", "findings.json")
    )
    columns = ("kind", "first", "second", "classes", "similarity", "offset_s", "shared_s")
    write_table(twins, columns, found["twins"])
    write_text(all_of_it, json.dumps(found, indent=1) + "\n")
    joints = found["recordings_estimated"]
    if not joints:
        return out, twins, all_of_it
    lines = ({**joint, "rates": " ".join(map(str, joint["rates"]))} for joint in joints)
    write_table(recordings, tuple(joints[0]), lines)
    return out, twins, all_of_it, recordings


def findings(prepared: Prepared) -> dict[str, Any]:
    """Everything that was found, ready for JSON."""
    entries = prepared.entries
    return {
        "clips": len(entries),
        "recordings": len({(entry.source, entry.group) for entry in entries}),
        "split": dict(Counter(entry.split for entry in entries)),
        "left_out": [{"path": path, "reason": reason} for path, reason in prepared.left_out],
        "classes_of_one_recording": list(prepared.whole),
        "label_conflicts": [
            {"classes": list(pair), "twins": n} for pair, n in conflicts(prepared).most_common()
        ],
        "twins": [
            {
                "kind": twin.kind,
                "first": entries[twin.first].path,
                "second": entries[twin.second].path,
                "classes": " / ".join(dict.fromkeys((entries[twin.first].fine, entries[twin.second].fine))),
                "similarity": twin.similarity,
                "offset_s": twin.offset,
                "shared_s": round(twin.shared, 3),
            }
            for twin in prepared.twins
        ],
        "recordings_estimated": [asdict(joint) for joint in prepared.joints],
        "format": asdict(prepared.cues),
        "suspects": [
            {"path": entries[s.clip].path, "flag": s.flag, "evidence": s.evidence} for s in prepared.suspects
        ],
    }


def words(prepared: Prepared) -> Iterator[str]:
    """The findings as lines for a terminal, the gravest first."""
    entries = prepared.entries
    sides = Counter(entry.split for entry in entries)
    groups = len({(entry.source, entry.group) for entry in entries})
    yield f"{len(entries)} clips of {groups} recordings: {sides['train']} train, {sides['val']} val"
    for path, reason in prepared.left_out[:_LISTED]:
        yield f"left out: {path}: {reason}"
    if len(prepared.left_out) > _LISTED:
        yield f"left out: {len(prepared.left_out) - _LISTED} more"
    for name in prepared.whole:
        yield f"class {name} is one recording: it cannot be split, nor measured; all in train"
    for (one, two), count in conflicts(prepared).most_common(_LISTED):
        yield f"labels contradict: {count} clips of {one} share their sound with clips of {two}"
    kinds = Counter(twin.kind for twin in prepared.twins)
    if kinds:
        yield "twins: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    if prepared.joints:
        steps = [joint.step for joint in prepared.joints if joint.step]
        usual = f", {sorted(steps)[len(steps) // 2]:.1f} dB apart in the middle" if steps else ""
        yield f"recordings estimated: {len(prepared.joints)} runs of numbers{usual}; see the recordings table"
    cues = prepared.cues
    if len(cues.classes) > 1:
        yield f"format alone guesses the class of {cues.named:.0%} of the clips (blindly {cues.chance:.0%})"
    marks: dict[str, list[str]] = {}
    for cls in cues.classes:
        for odd in cls.odd:
            marks.setdefault(odd.partition(" in ")[0], []).append(cls.name)
    for mark, names in sorted(marks.items(), key=lambda item: (len(item[1]), item[0])):
        yield f"  {mark} is far commoner in {', '.join(names)}"
    flags = Counter(suspect.flag for suspect in prepared.suspects)
    for flag, count in flags.most_common():
        first = next(suspect for suspect in prepared.suspects if suspect.flag == flag)
        yield f"listen before trusting: {count} x {flag}, first {entries[first.clip].path}: {first.evidence}"
