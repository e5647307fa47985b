"""Calibration per output: recordings apart, types together where each has too few, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vedette_audio.calibrate import OWN_RECORDINGS, Calibration, calibrate
from vedette_audio.dataset import Clip
from vedette_audio.reliability import Curve, draw_reliability, reliability
from vedette_base.errors import DataError, OutputError
from vedette_base.score import AUDIO_LABELS, FIREARMS, GUNSHOT
from vedette_base.statistics import CALIBRATION, FUSION, thirds


class Heard:
    """Clips with one window each, and what a network said of them: like ``Validation``, without sound."""

    def __init__(self, clips: Sequence[Clip], seed: int = 0) -> None:
        self.clips = list(clips)
        self.owners = np.arange(len(self.clips))
        self.holds_shot = np.array([clip.shot for clip in self.clips], bool)
        random = np.random.default_rng(seed)
        targets = np.stack([clip.targets for clip in self.clips])
        noise = random.normal(0, 1.5, targets.shape)
        self.scores = (1 / (1 + np.exp(-(4 * targets - 2 + noise)))).astype(np.float32)

    def window_scores_of(self, score: Any, *, poor: bool = False) -> Any:
        return score(self.scores * (0.8 if poor else 1.0))


def groups(third: int, count: int, start: int = 0) -> list[str]:
    """Names that fall into one third of val."""
    names = (f"recording {start}-{i}" for i in range(100 * count))
    return [name for name in names if thirds([name])[0] == third][:count]


def clip(group: str, fine: str = "", *, shot: bool = True) -> Clip:
    types = (fine,) if fine else ()
    return Clip(f"{group}.wav", "test", shot, fine or "other", group, "val", types=types)


def clips(per_type: int = 2, others: int = 20, first_type: int | None = None) -> list[Clip]:
    found = []
    for number, label in enumerate(FIREARMS):
        count = first_type if first_type is not None and number == 0 else per_type
        found += [clip(g, label) for g in groups(CALIBRATION, count, number + 1) for _ in range(4)]
    quiet = groups(CALIBRATION, others, 50) + groups(FUSION, others, 60)
    return found + [clip(g, shot=False) for g in quiet for _ in range(4)]


def made(found: Sequence[Clip]) -> Calibration:
    validation: Any = Heard(found)
    return calibrate(validation, lambda scores: scores)


def test_types_with_few_recordings_share_a_map_that_says_so() -> None:
    found = made(clips())
    assert tuple(found.maps) == AUDIO_LABELS
    assert len({id(found.maps[label]) for label in FIREARMS}) == 1
    assert found.maps[FIREARMS[0]].shared == FIREARMS
    assert found.maps[GUNSHOT].shared == ()


def test_a_type_with_enough_recordings_has_a_map_of_its_own() -> None:
    found = made(clips(first_type=OWN_RECORDINGS))
    own, shared = found.maps[FIREARMS[0]], found.maps[FIREARMS[1]]
    assert own.shared == ()
    assert shared.shared == FIREARMS[1:]
    assert [curve.name for curve in found.curves][:2] == [GUNSHOT, FIREARMS[0]]


def test_both_losses_are_kept_and_the_better_map_is_taken() -> None:
    for fitted in made(clips()).maps.values():
        losses = fitted.held_out
        assert losses is not None
        assert losses.positive_groups == 18
        better = all(loss["isotonic"] < loss["platt"] for loss in (losses.log_loss, losses.brier))
        assert fitted.kind == ("isotonic" if better else "platt")


def test_log_odds_stay_finite_and_in_order() -> None:
    raw = np.linspace(0, 1, 200)
    for fitted in made(clips()).maps.values():
        p = fitted.apply(raw).astype(np.float64)
        assert np.all(np.isfinite(np.log(p / (1 - p))))
        assert np.all(np.diff(p) >= 0)
        assert 0 < fitted.base_rate < 1


def test_the_threshold_is_of_the_fusion_third() -> None:
    """Clips of other thirds may be as loud as they like."""
    found = clips()
    validation: Any = Heard(found)
    before = calibrate(validation, lambda scores: scores).thresholds[GUNSHOT]
    third = thirds([c.group for c in found])
    validation.scores[third == FUSION, -1] = 0.999
    assert calibrate(validation, lambda scores: scores).thresholds[GUNSHOT] > before


def test_one_recording_with_shots_gets_platt_and_no_curve() -> None:
    name = groups(CALIBRATION, 1)[0]
    quiet = [clip(g, shot=False) for g in groups(CALIBRATION, 6, 50)]
    found = made([clip(name, "AK-47"), clip(name, "MP5"), *quiet])
    assert found.maps[GUNSHOT].kind == "platt"
    assert found.maps[GUNSHOT].held_out is None
    assert found.curves == ()


def test_shots_of_unknown_firearms_leave_types_uncalibrated() -> None:
    shots = [clip(g) for g in groups(CALIBRATION, 4)]
    quiet = [clip(g, shot=False) for g in groups(CALIBRATION, 6, 50)]
    assert set(made(shots + quiet).maps) == {GUNSHOT}


@pytest.mark.parametrize("shot", [True, False])
def test_a_third_of_one_kind_cannot_calibrate(shot: bool) -> None:
    with pytest.raises(DataError, match="with and without shots"):
        made([clip(g, shot=shot) for g in groups(CALIBRATION, 4)])


def test_reliability_counts_and_compares() -> None:
    low, high = reliability([0.1, 0.1, 0.1, 0.9], [False, False, True, True])
    assert (low.count, high.count) == (3, 1)
    assert low.probability == pytest.approx(0.1)
    assert low.share == pytest.approx(1 / 3)
    assert low.low < low.share < low.high
    assert sum(found.count for found in reliability([0.0, 1.0], [0, 1])) == 2


def test_the_reliability_plot_is_a_picture_with_one_column_per_curve(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0, 1, 300)
    one = Curve("gunshot", p, p**2, random.random(300) < p**2)
    two = Curve("types", None, p, random.random(300) < p)
    sizes = []
    for curves in ([one], [one, two]):
        picture = cv2.imread(str(draw_reliability(tmp_path / "new" / "r.png", curves, title="val")))
        assert picture is not None
        sizes.append(picture.shape[1])
        assert picture.min() < 100
    assert sizes[1] > 1.5 * sizes[0]


def test_a_plot_of_nothing_or_to_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one curve"):
        draw_reliability(tmp_path / "r.png", [])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        draw_reliability(tmp_path / "file" / "r.png", [Curve("a", None, np.array([0.5]), np.array([True]))])
