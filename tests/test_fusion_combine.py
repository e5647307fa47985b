"""Evidence, its terms, levels and rankings: what a probability is made of and what comes of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_base.bursts import UNKNOWN_FIREARM, rank_firearms
from vedette_base.config import FusionConfig
from vedette_base.score import ThreatEvent
from vedette_fusion.align import Look
from vedette_fusion.combine import (
    Evidence,
    audio_evidence,
    coincidence,
    combine,
    logistic,
    logit,
    strongest,
    total,
    vision_evidence,
    weapon_in,
)
from vedette_fusion.ranking import level_of, rank_events

CONFIG = FusionConfig()
probabilities = st.floats(0.0, 1.0)


def seen(pistol: float, no_weapon: float = 0.0, quality: float = 1.0) -> Evidence:
    look = Look(1.0, quality, {"pistol": pistol, "no_weapon": no_weapon})
    return vision_evidence("pistol", pistol, look, 1.0, CONFIG)


def heard(gunshot: float, quality: float = 1.0) -> Evidence:
    return audio_evidence(gunshot, quality, 1.0, CONFIG)


def fused(own: Evidence, other: Evidence | None, nearness: float = 1.0) -> float:
    return combine(own, other, nearness, {}, CONFIG)[0]


@given(probabilities)
def test_logit_and_logistic_undo_each_other(p: float) -> None:
    assert logistic(logit(p)) == pytest.approx(p, abs=2e-6)


@given(probabilities, probabilities, probabilities, st.floats(0, 1), st.floats(0, 1))
def test_terms_sum_to_the_log_odds_of_the_probability(
    a: float, v: float, no: float, quality: float, nearness: float
) -> None:
    probability, reasons = combine(heard(a, quality), seen(v, no), nearness, {}, CONFIG)
    assert probability == pytest.approx(logistic(total(reasons)), abs=1e-12)
    assert {"prior", "audio", "vision"} <= {reason.term for reason in reasons}


@given(probabilities, probabilities, probabilities, probabilities)
def test_more_probable_in_either_sense_is_never_less_probable_fused(
    a: float, more_a: float, v: float, more_v: float
) -> None:
    low_a, high_a = sorted((a, more_a))
    low_v, high_v = sorted((v, more_v))
    assert fused(heard(low_a), seen(low_v)) <= fused(heard(high_a), seen(high_v)) + 1e-12
    assert fused(seen(low_v), heard(low_a)) <= fused(seen(high_v), heard(high_a)) + 1e-12


@given(probabilities, probabilities, probabilities, st.floats(0, 1))
def test_a_sense_never_votes_below_zero_against_the_other(a: float, v: float, no: float, q: float) -> None:
    assert fused(heard(a), seen(v, no, q)) >= fused(heard(a), None)
    assert fused(seen(v), heard(a, q)) >= fused(seen(v), None)


@given(probabilities, probabilities, probabilities)
def test_a_look_alike_counts_against_its_own_sense_and_only_down_to_nothing(
    v: float, no: float, more_no: float
) -> None:
    low, high = sorted((no, more_no))
    assert seen(v, high).net <= seen(v, low).net
    assert seen(v, high).net >= min(0.0, seen(v).net)


def test_a_phone_takes_back_what_looked_like_a_pistol() -> None:
    assert level_of(fused(seen(0.9, no_weapon=0.9), None), "visible_weapon", CONFIG) == "low"
    assert fused(seen(0.9, no_weapon=0.98), None) == pytest.approx(CONFIG.prior)
    assert fused(heard(0.9), seen(0.9, no_weapon=0.98)) == pytest.approx(fused(heard(0.9), None))


def test_a_shot_does_not_make_a_weapon_of_a_phone() -> None:
    """The shot has its own event; that somebody filmed it is no weapon shown."""
    phone = seen(0.9, no_weapon=0.98)
    assert fused(phone, heard(0.99)) == pytest.approx(fused(phone, None))
    assert fused(seen(0.1), heard(0.99)) == pytest.approx(fused(seen(0.1), None))
    assert fused(seen(0.6), heard(0.99)) > fused(seen(0.6), None)


def test_a_faint_doubt_does_not_count_against_a_clear_weapon() -> None:
    assert seen(0.9, no_weapon=0.4).net == seen(0.9).net


@given(probabilities)
def test_what_was_not_observed_is_no_evidence(p: float) -> None:
    assert heard(p, quality=0.0).net == 0.0
    assert seen(p, 0.5, quality=0.0).net == 0.0


def test_evidence_is_measured_from_the_base_rate_and_clipped() -> None:
    assert heard(CONFIG.audio_base_rate).net == pytest.approx(0.0)
    assert heard(1.0).net == CONFIG.clip
    assert heard(0.0).net == -CONFIG.clip


def test_the_less_sure_sense_decides_how_much_coincidence_counts() -> None:
    assert coincidence(heard(1.0), seen(1.0), 1.0, CONFIG) == pytest.approx(CONFIG.coincidence, abs=0.01)
    assert coincidence(heard(1.0), seen(0.3), 1.0, CONFIG) < 0.35 * CONFIG.coincidence
    assert coincidence(heard(1.0), seen(0.2), 1.0, CONFIG) == pytest.approx(0.0, abs=1e-6)


def test_sensitivity_is_a_term_of_its_own() -> None:
    probability, reasons = combine(heard(0.9), None, 0.0, {}, CONFIG.with_sensitivity("high"))
    assert {r.term: r.log_odds for r in reasons}["sensitivity"] == 1.5
    assert probability > fused(heard(0.9), None)


def test_the_peak_is_the_frame_with_the_most_evidence_left() -> None:
    frames = [
        Look(1.0, 1.0, {"pistol": 0.9, "no_weapon": 0.8}),
        Look(2.0, 1.0, {"pistol": 0.8, "no_weapon": 0.0}),
        Look(3.0, 0.2, {"pistol": 0.99, "no_weapon": 0.0}),
    ]
    best = strongest(weapon_in(look, CONFIG) for look in frames)
    assert best is not None
    assert best.time == 2.0
    assert strongest([None]) is None


@pytest.mark.parametrize(
    ("probability", "kind", "level"),
    [
        (0.2, "armed_attack", "low"),
        (0.4, "gunshot", "elevated"),
        (0.7, "armed_attack", "high"),
        (0.9, "armed_attack", "critical"),
        (0.9, "gunshot", "high"),
        (0.99, "gunshot", "critical"),
        (0.999, "visible_weapon", "high"),
    ],
)
def test_only_both_senses_or_shots_beyond_doubt_are_critical(
    probability: float, kind: str, level: str
) -> None:
    assert level_of(probability, kind, CONFIG) == level  # type: ignore[arg-type]


def test_a_firearm_is_named_by_what_its_shots_agree_on() -> None:
    ranked = rank_firearms([{"AK-47": 0.9, "MP5": 0.1}, {"AK-47": 0.8, "MP5": 0.6}, {}], 0.3)
    assert [r.label for r in ranked][:2] == ["AK-47", "MP5"]
    assert math.fsum(r.probability for r in ranked) == pytest.approx(1.0, abs=0.05)


def test_twins_share_the_first_place() -> None:
    ranked = rank_firearms([{"M16": 0.9, "M4": 0.9}], 0.3)
    assert ranked[0].probability == ranked[1].probability == pytest.approx(0.9 / 1.81)


@pytest.mark.parametrize("types", [[], [{}], [{"AK-47": 0.05, "M4": 0.2}]])
def test_what_no_type_explains_is_an_unknown_firearm(types: list[dict[str, float]]) -> None:
    assert [(r.label, r.probability) for r in rank_firearms(types, 0.3)] == [(UNKNOWN_FIREARM, 1.0)]


def told(name: str, level: str, probability: float, revision: int = 1, state: str = "final") -> ThreatEvent:
    return ThreatEvent(name, revision, state, "gunshot", level, probability, 0.0, 1.0)  # type: ignore[arg-type]


def test_events_are_ranked_by_level_then_probability_by_their_last_revision() -> None:
    events = [
        told("a", "low", 0.1, state="open"),
        told("b", "high", 0.7),
        told("c", "high", 0.8),
        told("d", "critical", 0.75),
        told("e", "critical", 0.99, state="open"),
        told("e", "low", 0.02, revision=2, state="retracted"),
        told("a", "elevated", 0.4, revision=2),
    ]
    ranked = rank_events(events)
    assert [event.id for event in ranked] == ["d", "c", "b", "a"]
    assert [event.rank for event in ranked] == [1, 2, 3, 4]
    assert rank_events([]) == []
