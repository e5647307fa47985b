"""From frames to scores and tracks, on painted pictures."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import picture_card
from vedette_base.bundle import Bundle
from vedette_base.calibration import PlattMap
from vedette_base.config import VerifierConfig, VisionConfig
from vedette_base.media import AudioBlock, Progress
from vedette_base.score import VISION_LABELS, ScoreBlock, Segment
from vedette_vision.detector import ImageFrame, WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.scorer import VisionScorer

STREET = np.random.default_rng(1).integers(60, 120, (360, 640, 1)).astype(np.uint8).repeat(3, axis=2)


def scorer(engine: PaintedEngine, config: VisionConfig | None = None, **changes: object) -> VisionScorer:
    config = (config or VisionConfig()).model_copy(update={"verifier": VerifierConfig(model=None)})
    bundle = Bundle(Path("painted"), picture_card(**changes))
    return VisionScorer(bundle, config, detector=WeaponDetector(bundle, config, engines=lambda size: engine))


def picture(*things: tuple[str, int, int, int, int]) -> np.ndarray:
    """The street with rectangles of (label, x, y, width, height)."""
    image = STREET.copy()
    for label, x, y, width, height in things:
        image[y : y + height, x : x + width] = COLOURS[label]
    return image


def run(
    score: VisionScorer, images: list[np.ndarray], step: float = 0.2, start: float = 0.0
) -> list[ScoreBlock]:
    frames = (ImageFrame(image, time=start + i * step, still=False) for i, image in enumerate(images))
    return [block for frame in frames for block in score.push(frame)]


def walking(label: str, count: int) -> list[np.ndarray]:
    return [picture((label, 100 + 10 * i, 150, 24, 16)) for i in range(count)]


def test_a_moving_weapon_is_confirmed_after_three_looks() -> None:
    blocks = run(scorer(PaintedEngine()), walking("pistol", 4))
    assert [b.tracks[0].confirmed for b in blocks] == [False, False, True, True]
    track = blocks[-1].tracks[0]
    assert track.label == "pistol"
    assert (track.start, track.end) == pytest.approx((0.0, 0.6))
    assert track.peak_box == pytest.approx((100, 150, 124, 166), abs=1.5)


def test_scores_are_the_best_of_every_class_per_frame() -> None:
    image = picture(("pistol", 100, 100, 20, 20), ("no_weapon", 300, 100, 20, 20))
    (block,) = run(scorer(PaintedEngine({"pistol": 0.7, "no_weapon": 0.4})), [image])
    assert block.scores.labels == VISION_LABELS
    assert block.scores.probabilities[0] == pytest.approx([0, 0, 0.4, 0.7])


def test_scores_are_calibrated_and_an_empty_picture_counts_as_a_score_of_nought() -> None:
    halved = PlattMap(base_rate=0.3, slope=0.5, intercept=-1.0)
    score = scorer(PaintedEngine({"pistol": 0.8}), calibration={"pistol": halved})
    armed, empty = run(score, [picture(("pistol", 100, 100, 20, 20)), picture()])
    assert armed.scores.column("pistol")[0] == pytest.approx(float(halved.apply(0.8)), abs=1e-5)
    assert empty.scores.column("pistol")[0] == pytest.approx(float(halved.apply(0.0)), abs=1e-5)


def test_a_still_weapon_in_an_unmoving_picture_is_seen_and_confirmed() -> None:
    """He stood there before the camera was switched on."""
    blocks = run(scorer(PaintedEngine()), [picture(("pistol", 100, 150, 24, 16))] * 20)
    assert blocks[-1].tracks[0].confirmed
    assert blocks[-1].tracks[0].end == pytest.approx(3.8)
    assert all(b.scores.column("pistol")[0] > 0.8 for b in blocks)


def test_a_weapon_too_faint_for_motion_is_seen_within_two_seconds() -> None:
    config = VisionConfig.model_validate({"motion": {"share": 0.5}})
    blocks = run(scorer(PaintedEngine(), config), [picture()] * 3 + walking("pistol", 12))
    first = next(i for i, b in enumerate(blocks) if b.tracks)
    assert blocks[first].until <= 0.6 + 2.0


def test_an_unmoving_picture_costs_a_look_every_two_seconds() -> None:
    engine = PaintedEngine()
    blocks = run(scorer(engine), [picture()] * 50)
    assert len(blocks) == 50
    assert len(engine.shapes) == 5


def test_a_gated_frame_is_observed_and_repeats_the_last_scores() -> None:
    blocks = run(scorer(PaintedEngine()), [picture(("no_weapon", 100, 150, 24, 16))] * 5)
    assert all(b.scores.column("no_weapon")[0] == pytest.approx(0.9) for b in blocks)
    observed = [s for b in blocks for s in b.observed]
    assert observed[0].start == 0.0
    assert all(b.start <= a.end for a, b in itertools.pairwise(observed))


def test_a_still_picture_needs_no_second_look() -> None:
    image = picture(("long_gun", 100, 100, 90, 20))
    (block,) = scorer(PaintedEngine()).push(ImageFrame(image))
    assert block.tracks[0].confirmed
    assert block.tracks[0].label == "long_gun"


def test_a_phone_raises_no_track_however_long_it_is_shown() -> None:
    blocks = run(scorer(PaintedEngine({"no_weapon": 0.99})), walking("no_weapon", 12))
    assert not any(b.tracks for b in blocks)
    assert all(b.scores.column("pistol")[0] == 0 for b in blocks)


def test_times_with_no_picture_are_not_observed() -> None:
    score = scorer(PaintedEngine())
    first = run(score, [picture()] * 2)
    (gap,) = score.push(Progress("vision", 60.0, "camera lost"))
    later = run(score, [picture()], start=60.0)
    assert (gap.until, gap.observed, len(gap.scores)) == (60.0, (), 0)
    assert first[-1].observed[0].end < 1.0
    assert later[0].observed[0].start == 60.0


def test_the_watermark_never_falls() -> None:
    score = scorer(PaintedEngine())
    blocks = run(score, [picture()] * 3, start=10.0)
    blocks += list(score.push(Progress("vision", 5.0)))
    blocks += run(score, [picture()] * 2, start=2.0)
    marks = [b.until for b in blocks]
    assert marks == sorted(marks)


@pytest.mark.parametrize("rate", [5.0, 7.0, 29.97, 60.0])
def test_frames_that_come_too_fast_are_thinned_to_five_a_second(rate: float) -> None:
    blocks = run(scorer(PaintedEngine()), [picture()] * int(4 * rate), step=1 / rate)
    assert 19 <= len(blocks) <= 21


def test_sound_is_not_its_business() -> None:
    score = scorer(PaintedEngine())
    assert list(score.push(AudioBlock(0.0, np.zeros(480, np.float32)))) == []
    assert list(score.push(Progress("audio", 3.0))) == []
    assert list(score.flush()) == []


def test_a_weapon_too_small_for_the_first_look_is_found_on_the_person_who_holds_it() -> None:
    engine = PaintedEngine(least_pixels=60)
    images = [
        picture(("person", 200 + 8 * i, 100, 30, 90), ("pistol", 204 + 8 * i, 130, 7, 5)) for i in range(4)
    ]
    found = run(scorer(engine), images)
    without = VisionConfig.model_validate({"closer_look": {"enabled": False}})
    assert not any(b.tracks for b in run(scorer(engine, without), images))
    track = found[-1].tracks[0]
    assert track.confirmed
    assert track.peak_box == pytest.approx((204, 130, 211, 135), abs=2.0)


def test_closer_looks_stay_within_their_budget() -> None:
    engine = PaintedEngine()
    images = [picture(("person", 20 + 2 * i, 100, 30, 90)) for i in range(50)]
    config = VisionConfig.model_validate({"closer_look": {"crops_per_second": 1.0, "crops_per_look": 2}})
    run(scorer(engine, config), images)
    closer = sum(shape[0] for shape in engine.shapes if shape[2:] == (320, 320))
    assert 8 <= closer <= 13


def test_weapons_outside_the_zone_do_not_count() -> None:
    zone = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)
    config = VisionConfig.model_validate({"zones": zone})
    inside, outside = picture(("knife", 100, 100, 30, 30)), picture(("knife", 500, 100, 30, 30))
    assert run(scorer(PaintedEngine(), config), [inside])[0].scores.column("knife")[0] > 0.5
    assert run(scorer(PaintedEngine(), config), [outside])[0].scores.column("knife")[0] == 0


def test_weapons_inside_a_mask_do_not_count() -> None:
    mask = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)
    config = VisionConfig.model_validate({"masks": mask})
    (block,) = run(scorer(PaintedEngine(), config), [picture(("knife", 100, 100, 30, 30))])
    assert block.tracks == ()


def test_a_covered_lens_says_that_it_sees_nothing() -> None:
    (block,) = run(scorer(PaintedEngine()), [np.full((360, 640, 3), 20, np.uint8)])
    assert block.scores.quality[0] < 0.2
    assert block.observed == (Segment(0.0, 0.2),)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (20000, 40), (4320, 7680)])
def test_odd_sizes_are_no_problem(size: tuple[int, int]) -> None:
    frames = [ImageFrame(np.full((*size, 3), 90, np.uint8), time=i * 0.2, still=False) for i in range(2)]
    score = scorer(PaintedEngine())
    assert [b.until for f in frames for b in score.push(f)] == [0.0, 0.2]


def test_a_fresh_scorer_remembers_nothing() -> None:
    used = scorer(PaintedEngine())
    run(used, walking("pistol", 4))
    (block,) = run(used.fresh(), walking("pistol", 1))
    assert (block.tracks[0].id, block.tracks[0].confirmed) == (1, False)
