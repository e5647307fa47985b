"""Splitting a data set by group (recording, video, scene): no group is ever on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

TRAIN, VAL = "train", "val"


class Pair(Protocol):
    """Two items that are one and the same, by their numbers."""

    @property
    def first(self) -> int:
        """The number of one."""

    @property
    def second(self) -> int:
        """The number of the other."""


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
    for group in sorted(
        items, key=lambda group: hashlib.sha256(group.encode(errors="surrogateescape")).digest()
    ):
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


def joined(groups: Iterable[str], same: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What each group is called once all pairs of ``same`` are joined: the first, in sorted order, of all
    names that lead to one another. Every name of ``same`` must be among ``groups``."""
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for pair in same:
        one, two = sorted(map(root, pair))
        parent[two] = one
    return {group: root(group) for group in parent}


def join_twins(
    groups: Sequence[str], twins: Iterable[Pair], sides: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Put twins into one group, under the first of its names; one that was on both sides trains.

    Args:
        groups, sides: of each item; ``""`` for a side that is not given yet.
        twins: pairs of items that must not be told apart.

    Returns:
        Group and side of each item; a group's side is ``""`` where none of its items had one.
    """
    name_of = joined(groups, ((groups[twin.first], groups[twin.second]) for twin in twins))
    found = [name_of[group] for group in groups]
    known: dict[str, set[str]] = defaultdict(set)
    for group, side in zip(found, sides, strict=True):
        known[group].add(side)
    decided = {group: TRAIN if TRAIN in given else max(given) for group, given in known.items()}
    return found, [decided[group] for group in found]


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
