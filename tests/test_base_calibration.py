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
    calibration_error,
    choose_map,
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
    raw, truth = stepped(2000)
    found = choose_map(raw, truth, groups_of(raw.size)).map
    assert found.kind == "isotonic"
    assert found.held_out is not None
    assert found.held_out.log_loss["isotonic"] < found.held_out.log_loss["platt"]
    assert found.held_out.brier["isotonic"] < found.held_out.brier["platt"]
    raw, truth = skewed(400)
    assert choose_map(raw, truth, groups_of(raw.size)).map.kind == "platt"


def test_what_a_recording_looks_like_is_not_learnt_from_itself() -> None:
    """Scores that name the recording, truth that is the recording's: only held-out groups show the fraud."""
    random = np.random.default_rng(0)
    names = np.repeat(np.arange(20), 30)
    raw = np.clip(0.025 + names / 20 + random.uniform(-0.01, 0.01, names.size), 0, 1)
    truth = (random.permutation(20) < 10)[names]
    found = choose_map(raw, truth, [f"recording {i}" for i in names]).map
    assert fit_isotonic(raw, truth).apply(raw)[truth].mean() > found.apply(raw)[truth].mean()
    assert found.kind == "platt"


def test_a_choice_says_what_each_map_lost_and_shows_unseen_probabilities() -> None:
    raw, truth = skewed(400)
    choice = choose_map(raw, truth, groups_of(raw.size))
    losses = choice.map.held_out
    assert losses is not None
    assert (losses.groups, losses.positive_groups) == (10, 10)
    assert choice.held_out is not None
    assert losses.brier[choice.map.kind] == pytest.approx(np.square(choice.held_out - truth).mean(), abs=1e-6)


@pytest.mark.parametrize("names", [["only"] * 200, ["with"] * 100 + ["without"] * 100])
def test_too_few_groups_cannot_choose_and_get_platt(names: list[str]) -> None:
    raw = np.linspace(0.1, 0.9, 200)
    choice = choose_map(raw, np.arange(200) < 100, names)
    assert choice.map.kind == "platt"
    assert choice.map.held_out is None
    assert choice.held_out is None


def test_groups_that_leave_no_positive_to_fit_on_get_platt() -> None:
    raw, truth = np.linspace(0.1, 0.9, 40), np.arange(40) % 2 == 0
    weights = np.where(truth & (np.arange(40) > 20), 0.0, 1.0)
    names = [f"recording {i // 20}" for i in range(40)]
    assert choose_map(raw, truth, names, weights=weights).map.kind == "platt"


def test_few_groups_make_modest_claims() -> None:
    """A thousand windows of one quiet recording are one recording."""
    raw = np.concatenate([np.linspace(0.0, 0.4, 1000), np.linspace(0.6, 1.0, 1000)])
    truth = raw > 0.5
    few = fit_isotonic(raw, truth, groups=["quiet"] * 1000 + ["shot"] * 1000).apply([0.0, 1.0])
    many = fit_isotonic(raw, truth, groups=[str(i // 10) for i in range(2000)]).apply([0.0, 1.0])
    assert few[0] == pytest.approx(1 / 6)  # half of 1 in 3, at the very edge
    assert few[1] == pytest.approx(5 / 6)
    assert many[0] < 0.01
    assert many[1] > 0.99


def test_scores_beyond_the_outer_pools_keep_their_order() -> None:
    found = fit_isotonic(np.linspace(0.2, 0.8, 100), np.arange(100) >= 50)
    assert np.all(np.diff(found.apply([0.0, 0.1, 0.2])) > 0)
    assert np.all(np.diff(found.apply([0.9, 0.95, 1.0])) > 0)


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
    with pytest.raises(DataError):
        choose_map(raw, truth, ["a"] * len(raw))


def test_groups_must_be_as_many_as_examples() -> None:
    with pytest.raises(DataError, match="one group per example"):
        choose_map([0.1, 0.9], [False, True], ["a"])


def test_calibration_error_is_zero_only_when_right() -> None:
    assert calibration_error([0.25] * 4, [1, 0, 0, 0]) == pytest.approx(0.0)
    assert calibration_error([1.0, 0.0], [0, 1]) == pytest.approx(1.0)
