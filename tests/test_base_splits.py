"""No group is ever on both sides of a split, and what is one and the same is of one group."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from vedette_base.splits import join_twins, joined, split_by_group

NAMES = [f"g{number}" for number in range(9)]


class Same(NamedTuple):
    first: int
    second: int


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=20), st.randoms())
def test_groups_are_joined_exactly_where_pairs_lead_from_one_to_the_other(
    same: list[tuple[str, str]], chance: random.Random
) -> None:
    found = joined(NAMES, same)
    for name in NAMES:
        reached, size = {name}, 0
        while len(reached) > size:
            size = len(reached)
            reached |= {other for pair in same if reached & set(pair) for other in pair}
        assert found[name] == min(reached)
    shuffled = [pair[::-1] for pair in same]
    chance.shuffle(shuffled)
    assert joined(NAMES, shuffled) == found


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["", "train", "val"])), min_size=1),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=12),
)
def test_twins_never_part_and_no_group_that_trains_is_held_out(
    items: list[tuple[str, str]], pairs: list[tuple[int, int]]
) -> None:
    twins = [Same(one % len(items), two % len(items)) for one, two in pairs]
    groups, sides = join_twins([name for name, _ in items], twins, [side for _, side in items])
    of_group: dict[str, set[str]] = defaultdict(set)
    for group, side, (_, given_side) in zip(groups, sides, items, strict=True):
        of_group[group].add(side)
        assert side == "train" or given_side != "train"
    assert all(len(found) == 1 for found in of_group.values())
    assert all(groups[twin.first] == groups[twin.second] for twin in twins)


def test_twins_are_one_group_and_one_that_was_on_both_sides_trains() -> None:
    twins = [Same(0, 2), Same(2, 3)]
    groups, sides = join_twins(["b", "c", "a", "d", "e"], twins, ["val", "", "train", "", "val"])
    assert groups == ["a", "c", "a", "a", "e"]
    assert sides == ["train", "", "train", "train", "val"]


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 9)), min_size=1, max_size=60),
    st.floats(0.0, 0.6),
)
def test_no_group_is_ever_on_both_sides(clips: list[tuple[str, int]], share: float) -> None:
    names, groups = [name for name, _ in clips], [f"g{group}" for _, group in clips]
    split = split_by_group(names, groups, share)
    sides = defaultdict(set)
    for group, side in zip(groups, split.sides, strict=True):
        sides[group].add(side)
    assert all(len(found) == 1 for found in sides.values())
    for name in set(names):
        assert "train" in {side for other, side in zip(names, split.sides, strict=True) if other == name}
        assert (name in split.whole) == (len({g for n, g in clips if n == name}) == 1)


def test_each_class_has_about_its_share_held_out() -> None:
    names = ["a"] * 100 + ["b"] * 40
    groups = [f"a{i // 5}" for i in range(100)] + [f"b{i // 4}" for i in range(40)]
    sides = split_by_group(names, groups, 0.25).sides
    assert sides[:100].count("val") == 25
    assert sides[100:].count("val") in (8, 12)
    assert split_by_group(names, groups, 0.25).sides == sides
    assert set(split_by_group(names, groups, 0.0).sides) == {"train"}


def test_sides_that_are_known_stay() -> None:
    sides = split_by_group(["a"] * 6, list("ppqqrr"), 0.3, ["val", "val", "", "", "train", "train"]).sides
    assert sides == ("val", "val", "train", "train", "train", "train")


def test_empty_pictures_are_split_too() -> None:
    names = [("pistol",)] * 40 + [("(nothing)",)] * 40
    sides = split_by_group(names, [str(n) for n in range(80)], 0.25).sides
    assert sides[:40].count("val") == 10
    assert sides[40:].count("val") == 10


def test_a_picture_of_two_classes_counts_for_both_and_leaves_each_one_to_learn_from() -> None:
    split = split_by_group([("a", "b"), ("a",), ("b",)], ["p", "q", "r"], 0.5)
    assert "train" in {split.sides[0], split.sides[1]}
    assert "train" in {split.sides[0], split.sides[2]}
    assert split.whole == ()
