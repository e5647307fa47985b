"""Looking again at manifests: duplicates across the split, boxes, missing files; one manifest of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vedette_base.manifests import below, refuse_broken, refuse_twice
from vedette_base.splits import join_twins
from vedette_vision.prepare.entries import Entry, inside
from vedette_vision.prepare.labelled import Remark
from vedette_vision.prepare.look import Look, look_at
from vedette_vision.prepare.manifest import read_entries
from vedette_vision.prepare.nearness import find_twins
from vedette_vision.prepare.preparation import Prepared, Tell, whole_labels


def audit(
    manifests: Sequence[Path],
    folder: Path,
    *,
    skip_broken: bool = False,
    tell: Tell = lambda done, of: None,
) -> Prepared:
    """Look at all pictures of ``manifests`` and join them; paths become relative to ``folder``.

    ``crossing`` are the twins that lay on both sides of the split before; in the entries each scene has one
    side, and scenes that share a picture, of whatever source, are one.

    Raises:
        DataError: a manifest that cannot be read, missing or broken files, a file that is listed twice.
    """
    read = [
        replace(entry, path=below(path.parent / entry.path, folder))
        for path in manifests
        for entry in read_entries(path)
    ]
    refuse_twice([entry.path for entry in read], manifests)
    entries: list[Entry] = []
    looks: list[Look] = []
    broken: list[tuple[str, str]] = []
    remarks: list[Remark] = _scenes_on_both_sides(read)
    for number, entry in enumerate(read):
        tell(number, len(read))
        look = look_at(folder / entry.path)
        if look.fault:
            broken.append((entry.path, look.fault))
            continue
        entry, found = _checked(entry, look)
        entries.append(entry)
        looks.append(look)
        remarks += found
    tell(len(read), len(read))
    refuse_broken(broken, len(read), skip_broken, what="files")
    twins = find_twins(looks)
    crossing = tuple(
        (entries[twin.first].path, entries[twin.second].path)
        for twin in twins
        if entries[twin.first].split != entries[twin.second].split
    )
    names, sides = join_twins(
        [f"{entry.source}\t{entry.group}" for entry in entries], twins, [entry.split for entry in entries]
    )
    entries = [
        replace(entry, group=name.removeprefix(f"{entry.source}\t").replace("\t", "/"), split=side)
        for entry, name, side in zip(entries, names, sides, strict=True)
    ]
    return Prepared(
        folder, tuple(entries), tuple(looks), twins, (), tuple(remarks), tuple(broken),
        whole=whole_labels(entries), crossing=crossing,
    )  # fmt: skip


def _checked(entry: Entry, look: Look) -> tuple[Entry, list[Remark]]:
    remarks = [Remark(entry.path, flag, evidence) for flag, evidence in look.remarks]
    if entry.size not in ((0, 0), look.size):
        said = f"{entry.size[0]}x{entry.size[1]}"
        found = f"the manifest says {said}, the picture has {look.size[0]}x{look.size[1]}"
        remarks.append(Remark(entry.path, "other_size", found))
    boxes = []
    for box in entry.boxes:
        shown, wrong = inside(box, look.size)
        if wrong:
            what = "clipped" if shown else "left out"
            remarks.append(Remark(entry.path, wrong, f"a box of {box.label}: {what}"))
        if shown:
            boxes.append(shown)
    kept = replace(entry, size=look.size, boxes=tuple(boxes))
    return kept.flagged(*(remark.flag for remark in remarks)), remarks


def _scenes_on_both_sides(entries: Sequence[Entry]) -> list[Remark]:
    """A group in train and in val: the split leaks by its own account."""
    seen: dict[tuple[str, str], str] = {}
    found: dict[tuple[str, str], Remark] = {}
    for entry in entries:
        key = (entry.source, entry.group)
        if seen.setdefault(key, entry.split) != entry.split:
            found[key] = Remark(entry.path, "both_sides", f"scene {entry.group} is in train and in val")
    return list(found.values())
