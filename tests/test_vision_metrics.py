"""Average precision and AUROC by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vedette_vision.metrics import auroc, average_precision, match

A, B = [0, 0, 10, 10], [20, 20, 30, 30]
EMPTY = np.empty((0, 4), np.float32)


def boxes(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def found(*pairs: tuple[list[int], float]) -> tuple[np.ndarray, np.ndarray]:
    return boxes(*(p[0] for p in pairs)), np.array([p[1] for p in pairs], np.float32)


def test_everything_found_is_one() -> None:
    assert average_precision([found((A, 0.9), (B, 0.8))], [boxes(A, B)]) == pytest.approx(1.0)


def test_a_false_box_between_two_true_ones() -> None:
    """Precision 1 up to recall 0.5, then 2/3."""
    given = [found((A, 0.9), ([50, 50, 60, 60], 0.8), (B, 0.7))]
    assert average_precision(given, [boxes(A, B)]) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_a_second_box_on_the_same_thing_is_false() -> None:
    assert average_precision(
        [found((A, 0.9), ([1, 0, 11, 10], 0.8), (B, 0.7))], [boxes(A, B)]
    ) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_boxes_on_ignored_regions_neither_help_nor_harm() -> None:
    given = [found((B, 0.95), (A, 0.9))]
    assert average_precision(given, [boxes(A)]) == pytest.approx(0.5)
    assert average_precision(given, [boxes(A)], [boxes(B)]) == pytest.approx(1.0)


def test_pictures_are_ranked_together() -> None:
    given = [found((A, 0.5)), found((A, 0.9))]
    assert average_precision(given, [boxes(A), EMPTY]) == pytest.approx(0.5)


def test_nothing_found_is_nought_and_nothing_to_find_is_undefined() -> None:
    assert average_precision([found()], [boxes(A)]) == 0.0
    assert np.isnan(average_precision([found((A, 0.9))], [EMPTY]))


def test_auroc_counts_pairs() -> None:
    assert auroc([0.9, 0.4, 0.5, 0.1], [True, True, False, False]) == pytest.approx(0.75)
    assert auroc([0.5, 0.5], [True, False]) == pytest.approx(0.5)
    assert np.isnan(auroc([0.5], [True]))


def test_boxes_that_hardly_overlap_count_at_a_lower_iou() -> None:
    """IoU 5 / 15 = 1/3."""
    given = [found(([5, 0, 15, 10], 0.9))]
    assert average_precision(given, [boxes(A)], least_overlap=0.5) == 0.0
    assert average_precision(given, [boxes(A)], least_overlap=0.3) == pytest.approx(1.0)


def test_by_centre_a_box_beside_a_tiny_thing_counts() -> None:
    """In a picture 100 wide a centre may lie 2 beside the true box, and no farther."""
    near, far = [8, 0, 14, 10], [10, 0, 16, 10]  # centres at x = 11 and 13
    for box, expected in ((near, 1.0), (far, 0.0)):
        pairs = match([found((box, 0.9))], [boxes(A)], reading="centre", widths=[100.0])
        assert pairs.precision() == pytest.approx(expected)


def test_by_centre_a_true_box_is_found_once() -> None:
    given = [found((A, 0.9), ([1, 1, 9, 9], 0.8))]
    pairs = match(given, [boxes(A)], reading="centre", widths=[100.0])
    assert pairs.hits.tolist() == [True, False]


def test_large_things_stay_out_of_the_figure_for_small_ones() -> None:
    large = [100, 100, 160, 160]
    given = [found((large, 0.9), ([200, 200, 280, 280], 0.8), (A, 0.7), ([50, 50, 60, 60], 0.6))]
    pairs = match(given, [boxes(A, large)], most_area=32.0**2)
    assert pairs.truths.tolist() == [1]
    assert pairs.hits.tolist() == [True, False]


def test_a_resample_counts_pictures_as_often_as_they_are_drawn() -> None:
    """Picture 2 has a false box above everything: without it AP is 1, with it twice 1/3 of each."""
    pairs = match([found((A, 0.5)), found((A, 0.9))], [boxes(A), EMPTY])
    assert pairs.precision(np.array([1, 0])) == pytest.approx(1.0)
    assert pairs.precision(np.array([1, 2])) == pytest.approx(1 / 3)
    assert np.isnan(pairs.precision(np.array([0, 1])))
