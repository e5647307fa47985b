"""The P2 study's tables, thresholds and near-duplicates on pictures whose figures are worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.picture_sources import scene, write_picture
from vedette_base.errors import InputError
from vedette_base.score import VISION_LABELS
from vedette_vision.compare import figures
from vedette_vision.dataset import Picture, load_pictures
from vedette_vision.detector import Look
from vedette_vision.evaluate import class_matches
from vedette_vision.held_out import twins_in_training
from vedette_vision.labels import LABEL_IDS
from vedette_vision.metrics import Counts, match
from vedette_vision.operating import advise, empty_frames, firearm_finding, threshold_for_recall
from vedette_vision.study import Row, Study, study
from vedette_vision.study_pictures import draw_study

HERE, THERE, AWAY = [0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.6], [0.8, 0.8, 0.9, 0.9]
KNIFE, PISTOL, GUN = LABEL_IDS["knife"], LABEL_IDS["pistol"], LABEL_IDS["gun"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 200 x 100 pixels: a box of a tenth of each side is 20 x 10 pixels."""
    path = tmp_path_factory.mktemp("pictures") / "a.png"
    cv2.imwrite(str(path), np.zeros((100, 200, 3), np.uint8))
    return path


def picture(file: Path, subset: str, group: str, *labels: tuple[int, list[float]]) -> Picture:
    rows = np.array([[kind, *box] for kind, box in labels], np.float32).reshape(-1, 5)
    return Picture(file, subset, group, rows)


def look(*found: tuple[int, list[float], float]) -> Look:
    if not found:
        return Look.empty()
    kinds, boxes, scores = zip(*found, strict=True)
    return Look(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(kinds))


@pytest.fixture
def case(file: Path) -> tuple[list[Picture], list[Look]]:
    """Three true pistols and a true knife; see ``test_the_study_counts_by_hand``."""
    pictures = [
        picture(file, "us_cam1", "a", (PISTOL, HERE), (PISTOL, THERE)),
        picture(file, "us_cam1", "b"),
        picture(file, "knife", "c", (KNIFE, HERE)),
        picture(file, "us_cam1", "d", (PISTOL, HERE)),
    ]
    looks = [
        look((PISTOL, HERE, 0.95), (PISTOL, AWAY, 0.6), (PISTOL, THERE, 0.1)),
        look((PISTOL, AWAY, 0.3)),
        look((KNIFE, HERE, 0.5), (KNIFE, AWAY, 0.05)),
        look((PISTOL, HERE, 0.3)),
    ]
    return pictures, looks


def rows(part: Study) -> dict[str, Row]:
    return {row.name: row for row in part.rows}


def test_the_study_counts_by_hand(case: tuple[list[Picture], list[Look]]) -> None:
    whole, knives, camera = study(*case, confidence=0.25)
    assert [part.subset for part in (whole, knives, camera)] == ["all", "knife", "us_cam1"]
    pistol = rows(whole)["pistol"]
    assert (pistol.true, pistol.boxes, pistol.counts) == (3, 4, Counts(right=2, false=2, missed=1))
    assert pistol.counts.precision == 0.5
    assert pistol.counts.recall == pytest.approx(2 / 3)
    assert pistol.counts.f1 == pytest.approx(4 / 7)
    assert pistol.mean_confidence == pytest.approx((0.95 + 0.6 + 0.3 + 0.3) / 4)
    overall = rows(whole)["overall"]
    assert overall.counts == Counts(right=3, false=2, missed=1)
    assert overall.false_share == pytest.approx(0.4)
    assert overall.false_confidence == pytest.approx(0.45)
    assert set(rows(knives)) == {"knife", "overall"}
    assert math.isnan(rows(knives)["knife"].false_confidence)
    assert rows(knives)["knife"].as_dict()["mean_confidence_of_false"] is None


