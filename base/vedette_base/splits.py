"""Splitting a data set by group (recording, video, scene): no group is ever on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

TRAIN, VAL = "train", "val"


@dataclass(frozen=True, slots=True)
class Split:
    """``sides``: one per item. ``whole``: classes of one group: not to be split, in train."""

    sides: tuple[str, ...]
    whole: tuple[str, ...]


def split_by_group(
    names: Sequence[str | tuple[str, ...]], groups: Sequence[str], share: float, known: Sequence[str] = ()
) -> Split:
    """Give each group a side so that each class has about ``share`` of its items in ``val``.

    Deterministic: groups are taken in the order of the SHA-256 of their name, the rarest class first.

    Args:
        names: class of each item; several where an item shows several (a picture), none where none.
        groups: recording or scene of each item; items of several classes may share one.
        share: wanted share of ``val``, 0..1.
        known: sides that are given already, ``""`` where not; a group takes its first known one.
    """
    classes = [(name,) if isinstance(name, str) else name for name in names]
    items: dict[str, Counter[str]] = defaultdict(Counter)
    for found, group in zip(classes, groups, strict=True):
        items[group].update(found)
    side: dict[str, str] = {}
    for group, given in zip(groups, known or [""] * len(groups), strict=True):
        if given:
            side.setdefault(group, given)
    total = Counter(name for found in classes for name in found)
    owners: dict[str, list[str]] = defaultdict(list)
    for group in sorted(items, key=lambda group: hashlib.sha256(group.encode()).digest()):
        for name in items[group]:
            owners[name].append(group)
    held: Counter[str] = Counter()
    learnt_from = Counter({name: len(found) for name, found in owners.items()})
    for group, given in side.items():
        if given == VAL:
            held.update(items[group])
            learnt_from.subtract(items[group].keys())
    for name in sorted(owners, key=lambda name: (len(owners[name]), name)):
        _hold_some(name, owners[name], items, side, held, learnt_from, share * total[name])
    return Split(tuple(side.get(group, TRAIN) for group in groups), of_one_group(classes, groups))


def of_one_group(names: Sequence[str | tuple[str, ...]], groups: Sequence[str]) -> tuple[str, ...]:
    """Classes whose items all come from one group, sorted."""
    owners: dict[str, set[str]] = defaultdict(set)
    for found, group in zip(names, groups, strict=True):
        for name in (found,) if isinstance(found, str) else found:
            owners[name].add(group)
    return tuple(sorted(name for name, found in owners.items() if len(found) == 1))


def _hold_some(
    name: str,
    candidates: Sequence[str],
    items: dict[str, Counter[str]],
    side: dict[str, str],
    held: Counter[str],
    learnt_from: Counter[str],
    wanted: float,
) -> None:
    """Move groups of a class to ``val`` while that comes nearer to ``wanted``; each class keeps one in train.

    ``learnt_from``: groups in train per class, kept up to date.
    """
    for group in [group for group in candidates if group not in side]:
        size = items[group][name]
        nearer = abs(held[name] + size - wanted) < abs(held[name] - wanted)
        if nearer and all(learnt_from[other] > 1 for other in items[group]):
            side[group] = VAL
            held.update(items[group])
            learnt_from.subtract(items[group].keys())
