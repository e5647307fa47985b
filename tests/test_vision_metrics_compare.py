"""Two detectors side by side on pictures made on the fly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vedette_vision.compare import compare
from vedette_vision.dataset import Picture
from vedette_vision.detector import Look
from vedette_vision.evaluate import report
from vedette_vision.labels import LABEL_IDS

PISTOL = LABEL_IDS["pistol"]
BOX = [0.4, 0.4, 0.5, 0.5]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    """Ten groups of one picture, every second one armed with 10 x 10 pixels."""
    file = tmp_path_factory.mktemp("pictures") / "a.png"
    cv2.imwrite(str(file), np.zeros((100, 100, 3), np.uint8))
    armed = np.array([[PISTOL, *BOX]], np.float32)
    empty = np.empty((0, 5), np.float32)
    return [Picture(file, "us_cam1", f"g{i}", armed if i % 2 else empty) for i in range(10)]


def look(box: list[float], score: float) -> Look:
    return Look(np.array([box], np.float32), np.array([score], np.float32), np.array([PISTOL]))


def good(pictures: list[Picture]) -> list[Look]:
    return [look(BOX, 0.9 if len(p.labels) else 0.1) for p in pictures]


def bad(pictures: list[Picture]) -> list[Look]:
    """Beside the thing, and as sure where there is none."""
    return [look([0.44, 0.4, 0.54, 0.5], 0.5) for _ in pictures]


def test_the_better_detector_is_told_with_an_interval_above_nought(pictures: list[Picture]) -> None:
    found = {d.figure: d for d in compare(pictures, bad(pictures), good(pictures)) if d.subset == "us_cam1"}
    gain = found["firearm ap50"]
    assert (gain.old, gain.new) == (pytest.approx(0.0), pytest.approx(1.0))
    assert gain.low > 0.9
    assert found["firearm auroc"].old == pytest.approx(0.5)
    assert found["firearm auroc"].new == pytest.approx(1.0)


def test_a_detector_equals_itself(pictures: list[Picture]) -> None:
    for difference in compare(pictures, good(pictures), good(pictures)):
        assert (difference.low, difference.high) == (0.0, 0.0)


def test_one_group_gives_no_interval(pictures: list[Picture]) -> None:
    (armed,) = [p for p in pictures if p.group == "g1"]
    found = compare([armed], bad([armed]), good([armed]))
    assert all(np.isnan(d.low) for d in found)
    assert found[0].as_dict()["low"] is None


def test_readings_for_fixed_cameras(pictures: list[Picture]) -> None:
    """Boxes 4 of 10 pixels beside the thing: IoU 0.43, centre within; half of the boxes are false."""
    figures = report(pictures, bad(pictures), part="all", path="whole").subsets["us_cam1"]
    assert figures.firearm_ap50 == 0.0
    assert figures.firearm_small == 0.0
    assert figures.firearm_ap30 == figures.firearm_centre
    assert figures.firearm_ap30 is not None
    assert figures.firearm_ap30 >= 0.5
