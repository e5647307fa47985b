"""Splitting by recording: no group is ever on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

TRAIN, VAL = "train", "val"


@dataclass(frozen=True, slots=True)
class Split:
    """``sides``: one per clip. ``whole``: classes of one recording: not to be split, in train."""

    sides: tuple[str, ...]
    whole: tuple[str, ...]


def split_by_group(
    names: Sequence[str], groups: Sequence[str], share: float, known: Sequence[str] = ()
) -> Split:
    """Give each group a side so that each class has about ``share`` of its clips in ``val``.

    Deterministic: groups are taken in the order of the SHA-256 of their name, the rarest class first.

    Args:
        names: class of each clip.
        groups: recording of each clip; clips of several classes may share one.
        share: wanted share of ``val``, 0..1.
        known: sides that are given already, ``""`` where not; a group takes its first known one.
    """
    clips: dict[str, Counter[str]] = defaultdict(Counter)
    for name, group in zip(names, groups, strict=True):
        clips[group][name] += 1
    side = {group: given for group, given in zip(groups, known or [""] * len(groups), strict=True) if given}
    total = Counter(names)
    owners: dict[str, list[str]] = defaultdict(list)
    for group in sorted(clips, key=lambda group: hashlib.sha256(group.encode()).digest()):
        for name in clips[group]:
            owners[name].append(group)
    held: Counter[str] = Counter()
    for group, given in side.items():
        if given == VAL:
            held.update(clips[group])
    for name in sorted(owners, key=lambda name: (len(owners[name]), name)):
        _hold_some(name, owners[name], clips, side, held, share * total[name])
    return Split(tuple(side.get(group, TRAIN) for group in groups), of_one_recording(names, groups))


def of_one_recording(names: Sequence[str], groups: Sequence[str]) -> tuple[str, ...]:
    """Classes whose clips all come from one recording, sorted."""
    owners: dict[str, set[str]] = defaultdict(set)
    for name, group in zip(names, groups, strict=True):
        owners[name].add(group)
    return tuple(sorted(name for name, found in owners.items() if len(found) == 1))


def _hold_some(
    name: str,
    owners: Sequence[str],
    clips: dict[str, Counter[str]],
    side: dict[str, str],
    held: Counter[str],
    wanted: float,
) -> None:
    """Move groups of a class to ``val`` while that comes nearer to ``wanted``; one stays in train."""
    free = [group for group in owners if group not in side]
    for group in free:
        in_train = any(side.get(other, TRAIN) == TRAIN and other != group for other in owners)
        size = clips[group][name]
        nearer = abs(held[name] + size - wanted) < abs(held[name] - wanted)
        if not in_train or not nearer or _last_of_another(group, clips, side):
            continue
        side[group] = VAL
        held.update(clips[group])


def _last_of_another(group: str, clips: dict[str, Counter[str]], side: dict[str, str]) -> bool:
    """Whether a class would have no recording left to learn from."""
    return any(
        not any(
            name in other and side.get(key, TRAIN) == TRAIN for key, other in clips.items() if key != group
        )
        for name in clips[group]
    )