def test_bands_hold_every_box_once_and_their_lower_edge(case: tuple[list[Picture], list[Look]]) -> None:
    whole = study(*case)[0]
    assert [(b.boxes, b.right) for b in whole.bands] == [
        (1, 0), (1, 1), (0, 0), (2, 1), (0, 0), (1, 1), (1, 0), (0, 0), (0, 0), (1, 1)
    ]  # fmt: skip
    assert whole.bands[3].mean == pytest.approx(0.3)
    assert whole.as_dict()["bands"][2]["mean_confidence"] is None


def test_a_gun_of_open_type_is_a_firearm_and_no_false_pistol(file: Path) -> None:
    part = study([picture(file, "x", "a", (GUN, HERE))], [look((PISTOL, HERE, 0.9))])[0]
    assert set(rows(part)) == {"overall", "firearm"}
    assert rows(part)["firearm"].counts == Counts(1, 0, 0)
    assert rows(part)["overall"].counts == Counts(0, 0, 0)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_a_confidence_outside_0_to_1_is_refused(confidence: float) -> None:
    with pytest.raises(InputError, match=r"within 0\.\.1"):
        study([], [], confidence)


def test_the_curve_has_a_point_per_score_that_occurs() -> None:
    boxes = np.array([HERE, AWAY, THERE], np.float32)
    found = match([(boxes, np.array([0.5, 0.5, 0.2], np.float32))], [np.array([HERE, THERE], np.float32)])
    thresholds, precision, recall = found.curve()
    np.testing.assert_allclose(thresholds, [0.5, 0.2])
    np.testing.assert_allclose(precision, [0.5, 2 / 3])
    np.testing.assert_allclose(recall, [0.5, 1.0])
    assert threshold_for_recall(found, 0.5) == 0.5
    assert threshold_for_recall(found, 0.8) == pytest.approx(0.2)


def test_nothing_found_has_an_empty_curve_and_no_threshold() -> None:
    found = match([(np.empty((0, 4), np.float32), np.empty(0, np.float32))], [np.array([HERE], np.float32)])
    assert [len(values) for values in found.curve()] == [0, 0, 0]
    assert threshold_for_recall(found, 0.1) is None
    assert found.at(0.5) == Counts(0, 0, 1)
    assert math.isnan(found.at(0.5).precision)


def test_false_boxes_are_counted_at_the_threshold_of_the_wanted_recall(
    case: tuple[list[Picture], list[Look]],
) -> None:
    half = empty_frames(*case, "us_cam1", "ap30", 0.5)
    assert half.threshold == pytest.approx(0.3)
    assert (half.boxes, half.frames) == (1, 1)
    assert half.per_1000 == 1000
    few = empty_frames(*case, "us_cam1", "centre", 0.3)
    assert few.threshold == pytest.approx(0.95)
    assert few.boxes == 0


def test_a_recall_that_is_never_reached_has_no_rate(case: tuple[list[Picture], list[Look]]) -> None:
    pictures, looks = case
    blind = [look(), *looks[1:]]
    found = empty_frames(pictures, blind, "us_cam1", "ap30", 0.8)
    assert (found.threshold, found.boxes) == (None, None)
    assert found.highest == pytest.approx(1 / 3)
    assert found.as_dict()["per_1000"] is None


def test_advice_is_the_lowest_threshold_that_gives_what_is_wanted(
    case: tuple[list[Picture], list[Look]],
) -> None:
    given = {(a.name, a.wanted, a.goal): a for a in advise(*case)}
    half = given["pistol", "precision", 0.5]
    assert half.threshold == pytest.approx(0.1)
    assert half.recall == 1.0  # 3 of 5 are right there
    assert half.precision == pytest.approx(0.6)
    assert half.false_per_1000 == 500  # one of the two pictures without a pistol
    sure = given["pistol", "precision", 0.9]
    assert sure.threshold == pytest.approx(0.95)
    assert sure.recall == pytest.approx(1 / 3)
    quiet = given["pistol", "false pictures per 1,000", 10.0]
    assert quiet.threshold == pytest.approx(0.6)
    assert ("long_gun", "precision", 0.5) not in given


