"""Looking at one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import picture_card
from vedette_base.bundle import Bundle, load_bundle
from vedette_base.config import VerifierConfig, VisionConfig
from vedette_base.errors import BundleError, InputError
from vedette_vision.detector import ImageFrame, WeaponDetector, input_size, people_worth_it
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.labels import OUTPUTS


def detector(engine: PaintedEngine, config: VisionConfig | None = None, **changes: object) -> WeaponDetector:
    card = picture_card(**changes)
    config = (config or VisionConfig()).model_copy(update={"verifier": VerifierConfig(model=None)})
    return WeaponDetector(Bundle(Path("painted"), card), config, engines=lambda size: engine)


def painted(size: tuple[int, int], *things: tuple[str, int, int, int, int]) -> np.ndarray:
    image = np.full((size[1], size[0], 3), 100, np.uint8)
    for label, x, y, width, height in things:
        image[y : y + height, x : x + width] = COLOURS[label]
    return image


@pytest.mark.parametrize("size", [(640, 480), (1920, 1080), (300, 900), (97, 103)])
def test_a_box_is_in_pixels_of_the_picture(size: tuple[int, int]) -> None:
    width, height = size[0] // 4, size[1] // 5
    (found,) = detector(PaintedEngine()).detect(painted(size, ("pistol", width, height, width, height)))
    slack = max(size) / 640 + 1.0
    assert found.label == "pistol"
    assert found.box == pytest.approx((width, height, 2 * width, 2 * height), abs=slack)


def test_people_are_seen_but_never_reported() -> None:
    assert detector(PaintedEngine()).detect(painted((640, 480), ("person", 100, 100, 80, 200)), 0.0) == []


def test_the_most_probable_comes_first_and_weak_ones_are_left_out() -> None:
    image = painted(
        (640, 480), ("pistol", 50, 50, 40, 40), ("knife", 200, 50, 40, 40), ("long_gun", 300, 50, 90, 30)
    )
    found = detector(PaintedEngine({"pistol": 0.4, "knife": 0.7, "long_gun": 0.1})).detect(image)
    assert [d.label for d in found] == ["knife", "pistol"]


def test_a_tiny_weapon_is_found_by_the_closer_look() -> None:
    image = painted((1920, 1080), ("person", 900, 300, 80, 240), ("pistol", 910, 380, 20, 14))
    engine = PaintedEngine(least_pixels=50)
    (found,) = detector(engine).detect(image)
    assert found.box == pytest.approx((910, 380, 930, 394), abs=3)
    off = VisionConfig.model_validate({"closer_look": {"enabled": False}})
    assert detector(engine, off).detect(image) == []


def test_a_person_who_fills_the_picture_is_not_enlarged_again() -> None:
    whole = detector(PaintedEngine())
    frame = ImageFrame(painted((640, 480), ("person", 20, 5, 400, 470)))
    assert len(people_worth_it(whole.look(frame), frame, whole.config)) == 0


def test_boxes_cut_by_the_edge_of_a_close_up_are_left_to_the_whole_picture() -> None:
    """A long gun that sticks out of the close-up keeps its full box."""
    image = painted((1920, 1080), ("long_gun", 400, 420, 900, 12), ("person", 900, 300, 80, 240))
    found = detector(PaintedEngine()).detect(image)
    assert len(found) == 1
    assert found[0].box[2] - found[0].box[0] > 850


@pytest.mark.parametrize(
    ("size", "still", "expected"),
    [
        ((1920, 1080), False, (640, 384)),
        ((1080, 1920), False, (384, 640)),
        ((700, 600), False, (640, 640)),
        ((300, 300), True, (512, 512)),
        ((416, 312), True, (512, 512)),
        ((480, 480), True, (640, 640)),
        ((1, 1), True, (512, 512)),
        ((1920, 1080), True, (640, 384)),
        ((1080, 1920), True, (384, 640)),
        ((1600, 1200), True, (640, 480)),
        ((1200, 1200), True, (640, 640)),
        ((20000, 300), True, (640, 384)),
    ],
)
def test_the_input_follows_the_shape_of_the_picture(
    size: tuple[int, int], still: bool, expected: tuple[int, int]
) -> None:
    assert input_size(size, VisionConfig(), still=still) == expected


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), [1]]
)
def test_what_is_no_picture_is_refused(bad: object) -> None:
    with pytest.raises(InputError, match="picture must"):
        detector(PaintedEngine()).detect(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_a_probability_outside_its_range_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="min_probability"):
        detector(PaintedEngine()).detect(painted((64, 64)), bad)


def test_a_bundle_of_another_kind_is_refused() -> None:
    with pytest.raises(BundleError, match="no weapon detector"):
        detector(PaintedEngine(), labels=("cat", "dog"))


def test_the_configuration_overrides_the_bundles_threshold_class_by_class() -> None:
    config = VisionConfig.model_validate({"thresholds": {"knife": 0.9}})
    own = detector(PaintedEngine(), config, thresholds={"knife": 0.4, "pistol": 0.6})
    assert (own.threshold("knife"), own.threshold("pistol")) == (0.9, 0.6)


def test_the_shipped_detector_runs_on_any_picture() -> None:
    shipped = WeaponDetector(load_bundle("vision"), threads=1)
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    assert all(0 <= d.probability <= 1 for d in shipped.detect(noise, 0.0))
    assert "OpenVINO" in shipped.description


def test_a_still_with_small_people_is_also_looked_at_enlarged_and_every_look_is_mirrored() -> None:
    engine = PaintedEngine()
    detector(engine).detect(painted((416, 312), ("person", 100, 100, 30, 80), ("pistol", 300, 200, 12, 8)))
    sides = [shape[2] for shape in engine.shapes]
    assert sides == [512, 512, 864, 864, 416, 416], "first, enlarged and closer, plain and mirrored"
    engine.shapes.clear()
    plain = VisionConfig.model_validate({"closer_look": {"mirror": False, "whole": 0.0}})
    detector(engine, plain).detect(painted((416, 312), ("person", 100, 100, 30, 80)))
    assert [shape[2] for shape in engine.shapes] == [512, 416]
    engine.shapes.clear()
    detector(engine).detect(painted((416, 312), ("pistol", 300, 200, 12, 8)))
    assert [shape[2] for shape in engine.shapes] == [512, 512], "nobody is small"


def test_a_large_still_is_looked_at_with_all_its_pixels_whether_somebody_is_on_it_or_not() -> None:
    engine = PaintedEngine()
    detector(engine).detect(painted((1920, 1080), ("pistol", 300, 200, 40, 30)))
    assert [shape[2:] for shape in engine.shapes] == [(384, 640)] * 2 + [(768, 1344)] * 2
    engine.shapes.clear()
    detector(engine).detect(painted((1920, 1080), ("person", 100, 100, 80, 200)))
    assert [shape[2:] for shape in engine.shapes] == [(384, 640)] * 2 + [(768, 1344)] * 2 + [(416, 416)] * 2
    engine.shapes.clear()
    plain = VisionConfig.model_validate({"closer_look": {"whole": 0.0}})
    detector(engine, plain).detect(painted((1920, 1080), ("pistol", 300, 200, 40, 30)))
    assert [shape[2:] for shape in engine.shapes] == [(384, 640)] * 2


def test_a_thing_that_the_first_look_is_too_coarse_for_is_found_on_a_large_still() -> None:
    """Two pixels of the first look, five of the picture as it is."""
    found = detector(PaintedEngine()).detect(painted((1920, 1080), ("pistol", 1400, 700, 6, 6)))
    assert [d.label for d in found] == ["pistol"]


def test_people_are_kept_by_the_closer_look() -> None:
    own = detector(PaintedEngine())
    frame = ImageFrame(painted((416, 312), ("person", 100, 100, 30, 80), ("pistol", 110, 130, 8, 6)))
    look = own.look_twice(frame)
    assert sorted(OUTPUTS[kind] for kind in look.classes) == ["person", "pistol"]
