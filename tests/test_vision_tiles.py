"""Tiles: off unless asked for; on, they find what is too small for a look at the whole, once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from vedette_base.bundle import load_bundle
from vedette_base.config import TilesConfig, VisionConfig
from vedette_base.config.loading import parse_config
from vedette_base.errors import ConfigError
from vedette_vision.detector import ImageFrame, WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.tiles import TOGETHER, tile_windows


def detector(engine: PaintedEngine, **tiles: float) -> WeaponDetector:
    config = VisionConfig.model_validate({"tiles": tiles, "closer_look": {"enabled": False}})
    return WeaponDetector(load_bundle("vision"), config, engines=lambda size: engine)


def with_pistol(box: tuple[int, int, int, int], *, still: bool = True) -> ImageFrame:
    image = np.full((1080, 1920, 3), 90, np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = COLOURS["pistol"]
    return ImageFrame(image, still=still)


@pytest.mark.parametrize("box", [(1500, 800, 1524, 812), (470, 300, 494, 312), (0, 0, 24, 12),
                                 (1896, 1068, 1920, 1080)])  # fmt: skip
def test_a_thing_too_small_for_the_whole_is_found_on_a_tile_once_and_in_its_place(
    box: tuple[int, int, int, int],
) -> None:
    engine = PaintedEngine(least_pixels=120)  # 24 x 12 pixels of 1920 are 8 x 4 of 640
    for still in (True, False):
        frame = with_pistol(box, still=still)
        assert len(detector(engine).look_twice(frame).scores) == 0
        found = detector(engine, side=640).look_twice(frame)
        assert found.boxes.tolist() == [pytest.approx(box, abs=2)]
    assert len(detector(engine, side=640).look(with_pistol(box, still=False)).scores) == 1


def test_tiles_are_off_unless_asked_for() -> None:
    engine = PaintedEngine()
    assert VisionConfig().tiles.side == 0
    detector(engine).look_twice(with_pistol((10, 10, 200, 100)))
    assert len(engine.shapes) == 1
    engine.shapes.clear()
    detector(engine, side=2000).look_twice(with_pistol((10, 10, 200, 100)))  # one tile would be the whole
    assert len(engine.shapes) == 1


def test_what_is_whole_on_the_picture_is_not_found_again_in_pieces() -> None:
    found = detector(PaintedEngine(), side=400, size=320).look_twice(with_pistol((300, 200, 1500, 900)))
    assert found.boxes.tolist() == [pytest.approx((300, 200, 1500, 900), abs=4)]


@pytest.mark.parametrize("picture", [(1920, 1080), (1080, 1920), (641, 100), (20_000, 700), (417, 416)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_tiles_cover_the_picture_and_share_what_they_should(picture: tuple[int, int], overlap: float) -> None:
    settings = TilesConfig(side=208, overlap=overlap, most=10_000)
    windows = tile_windows(picture, settings)
    seen = np.zeros((picture[1], picture[0]), bool)
    for x1, y1, x2, y2 in windows:
        assert (x2 - x1, y2 - y1) == (min(208, picture[0]), min(208, picture[1]))
        seen[y1:y2, x1:x2] = True
    assert seen.all()
    left = sorted({window[0] for window in windows})
    assert all(b - a <= 208 * (1 - overlap) + 1 for a, b in pairwise(left))


def test_there_are_never_more_tiles_than_allowed_nor_in_one_batch() -> None:
    assert len(tile_windows((7680, 4320), TilesConfig(side=64, most=20))) <= 20
    engine = PaintedEngine()
    detector(engine, side=200, size=64, most=40).look_twice(with_pistol((0, 0, 30, 30)))
    assert max(shape[0] for shape in engine.shapes) <= TOGETHER
    assert 20 < sum(shape[0] for shape in engine.shapes) <= 41


@pytest.mark.parametrize("text", ["tiles: {side: -1}", "tiles: {size: 100}", "tiles: {overlap: 0.95}",
                                  "tiles: {most: 0}", "tiles: {sides: 3}", "tiles: 640"])  # fmt: skip
def test_settings_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="tiles"):
        parse_config(text, VisionConfig)


def test_no_more_boxes_are_kept_than_the_configuration_says() -> None:
    config = VisionConfig.model_validate({"tiles": {"side": 300}, "max_detections": 1, "nms_iou": 0.0})
    engine = PaintedEngine()
    looker = WeaponDetector(load_bundle("vision"), config, engines=lambda size: engine)
    frame = with_pistol((10, 10, 60, 40))
    assert len(looker.look_twice(frame).scores) == 1


def test_the_shipped_detector_runs_with_tiles() -> None:
    config = VisionConfig.model_validate({"tiles": {"side": 300, "size": 160}})
    image = np.random.default_rng(0).integers(0, 255, (400, 700, 3), np.uint8)
    looker = WeaponDetector(load_bundle("vision"), config)
    assert all(d.box[2] <= 700 and d.box[3] <= 400 for d in looker.detect(image, 0.001))
