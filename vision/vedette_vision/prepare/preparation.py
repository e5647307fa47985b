"""From a source to a manifest: read, look, check boxes, find scenes, split, and say what was found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vedette_base.errors import DataError
from vedette_base.manifests import refuse_broken
from vedette_base.splits import TRAIN, VAL, join_twins, of_one_group, split_by_group
from vedette_vision.prepare.cards import PictureCard
from vedette_vision.prepare.entries import Entry, EntryBox, inside, upright
from vedette_vision.prepare.labelled import LabelBox, Labelled, Remark
from vedette_vision.prepare.look import Look, look_at
from vedette_vision.prepare.nearness import Twin, find_twins
from vedette_vision.prepare.scenes import Scene, sequence_scenes, similar_scenes
from vedette_vision.prepare.sources import meaning, read_source

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source that was looked at.

    Attributes:
        root: the folder that the entries' paths lie below.
        entries: the pictures kept, with group, split and flag.
        looks: one per entry.
        twins: numbers are those of ``entries``.
        scenes: the evidence on which pictures were put into one scene; empty where names say it.
        remarks: on single files; left_out: path and reason of each file that is not used.
        dropped: names of boxes that the card leaves out, counted.
        whole: labels that occur in one scene only and cannot be split.
        crossing: pairs of twins that lay on both sides of an earlier split.
    """

    root: Path
    entries: tuple[Entry, ...]
    looks: tuple[Look, ...]
    twins: tuple[Twin, ...] = ()
    scenes: tuple[Scene, ...] = ()
    remarks: tuple[Remark, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    crossing: tuple[tuple[str, str], ...] = ()


def prepare(
    card: PictureCard, root: Path, *, skip_broken: bool = False, tell: Tell = lambda done, of: None
) -> Prepared:
    """Read a source, look at every picture, find its scenes, and split it by them.

    Args:
        card: what the source is.
        root: where it lies.
        skip_broken: leave out files that cannot be used (each is named in ``left_out``) instead of refusing.
        tell: called with (pictures done, pictures in all).

    Raises:
        DataError: the source cannot be read, or holds files that cannot be used.
    """
    source = read_source(card, root)
    dropped: Counter[str] = Counter()
    entries, looks, published = [], [], []
    broken, remarks = list(source.broken), list(source.remarks)
    for number, picture in enumerate(source.pictures):
        tell(number, len(source.pictures))
        look = look_at(root / picture.path)
        if look.fault:
            broken.append((picture.path, look.fault))
            continue
        entry, found = to_entry(card, picture, look, dropped)
        entries.append(entry)
        looks.append(look)
        published.append(picture.side)
        remarks += found
    tell(len(source.pictures), len(source.pictures))
    refuse_broken(broken, len(source.pictures) + len(source.broken), skip_broken, what="files")
    if not entries:
        raise DataError(f"{root}: none of {len(broken)} pictures can be used")
    left_out = [*broken, *((r.path, r.evidence) for r in remarks if r.flag in ("no_labels", "no_picture"))]
    twins = find_twins(looks)
    groups, scenes = _scenes(card, entries, looks)
    groups, given = join_twins(groups, twins, _given_sides(card, groups, published))
    split = split_by_group([entry.labels for entry in entries], groups, card.val_share, given)
    entries = [
        replace(entry, group=group, split=side)
        for entry, group, side in zip(entries, groups, split.sides, strict=True)
    ]
    return Prepared(
        root, tuple(entries), tuple(looks), twins, scenes, tuple(remarks), tuple(left_out), dropped,
        without_nothing(split.whole), _crossing(entries, twins, published),
    )  # fmt: skip


def to_entry(
    card: PictureCard, picture: Labelled, look: Look, dropped: Counter[str]
) -> tuple[Entry, list[Remark]]:
    """A picture in our labels, and the remarks on it; boxes that the card leaves out are counted."""
    remarks = [Remark(picture.path, flag, evidence) for flag, evidence in look.remarks]
    boxes, more = _turned(picture, look)
    remarks += more
    kept = []
    for box in boxes:
        found = meaning(card, box)
        if found is None:
            dropped[box.name] += 1
            continue
        shown, wrong = inside(EntryBox(*found, box.x1, box.y1, box.x2, box.y2), look.size)
        if wrong:
            what = "clipped" if shown else "left out"
            remarks.append(Remark(picture.path, wrong, f"{box.name} {_pixels(box, look.size)}: {what}"))
        if shown:
            kept.append(shown)
    if len({_rounded(box) for box in kept}) < len(kept):
        remarks.append(Remark(picture.path, "twice", "the same box is drawn twice; it is kept once"))
        kept = list({_rounded(box): box for box in kept}.values())
    entry = Entry(picture.path, look.size, tuple(kept), card.name, card.name, chip=picture.chip)
    return entry.flagged(*(remark.flag for remark in remarks)), remarks


def without_nothing(names: Sequence[str]) -> tuple[str, ...]:
    """Labels without the stand-in for empty pictures."""
    return tuple(name for name in names if name != "(nothing)")


def whole_labels(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Labels that occur in one scene only."""
    return without_nothing(of_one_group([e.labels for e in entries], [e.group for e in entries]))


def _turned(picture: Labelled, look: Look) -> tuple[tuple[LabelBox, ...], list[Remark]]:
    """Boxes on the upright picture: the size that the labels say tells which one they were drawn on."""
    header, said = look.header, picture.size
    if said is None or said == look.size:
        return picture.boxes, []
    wide, high = header.stored
    if header.turned >= 5 and wide != high and _same_shape(said, header.stored):
        evidence = f"labels are of the stored picture ({said[0]}x{said[1]}): boxes were turned upright"
        return upright(picture.boxes, header.turned), [Remark(picture.path, "boxes_turned", evidence)]
    evidence = f"labels say {said[0]}x{said[1]}, the picture has {look.size[0]}x{look.size[1]}"
    alike = _same_shape(said, look.size)
    return picture.boxes, [Remark(picture.path, "scaled" if alike else "other_size", evidence)]


def _same_shape(one: tuple[int, int], two: tuple[int, int]) -> bool:
    return abs(one[0] * two[1] - one[1] * two[0]) <= 0.02 * one[0] * two[1]


def _scenes(
    card: PictureCard, entries: Sequence[Entry], looks: Sequence[Look]
) -> tuple[list[str], tuple[Scene, ...]]:
    """Group of each picture: by its name, by likeness of neighbours, or each its own."""
    paths = [entry.path for entry in entries]
    named = [re.search(card.group_pattern, path) if card.group_pattern else None for path in paths]
    groups = [f"{card.name}/{found[1]}" if found else "" for found in named]
    rest = [i for i, group in enumerate(groups) if not group]
    scenes: tuple[Scene, ...] = ()
    if card.scenes == "similar" and rest:
        guessed, scenes = similar_scenes([paths[i] for i in rest], [looks[i] for i in rest], card.name)
        for i, group in zip(rest, guessed, strict=True):
            groups[i] = group
    if card.scenes == "sequence":
        groups = [g or scene for g, scene in zip(groups, sequence_scenes(paths, card.name), strict=True)]
    return [group or f"{card.name}/{path}" for group, path in zip(groups, paths, strict=True)], scenes


def _given_sides(card: PictureCard, groups: Sequence[str], published: Sequence[str]) -> list[str]:
    """Sides that are not ours to choose: held-out scenes of the card, or the publisher's split."""
    if card.val_scenes:
        held = {f"{card.name}/{scene}" for scene in card.val_scenes}
        missing = sorted(held - set(groups))
        if missing:
            raise DataError(f"card {card.name}: no picture of val_scenes {', '.join(missing)}")
        return [VAL if group in held else TRAIN for group in groups]
    return list(published) if card.keep_split else [""] * len(groups)


def _crossing(
    entries: Sequence[Entry], twins: Sequence[Twin], sides: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Twins on both of the publisher's sides."""
    return tuple(
        (entries[twin.first].path, entries[twin.second].path)
        for twin in twins
        if sides[twin.first] and sides[twin.second] and sides[twin.first] != sides[twin.second]
    )


def _pixels(box: LabelBox, size: tuple[int, int]) -> str:
    x1, y1, x2, y2 = box.x1 * size[0], box.y1 * size[1], box.x2 * size[0], box.y2 * size[1]
    return f"[{x1:.0f}, {y1:.0f}, {x2:.0f}, {y2:.0f}] in {size[0]}x{size[1]}"


def _rounded(box: EntryBox) -> tuple[str, float, float, float, float]:
    return box.label, round(box.x1, 4), round(box.y1, 4), round(box.x2, 4), round(box.y2, 4)
