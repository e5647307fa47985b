"""Tracks: stable numbers, votes, confirmation."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from vedette_base.config import TrackerConfig
from vedette_base.score import WeaponTrack
from vedette_vision.detector import Detection
from vedette_vision.tracker import Tracker, sightings

BIRTHS = {"knife": 0.5, "long_gun": 0.5, "no_weapon": 0.5, "pistol": 0.5}


def tracker(**changes: float) -> Tracker:
    return Tracker(TrackerConfig().model_copy(update=changes), BIRTHS)


def at(
    x: float, label: str = "pistol", probability: float = 0.8, y: float = 100, size: float = 20
) -> Detection:
    return Detection(label, probability, (x, y, x + size, y + size))


def last(found: list[WeaponTrack]) -> WeaponTrack:
    assert len(found) == 1
    return found[0]


def test_a_track_is_confirmed_by_its_third_look() -> None:
    follow = tracker()
    confirmed = [last(follow.update(i * 0.2, [at(100 + 5 * i)])).confirmed for i in range(4)]
    assert confirmed == [False, False, True, True]


def test_a_track_keeps_its_number_through_a_missed_look() -> None:
    follow = tracker()
    first = last(follow.update(0.0, [at(100)]))
    follow.update(0.2, [at(110)])
    assert follow.update(0.4, []) == []
    again = last(follow.update(0.6, [at(130)]))
    assert (again.id, again.start, again.end, again.looks) == (first.id, 0.0, 0.6, 3)


def test_a_fast_tiny_thing_is_followed_by_its_speed() -> None:
    """A 6-pixel gun that moves 8 pixels a look never overlaps itself."""
    follow = tracker()
    numbers = {last(follow.update(i * 0.2, [at(100 + 8 * i, size=6)])).id for i in range(6)}
    assert len(numbers) == 1


def test_two_things_side_by_side_keep_their_own_numbers() -> None:
    follow = tracker()
    for i in range(5):
        found = follow.update(i * 0.2, [at(100 + 3 * i), at(300 - 3 * i)])
        left = next(t for t in found if t.peak_box[0] < 200)
        right = next(t for t in found if t.peak_box[0] >= 200)
        assert (left.id, right.id) == (1, 2)


def test_a_track_unseen_for_too_long_is_over() -> None:
    follow = tracker()
    follow.update(0.0, [at(100)])
    assert last(follow.update(2.5, [at(100)])).id == 2


def test_a_faint_look_continues_a_track_but_starts_none() -> None:
    follow = tracker()
    assert follow.update(0.0, [at(100, probability=0.3)]) == []
    follow.update(0.2, [at(100)])
    assert last(follow.update(0.4, [at(100, probability=0.3)])).looks == 2


def test_a_phone_is_never_a_weapon_track() -> None:
    follow = tracker()
    for i in range(6):
        assert follow.update(i * 0.2, [at(100, "no_weapon", 0.9)]) == []


def test_what_looks_more_like_a_phone_than_a_pistol_is_not_told_as_a_weapon() -> None:
    follow = tracker()
    for i in range(6):
        assert follow.update(i * 0.2, [at(100, "pistol", 0.55), at(101, "no_weapon", 0.8)]) == []


def test_a_pistol_that_turns_out_a_phone_is_told_once_more_as_one() -> None:
    follow = tracker()
    assert last(follow.update(0.0, [at(100, "pistol", 0.6)])).label == "pistol"
    told = last(follow.update(0.2, [at(100, "no_weapon", 0.95)]))
    assert (told.id, told.label, told.confirmed) == (1, "no_weapon", False)


def test_the_class_is_decided_by_all_looks_together() -> None:
    follow = tracker()
    for i in range(3):
        follow.update(i * 0.2, [at(100, "long_gun", 0.7)])
    told = last(follow.update(0.6, [at(100, "pistol", 0.9)]))
    assert told.label == "long_gun"
    assert told.probability == pytest.approx(0.7)


def test_looks_that_disagree_on_the_class_do_not_confirm() -> None:
    follow = tracker()
    labels = ["pistol", "long_gun", "knife"]
    told = [last(follow.update(i * 0.2, [at(100, label)])) for i, label in enumerate(labels)]
    assert not told[-1].confirmed


def test_the_peak_is_the_best_look_but_three_looks_must_agree_on_the_probability() -> None:
    follow = tracker()
    for i, probability in enumerate([0.6, 0.95, 0.7]):
        told = last(follow.update(i * 0.2, [at(100 + i, probability=probability)]))
    assert told.probability == pytest.approx(0.6)
    assert told.peak_time == 0.2
    assert told.peak_box == (101, 100, 121, 120)


def test_a_still_picture_confirms_at_once() -> None:
    assert last(tracker().update(0.0, [at(100)], still=True)).confirmed


def test_holding_lengthens_what_was_seen_in_the_last_look_only() -> None:
    follow = tracker()
    follow.update(0.0, [at(100), at(300)])
    follow.update(0.2, [at(100)])
    held = last(follow.hold(0.4))
    assert (held.id, held.end, held.looks) == (1, 0.4, 2)


def test_a_weapon_that_left_does_not_stay_because_nothing_moves_any_more() -> None:
    """The gunman walks out of the picture; what follows is an empty, unmoving yard."""
    follow = tracker()
    for i in range(4):
        follow.update(i * 0.2, [at(100)])
    follow.update(0.8, [])
    ends = [t.end for i in range(5, 60) for t in follow.hold(i * 0.2)]
    assert not ends, f"a track went on to {max(ends)} s"


def test_what_is_held_goes_on_being_held() -> None:
    follow = tracker()
    for i in range(3):
        follow.update(i * 0.2, [at(100)])
    assert [last(follow.hold(0.4 + 0.2 * i)).end for i in range(1, 4)] == pytest.approx([0.6, 0.8, 1.0])


def test_a_long_stay_is_hardly_more_probable_for_having_been_looked_at_more_often() -> None:
    """An umbrella that looks like a rifle in one look of twenty: its best looks grow, it does not."""
    follow = tracker()
    told: list[float] = []
    for i in range(200):
        probability = 0.9 if i % 20 == 0 else 0.2
        told.append(last(follow.update(i * 0.2, [at(100, "long_gun", probability)])).probability)
    assert told[60:] == pytest.approx([told[60]] * 140)
    assert told[60] < 0.51


def test_what_goes_on_to_agree_is_more_probable_than_three_looks() -> None:
    follow = tracker()
    told = [last(follow.update(i * 0.2, [at(100, "pistol", 0.6)])).probability for i in range(12)]
    assert told[:3] == pytest.approx([0.6] * 3)
    assert all(b > a for a, b in itertools.pairwise(told[2:10]))
    assert told[-1] < 0.87


def test_a_weapon_hidden_half_of_the_time_is_at_least_as_probable_as_when_it_shows() -> None:
    follow = tracker()
    for i in range(100):
        found = follow.update(i * 0.2, [at(100, "pistol", 0.9)] if i % 2 == 0 else [])
    assert last(found or follow.update(20.0, [at(100, "pistol", 0.9)])).probability >= 0.9


def test_a_candidate_is_worth_every_frame_until_it_is_decided() -> None:
    follow = tracker()
    assert not follow.undecided
    follow.update(0.0, [at(100)])
    assert follow.undecided
    for i in range(1, 3):
        follow.update(i * 0.2, [at(100)])
    assert not follow.undecided


def test_a_weapon_missed_once_is_worth_every_frame_until_it_is_back_or_given_up() -> None:
    """In an unmoving picture the next look would be due two seconds later, too late to go on."""
    follow = tracker()
    for i in range(3):
        follow.update(i * 0.2, [at(100)])
    follow.update(0.6, [])
    assert follow.undecided
    follow.update(0.8, [at(100)])
    assert not follow.undecided
    for i in range(5, 17):
        follow.update(i * 0.2, [])
    assert not follow.undecided


def test_boxes_of_two_classes_on_one_thing_are_one_sighting() -> None:
    found = sightings([at(100, "pistol", 0.6), at(102, "no_weapon", 0.3), at(300, "knife", 0.5)])
    assert len(found) == 2
    assert found[0].chances.tolist() == pytest.approx([0, 0, 0.3, 0.6])


def test_a_box_on_a_part_of_a_rifle_is_no_second_rifle() -> None:
    whole = Detection("long_gun", 0.8, (100, 100, 300, 140))
    stock = Detection("pistol", 0.6, (105, 102, 160, 138))
    (found,) = sightings([stock, whole])
    assert found.box.tolist() == [100, 100, 300, 140]


def test_a_box_without_area_does_not_stop_the_tracker() -> None:
    follow = tracker()
    flat = dataclasses.replace(at(100), box=(100, 100, 100, 100))
    for i in range(3):
        assert last(follow.update(i * 0.2, [flat])).id == 1