def test_firearms_at_a_looser_overlap(file: Path) -> None:
    """Shifted by 0.04 of 0.1: IoU 0.43."""
    beside = [0.14, 0.1, 0.24, 0.2]
    pictures = [picture(file, "x", "a", (PISTOL, HERE)), picture(file, "x", "b", (PISTOL, HERE))]
    found = firearm_finding("x", pictures, [look((PISTOL, beside, 0.8)), look((PISTOL, AWAY, 0.5))], 0.25)
    assert found.stated == Counts(1, 1, 1)
    assert found.threshold == pytest.approx(0.8)
    assert found.best == Counts(1, 0, 1)
    assert found.as_dict()["precision_at_recall_0.9"] is None


def test_map50_95_and_ap_of_small_things_by_hand(file: Path) -> None:
    """IoU 0.82 / 1.18 = 0.695 of the one box is right at 0.5, 0.55, 0.6 and 0.65: four of ten."""
    beside = [0.118, 0.1, 0.218, 0.2]
    large = [0.2, 0.2, 0.9, 0.9]
    pictures = [picture(file, "x", "a", (KNIFE, HERE)), picture(file, "x", "b", (PISTOL, large))]
    looks = [look((KNIFE, beside, 0.9)), look((PISTOL, large, 0.9))]
    found = {f.figure: f for f in figures(pictures, looks, resamples=20) if f.subset == "all"}
    assert found["map50"].value == 1.0
    assert found["map50-95"].value == pytest.approx((0.4 + 1.0) / 2)
    assert found["ap-small"].value == pytest.approx(0.4)  # the pistol is large
    assert "firearm small" not in found
    assert class_matches(pictures, looks, VISION_LABELS[PISTOL], small=True).truths.sum() == 0


def test_intervals_are_over_groups(case: tuple[list[Picture], list[Look]]) -> None:
    found = {(f.subset, f.figure): f for f in figures(*case)}
    pistol = found["us_cam1", "ap50 pistol"]
    assert pistol.low <= pistol.value <= pistol.high
    assert pistol.low < pistol.high
    assert math.isnan(found["knife", "ap50 knife"].low)  # one group
    assert found["knife", "ap50 knife"].as_dict()["low"] is None


def test_a_picture_that_was_taught_under_another_name_is_found(tmp_path: Path) -> None:
    lines = []
    for name, image in (
        ("train/1.jpg", scene(1)), ("train/2.jpg", scene(2)),
        ("val/3.jpg", scene(3)), ("val/4.png", scene(2)),
        ("val/5.jpg", scene(1)[:, ::-1].copy()), ("val/6.jpg", scene(2)),
    ):  # fmt: skip
        write_picture(tmp_path / name, image)
        split = name.partition("/")[0]
        lines.append({"file": name, "subset": f"{split}/knife", "group": name, "boxes": []})
    lines.append({"file": "train/gone.jpg", "subset": "train/knife", "group": "g", "boxes": []})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert twins_in_training(tmp_path, load_pictures(tmp_path, "val")) == (1, 2, 3)


def test_pictures_of_a_study_are_drawn(case: tuple[list[Picture], list[Look]], tmp_path: Path) -> None:
    pictures, looks = case
    both, found = {"a": looks, "b": looks}, study(pictures, looks)
    drawn = draw_study(pictures, both, {"a": found, "b": found}, tmp_path)
    assert [name for name, _ in drawn] == [
        "precision_recall.png", "firearms.png", "confidence.png", "confidence_subsets.png", "overall.png",
        "classes.png",
    ]  # fmt: skip
    for name, caption in drawn:
        image = cv2.imread(str(tmp_path / name))
        assert image is not None
        assert image.std() > 5
        assert caption
