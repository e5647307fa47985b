"""Average precision and AUROC by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vedette_vision.metrics import auroc, average_precision

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
