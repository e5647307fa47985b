"""Calibrated probabilities mean what they say, keep the order of the raw ones, and never claim certainty."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from vedette_base.calibration import (
    CalibrationMap,
    IsotonicMap,
    PlattMap,
    best_map,
    calibration_error,
    fit_isotonic,
    fit_platt,
    logistic,
    logit,
)
from vedette_base.errors import DataError

Sample = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]


def skewed(n: int = 4000, seed: int = 0) -> Sample:
    """Raw scores whose truth follows logistic(2 * logit(raw) - 1)."""
    random = np.random.default_rng(seed)
    raw = random.uniform(0.01, 0.99, n)
    return raw, random.random(n) < logistic(2 * logit(raw) - 1)


def stepped(n: int = 6000, seed: int = 1) -> Sample:
    """Truth that no logistic curve follows: flat at 0.1, then flat at 0.6."""
    random = np.random.default_rng(seed)
    raw = random.uniform(0, 1, n)
    return raw, random.random(n) < np.where(raw < 0.3, 0.1, 0.6)


def groups_of(n: int, each: int = 40) -> list[str]:
    return [f"recording {i // each}" for i in range(n)]


def test_logit_and_logistic_undo_each_other_and_stay_finite() -> None:
    p = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    assert np.all(np.isfinite(logit(p)))
    assert logistic(logit(p)) == pytest.approx(p, abs=1e-5)
    assert logistic(np.array([-1e4, 1e4])) == pytest.approx([0.0, 1.0])


def test_platt_finds_the_curve_that_made_the_truth() -> None:
    found = fit_platt(*skewed())
    assert found.slope == pytest.approx(2.0, abs=0.15)
    assert found.intercept == pytest.approx(-1.0, abs=0.15)
    assert found.base_rate == pytest.approx(skewed()[1].mean())


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_a_fit_calibrates_what_it_has_not_seen(fit: object) -> None:
    assert callable(fit)
    raw, truth = skewed(seed=5)
    calibrated = fit(*skewed(seed=6)).apply(raw)
    assert calibration_error(raw, truth) > 0.08
    assert calibration_error(calibrated, truth) < 0.03


def test_weights_count_like_repetition() -> None:
    raw, truth = skewed(300)
    weights = np.where(truth, 3.0, 1.0)
    repeated = (
        np.concatenate([raw, raw[truth], raw[truth]]),
        np.concatenate([truth, truth[truth], truth[truth]]),
    )
    a, b = fit_platt(raw, truth, weights=weights), fit_platt(*repeated)
    assert (a.slope, a.intercept, a.base_rate) == pytest.approx((b.slope, b.intercept, b.base_rate), abs=1e-3)
    c, d = fit_isotonic(raw, truth, weights=weights), fit_isotonic(*repeated)
    assert c.apply(raw) == pytest.approx(d.apply(raw), abs=1e-6)


def test_the_better_map_is_chosen_on_held_out_groups() -> None:
    raw, truth = stepped()
    assert best_map(raw, truth, groups_of(raw.size)).kind == "isotonic"
    raw, truth = skewed(400)
    assert best_map(raw, truth, groups_of(raw.size)).kind == "platt"


def test_one_group_cannot_choose_and_gets_platt() -> None:
    raw, truth = stepped()
    assert best_map(raw, truth, ["only"] * raw.size).kind == "platt"


scores = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=40)


@settings(max_examples=40, deadline=None)
@given(scores)
def test_maps_keep_the_order_and_never_claim_certainty(values: list[float]) -> None:
    raw = np.sort(np.array(values))
    truth = np.arange(raw.size) % 3 == 0
    for found in (fit_platt(raw, truth), fit_isotonic(raw, truth)):
        p = found.apply(raw)
        assert p.dtype == np.float32
        assert np.all(np.diff(p) >= 0)
        assert np.all((p > 0) & (p < 1))


def test_equal_scores_get_equal_probabilities() -> None:
    found = fit_isotonic([0.2, 0.2, 0.2, 0.8], [0, 1, 0, 1])
    assert len(set(found.apply([0.2, 0.2, 0.2]).tolist())) == 1


def test_maps_survive_the_card() -> None:
    adapter: TypeAdapter[PlattMap | IsotonicMap] = TypeAdapter(CalibrationMap)
    for found in (fit_platt(*skewed(200)), fit_isotonic(*skewed(200))):
        again = adapter.validate_json(found.model_dump_json())
        assert again == found
        assert np.array_equal(again.apply([0.1, 0.7]), found.apply([0.1, 0.7]))


def test_the_shape_of_the_input_is_kept() -> None:
    raw = np.full((2, 3, 4), 0.5, np.float32)
    assert PlattMap(slope=1, intercept=0, base_rate=0.5).apply(raw) == pytest.approx(raw)
    assert IsotonicMap(x=(0.2, 0.9), y=(0.1, 0.8), base_rate=0.5).apply(raw).shape == raw.shape


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": (0.5, 0.5), "y": (0.1, 0.2)},
        {"x": (0.1, 0.5), "y": (0.3, 0.2)},
        {"x": (0.1, 0.5), "y": (0.0, 0.2)},
        {"x": (0.1, 0.5), "y": (0.2,)},
        {"x": (), "y": ()},
    ],
)
def test_a_line_that_does_not_rise_is_refused(wrong: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValidationError):
        IsotonicMap.model_validate({"base_rate": 0.1, **wrong})


@pytest.mark.parametrize(
    ("raw", "truth"),
    [
        ([0.1, 0.2], [True, True]),
        ([0.1, 0.2], [False, False]),
        ([0.1, 1.2], [False, True]),
        ([0.1, float("nan")], [False, True]),
        ([0.1], [False, True]),
        ([], []),
    ],
)
def test_examples_that_cannot_calibrate_are_refused(raw: list[float], truth: list[bool]) -> None:
    for fit in (fit_platt, fit_isotonic):
        with pytest.raises(DataError):
            fit(raw, truth)


def test_groups_must_be_as_many_as_examples() -> None:
    with pytest.raises(DataError, match="one group per example"):
        best_map([0.1, 0.9], [False, True], ["a"])


def test_calibration_error_is_zero_only_when_right() -> None:
    assert calibration_error([0.25] * 4, [1, 0, 0, 0]) == pytest.approx(0.0)
    assert calibration_error([1.0, 0.0], [0, 1]) == pytest.approx(1.0)
