"""Settings that people turn: each changes what is found as it says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.commands import Command
from tests.fakes import picture_card
from tests.media import Video, write_media, write_still
from vedette.detecting import Item, Looker
from vedette_base.bundle import Bundle
from vedette_base.config import VisionConfig
from vedette_vision.boxes import Floats
from vedette_vision.detector import WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.labels import OUTPUTS


class TwoBoxes:
    """An engine that gives two pistols of IoU 0.6: 60 pixels wide, shifted by 15."""

    description = "two boxes"

    def run(self, batch: npt.NDArray[np.float32]) -> tuple[Floats, ...]:
        output = np.zeros((len(batch), 4 + len(OUTPUTS), 2), np.float32)
        output[:, :4, 0] = np.array([300, 300, 60, 40], np.float32)
        output[:, :4, 1] = np.array([315, 300, 60, 40], np.float32)
        output[:, 4 + OUTPUTS.index("pistol")] = (0.9, 0.8)
        return (output,)


def detector(config: VisionConfig, engine: PaintedEngine | TwoBoxes) -> WeaponDetector:
    return WeaponDetector(Bundle(Path("painted"), picture_card()), config, engines=lambda size: engine)


def settings(**values: object) -> VisionConfig:
    return VisionConfig.model_validate({"closer_look": {"enabled": False}} | values)


@pytest.mark.parametrize(("limit", "boxes"), [(0.5, 1), (0.59, 1), (0.61, 2), (0.9, 2)])
def test_boxes_that_overlap_more_than_nms_iou_are_one(limit: float, boxes: int) -> None:
    image = np.zeros((640, 640, 3), np.uint8)
    assert len(detector(settings(nms_iou=limit), TwoBoxes()).detect(image)) == boxes


def test_no_more_than_max_detections_are_given() -> None:
    image = np.zeros((640, 640, 3), np.uint8)
    assert len(detector(settings(nms_iou=0.9, max_detections=1), TwoBoxes()).detect(image)) == 1


def painted(**things: tuple[int, int]) -> npt.NDArray[np.uint8]:
    image = np.full((640, 640, 3), 100, np.uint8)
    for row, (label, (width, height)) in enumerate(things.items()):
        image[50 + 150 * row : 50 + 150 * row + height, 100 : 100 + width] = COLOURS[label]
    return image


@pytest.mark.parametrize(("least", "labels"), [(0.0, {"pistol", "knife"}), (21.0, {"knife"}), (60.0, set())])
def test_boxes_with_a_shorter_side_below_min_size_are_dropped(least: float, labels: set[str]) -> None:
    image = painted(pistol=(80, 20), knife=(50, 40))
    found = detector(settings(min_size=least), PaintedEngine()).detect(image)
    assert {d.label for d in found} == labels


@pytest.mark.parametrize(
    ("thresholds", "least", "labels"),
    [
        ({}, 0.25, ["knife", "pistol"]),
        ({"knife": 0.95}, 0.25, ["pistol"]),  # a class's own is stricter than the common one
        ({"pistol": 0.8}, 0.25, ["knife"]),
        ({"pistol": 0.1}, 0.65, ["knife"]),  # and never laxer
    ],
)
def test_a_class_has_its_own_threshold(
    tmp_path: Path, thresholds: dict[str, float], least: float, labels: list[str]
) -> None:
    image = painted(pistol=(80, 40), knife=(80, 40))
    path = write_still(tmp_path / "a.png", width=640, height=640, draw=lambda *_: image[:, :, ::-1])
    looker = Looker(
        detector(settings(thresholds=thresholds), PaintedEngine({"pistol": 0.6, "knife": 0.9})), least
    )
    (sight,) = looker.look(Item("a.png", path))
    assert [box.label for box in sight.boxes] == labels


@pytest.mark.parametrize("rate", [1.0, 2.5, 10.0])
def test_video_is_sampled_at_the_rate_that_is_set(tmp_path: Path, rate: float) -> None:
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=4, width=96, height=64, rate=20))
    looker = Looker(detector(settings(frames_per_second=rate, motion={"enabled": False}), PaintedEngine()))
    times = [sight.time for sight in looker.look(Item("a.mp4", path))]
    assert len(times) == pytest.approx(4 * rate, abs=1)


def test_tiles_are_a_setting_of_detect(vedette: Command, tmp_path: Path) -> None:
    write_still(tmp_path / "a.png", width=700, height=500)
    (tmp_path / "v.yaml").write_text("tiles: {side: 300, size: 160}")
    assert vedette("detect", "a.png", "--config", "v.yaml").code == 0
    (tmp_path / "v.yaml").write_text("tiles: {side: 300, size: 161}")
    result = vedette("detect", "a.png", "--config", "v.yaml")
    assert (result.code, len(result.said)) == (2, 1)
    assert "tiles.size" in result.said[0]
