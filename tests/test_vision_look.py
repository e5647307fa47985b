"""Several looks at one picture as one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vedette_vision.boxes import Letterbox
from vedette_vision.look import MISSED, Look, faded, mirrored, pooled, thinned

PISTOL, PERSON = 3, 4


def found(*rows: tuple[float, float, float, float, float], kind: int = PISTOL) -> Look:
    """Boxes x1, y1, x2, y2 and their score."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Look(table[:, :4], table[:, 4], np.full(len(table), kind))


def log_odds(p: float) -> float:
    return math.log(p / (1 - p))


def test_what_both_looks_see_keeps_its_score_and_lies_between_them() -> None:
    looks = [found((10, 10, 20, 20, 0.8)), found((12, 10, 22, 20, 0.4))]
    both = pooled(looks, agreed=True)
    assert len(both.scores) == 1
    assert log_odds(float(both.scores[0])) == pytest.approx((log_odds(0.8) + log_odds(0.4)) / 2, abs=1e-4)
    assert both.boxes[0] == pytest.approx([10 + 2 / 3, 10, 20 + 2 / 3, 20], abs=1e-4), "by score"
    assert pooled(looks, agreed=False).scores == pytest.approx([0.8]), "the best"


def test_what_one_look_missed_counts_less() -> None:
    looks = [found((10, 10, 20, 20, 0.8)), found()]
    missed = (log_odds(0.8) + log_odds(MISSED)) / 2
    assert log_odds(float(pooled(looks, agreed=True).scores[0])) == pytest.approx(missed, abs=1e-4)
    assert pooled(looks, agreed=False).scores == pytest.approx([0.8])


def test_a_score_below_the_one_for_missed_things_is_not_raised() -> None:
    weak = pooled([found((10, 10, 20, 20, 0.006)), found()], agreed=True)
    assert weak.scores == pytest.approx([0.006], abs=1e-5)


def test_things_of_different_classes_stay_apart_and_people_are_left_aside() -> None:
    looks = [
        found((10, 10, 20, 20, 0.8)),
        found((10, 10, 20, 20, 0.7), kind=1),
        found((10, 10, 20, 20, 0.7), kind=PERSON),
    ]
    assert pooled(looks, agreed=False).classes.tolist() == [PISTOL, 1]
    assert pooled(looks, agreed=False).with_people_of(looks[2]).classes.tolist() == [PISTOL, 1, PERSON]


def test_two_boxes_of_one_look_stay_two_things() -> None:
    one = found((10, 10, 20, 20, 0.8), (12, 10, 22, 20, 0.7))
    assert len(pooled([one, found((11, 10, 21, 20, 0.5))], agreed=True).scores) == 2


def test_nothing_found_is_nothing_pooled() -> None:
    assert len(pooled([found(), Look.empty()], agreed=True).scores) == 0
    assert len(pooled([found(), Look.empty()], agreed=False).scores) == 0


def test_things_are_chosen_by_their_longest_side() -> None:
    some = found((0, 0, 5, 5, 0.9), (50, 50, 90, 60, 0.7), (0, 0, 10, 100, 0.5))
    assert some.sized(10, 50).scores == pytest.approx([0.7])


def test_a_closer_look_outweighs_the_first_one_at_small_things() -> None:
    first = Look(
        np.array([[40, 40, 50, 50], [200, 200, 210, 210], [20, 20, 100, 100], [20, 20, 90, 100]], np.float32),
        np.array([0.8, 0.8, 0.8, 0.9], np.float32),
        np.array([3, 3, 1, 4]),
    )
    weaker = faded(first, [(20, 20, 100, 100)], 0.5)
    assert weaker.scores.tolist() == pytest.approx([0.4, 0.8, 0.8, 0.9]), "outside, large, person: as before"


def test_tiny_boxes_are_thinned_more_than_large_ones() -> None:
    """Two pairs of boxes with IoU 0.43."""
    boxes = [[0, 0, 10, 10], [4, 0, 14, 10], [100, 100, 200, 200], [140, 100, 240, 200]]
    look = Look(np.array(boxes, np.float32), np.array([0.5, 0.6, 0.7, 0.8], np.float32), np.full(4, 3))
    rest = thinned(look, small=50.0, limit=0.3)
    assert rest.scores.tolist() == pytest.approx([0.8, 0.7, 0.6])


def test_a_mirrored_cut_out_finds_its_boxes_where_they_are() -> None:
    fit = Letterbox.fit((40, 80), (320, 320))
    there = Look(np.array([[2, 10, 8, 20]], np.float32), np.ones(1, np.float32), np.array([3]))
    other_way = Look(np.array([[32, 10, 38, 20]], np.float32), there.scores, there.classes)
    assert mirrored(other_way, fit).boxes == pytest.approx(there.boxes)
