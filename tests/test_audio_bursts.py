"""What a burst of shots says, and that it says the same however the shots came."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette import FAMILIES, FIREARMS, Fuser, fuse
from vedette_base.bursts import UNKNOWN_FIREARM, bursts_of, cadence, rank_families, rank_firearms
from vedette_base.score import Score, ScoreBlock, Shot
from vedette_fusion.ranking import rank_events

SUPPORT = 0.3
AUDIO = (*FIREARMS, "gunshot")


def fired(*times: float, types: dict[str, float] | None = None, burst: int = 0) -> list[Shot]:
    return [Shot(time, 0.9, types or {}, burst) for time in times]


def every(gap: float, count: int, start: float = 1.0) -> list[float]:
    return [start + gap * i for i in range(count)]


def test_one_shot_is_single_and_has_no_cadence() -> None:
    (burst,) = bursts_of(fired(3.0), SUPPORT)
    assert (burst.shots, burst.fire, burst.cadence) == (1, "single", None)
    assert (burst.start, burst.end) == (3.0, 3.0)


def test_automatic_fire_is_a_burst_with_its_cadence() -> None:
    (burst,) = bursts_of(fired(*every(0.1, 6)), SUPPORT)
    assert (burst.shots, burst.fire) == (6, "burst")
    assert burst.cadence == pytest.approx(600)


@pytest.mark.parametrize("missed", [[2], [1, 4], [3, 4]])
def test_a_missed_shot_does_not_slow_the_cadence(missed: list[int]) -> None:
    heard = [time for i, time in enumerate(every(0.075, 9)) if i not in missed]
    assert cadence(heard) == pytest.approx(800, rel=0.01)


def test_an_echo_counted_as_a_shot_does_not_speed_it_up() -> None:
    assert cadence(sorted([*every(0.1, 7), 1.34])) == pytest.approx(600, rel=0.02)


def test_aimed_shots_are_single_shots_with_their_pace() -> None:
    (burst,) = bursts_of(fired(1.0, 1.4, 1.9, 2.4), SUPPORT)
    assert (burst.shots, burst.fire) == (4, "single")
    assert burst.cadence == pytest.approx(120)


def test_an_echo_makes_no_burst_of_one_shot() -> None:
    (burst,) = bursts_of(fired(1.0, 1.12), SUPPORT)
    assert burst.fire == "single"


def test_bursts_are_parted_by_their_numbers_and_by_silence() -> None:
    shots = [*fired(1.0, 1.1, 1.2), *fired(2.0, burst=1), *fired(3.5, burst=1)]
    assert [burst.shots for burst in bursts_of(shots, SUPPORT)] == [3, 1, 1]


@given(st.lists(st.floats(0, 20), min_size=1, max_size=25, unique=True), st.randoms())
def test_the_order_in_which_shots_come_changes_nothing(times: list[float], order: random.Random) -> None:
    shots = [Shot(t, 0.5, {"M4": t / 20, "MP5": 0.4}) for t in times]
    mixed = list(shots)
    order.shuffle(mixed)
    found = bursts_of(shots, SUPPORT)
    assert found == bursts_of(mixed, SUPPORT)
    assert sum(burst.shots for burst in found) == len(times)
    assert all(burst.cadence is None or burst.cadence > 0 for burst in found)


def blocks(shots: Sequence[Shot], ends: Sequence[float]) -> list[ScoreBlock]:
    edges = [0.0, *sorted(ends), 30.0]
    return [
        ScoreBlock("audio", end, Score.empty(AUDIO), shots=tuple(s for s in shots if start <= s.time < end))
        for start, end in itertools.pairwise(edges)
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.1, 29.9), max_size=8))
def test_bursts_of_an_event_are_the_same_whatever_the_blocks(ends: list[float]) -> None:
    shots = [*fired(*every(0.08, 5, 4.0), types={"MP5": 0.8}), *fired(6.5, types={"M249": 0.7}, burst=1)]

    def told(cuts: Sequence[float]) -> object:
        fuser = Fuser(media=("audio",))
        events = [e for block in blocks(shots, cuts) for e in fuser.push(block)]
        return [(e.bursts, e.families, e.firearms) for e in rank_events([*events, *fuser.flush()])]

    assert told(ends) == told([])


def test_an_event_tells_its_bursts_family_and_automatic_fire() -> None:
    (event,) = fuse(None, None, fired(*every(0.08, 5, 4.0), types={"MP5": 0.9, "M4": 0.1}))
    (burst,) = event.bursts
    assert (burst.shots, burst.fire) == (5, "burst")
    assert burst.cadence == pytest.approx(750)
    assert event.firearms[0].label == "MP5"
    assert event.families[0].label == "submachine gun"
    assert event.families == burst.families
    text = next(reason.text for reason in event.reasons if reason.term == "audio")
    assert "automatic fire of about 750 a minute" in text


def test_two_firearms_at_once_are_both_ranked() -> None:
    shots = [*fired(1.0, 1.21, types={"AK-47": 0.9}), *fired(1.07, 1.33, types={"IMI Desert Eagle": 0.9})]
    (burst,) = bursts_of(shots, SUPPORT)
    assert burst.shots == 4
    assert burst.cadence is not None
    named = {entry.label for entry in burst.firearms}
    assert named in ({UNKNOWN_FIREARM}, {UNKNOWN_FIREARM, "AK-47", "IMI Desert Eagle"})


def test_one_shot_that_errs_does_not_name_the_firearm_of_a_burst() -> None:
    types = [{"M249": 0.8, "MP5": 0.1}] * 3 + [{"M249": 0.05, "MP5": 0.9}]
    assert rank_firearms(types, SUPPORT)[0].label == "M249"
    assert rank_families(types, SUPPORT)[0].label == "machine gun"


def test_a_firearm_that_no_type_explains_is_unknown_and_so_is_its_family() -> None:
    types = [dict.fromkeys(FIREARMS, 0.05)] * 3
    assert [entry.label for entry in rank_firearms(types, SUPPORT)] == [UNKNOWN_FIREARM]
    assert [entry.label for entry in rank_families(types, SUPPORT)] == [UNKNOWN_FIREARM]


def test_every_firearm_has_one_of_four_families() -> None:
    assert set(FAMILIES) == set(FIREARMS)
    assert set(FAMILIES.values()) == {"pistol", "rifle", "submachine gun", "machine gun"}


@given(st.lists(st.dictionaries(st.sampled_from(FIREARMS), st.floats(0, 1)), max_size=5))
def test_shares_never_exceed_one(types: list[dict[str, float]]) -> None:
    for ranked in (rank_firearms(types, SUPPORT), rank_families(types, SUPPORT)):
        assert 0 < sum(entry.probability for entry in ranked) <= 1 + 1e-9
        assert list(ranked) == sorted(ranked, key=lambda r: (-r.probability, r.label))
