"""Splits never tear a group apart, and intervals cover what they claim to."""

from __future__ import annotations

import numpy as np
import pytest

from vedette_base.errors import DataError, InputError
from vedette_base.statistics import bootstrap_interval, rate_interval, share_interval, thirds


def mean(rows: np.ndarray) -> float:
    return float(rows.mean())


def test_a_group_is_in_one_third_whatever_else_is_in_the_list() -> None:
    groups = [f"camera {i}" for i in range(300)]
    alone = [int(thirds([g])[0]) for g in groups]
    assert thirds(groups).tolist() == alone
    assert thirds(groups + groups[::-1]).tolist() == alone + alone[::-1]


def test_the_thirds_are_about_thirds() -> None:
    share = np.bincount(thirds([f"camera {i}" for i in range(3000)]), minlength=3) / 3000
    assert share == pytest.approx([1 / 3] * 3, abs=0.03)


def test_the_thirds_never_change() -> None:
    # a release that moved groups would test on what an older one was calibrated with
    assert thirds(["us_cam1", "range_pistol", "a", "b", "c"]).tolist() == [2, 2, 1, 1, 2]


def test_no_groups_give_no_thirds() -> None:
    assert thirds([]).shape == (0,)


def test_clips_of_one_recording_do_not_narrow_the_interval() -> None:
    random = np.random.default_rng(0)
    levels = random.normal(0, 1, 12)
    few = {f"r{i}": np.full(2, level) for i, level in enumerate(levels)}
    many = {f"r{i}": np.full(200, level) for i, level in enumerate(levels)}
    assert bootstrap_interval(few, mean) == pytest.approx(bootstrap_interval(many, mean))


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        groups = {str(i): random.normal(5, 1, 3) for i in range(25)}
        low, high = bootstrap_interval(groups, mean, n=200, level=0.9)
        hits += low <= 5 <= high
    assert 78 <= hits <= 98


def test_paired_rows_compare_two_models() -> None:
    random = np.random.default_rng(2)
    rows = {}
    for i in range(20):
        hard = random.normal(0, 10)  # a recording that is hard for both says nothing of their difference
        rows[str(i)] = np.array([[hard, hard + 1.0]])
    low, high = bootstrap_interval(rows, lambda r: float((r[:, 1] - r[:, 0]).mean()))
    assert low == pytest.approx(1.0)
    assert high == pytest.approx(1.0)


def test_the_bootstrap_repeats_itself() -> None:
    groups = {"a": [1.0, 2.0], "b": [5.0]}
    assert bootstrap_interval(groups, mean, seed=3) == bootstrap_interval(groups, mean, seed=3)


def test_samples_without_a_statistic_are_left_out() -> None:
    def precision(rows: np.ndarray) -> float:
        return float(rows[rows >= 0].mean()) if np.any(rows >= 0) else float("nan")

    low, high = bootstrap_interval({"a": [-1.0], "b": [1.0], "c": [1.0]}, precision)
    assert (low, high) == (1.0, 1.0)
    assert np.isnan(bootstrap_interval({"a": [-1.0]}, precision)).all()


def test_none_in_three_hours_is_not_none() -> None:
    low, high = rate_interval(0, 3.0)
    assert low == 0.0
    assert high == pytest.approx(1.2296, abs=1e-3)
    assert rate_interval(10, 1.0) == pytest.approx((4.795, 18.390), abs=1e-2)


def test_shares_have_intervals_within_zero_and_one() -> None:
    assert share_interval(0, 20)[0] == 0.0
    assert share_interval(20, 20)[1] == pytest.approx(1.0)
    assert share_interval(8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(DataError):
        bootstrap_interval({}, mean)
    with pytest.raises(InputError, match="level"):
        bootstrap_interval({"a": [1.0]}, mean, level=95)
    with pytest.raises(InputError, match="n=0"):
        bootstrap_interval({"a": [1.0]}, mean, n=0)
    with pytest.raises(InputError):
        rate_interval(1, 0.0)
    with pytest.raises(InputError):
        share_interval(3, 2)
