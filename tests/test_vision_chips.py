"""The chip classifier: what it is shown, how it learns, how it is measured, and its say on tracks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.chip_sets import chips, few
from tests.pictures import Shown, write_manifest
from vedette_base.bundle import Bundle, Card
from vedette_base.errors import DataError
from vedette_vision.chips.augment import augment
from vedette_vision.chips.cut import CHIP, centre, cut_chip
from vedette_vision.chips.dataset import FALSE, FOUND, NO_WEAPON, STORED, TRUTH, chips_of, pair
from vedette_vision.chips.evaluate import evaluate, predict, roc, write_report
from vedette_vision.chips.export import export
from vedette_vision.chips.train import BEST, train
from vedette_vision.detector import WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.labels import OUTPUTS
from vedette_vision.verifier import ChipClassifier


def card(labels: tuple[str, ...]) -> Card:
    return Card(name="fake", task="vision", version="1", architecture="resnet18", labels=labels, licence="-")


def painted_detector() -> WeaponDetector:
    engine = PaintedEngine()
    return WeaponDetector(Bundle(Path("fake"), card(OUTPUTS)), engines=lambda size: engine)


@pytest.mark.parametrize(
    "box", [(40, 30, 60, 50), (-5, -5, 3, 3), (90, 70, 99, 79), (0, 0, 100, 80), (5, 5, 5, 5)]
)
def test_a_chip_has_its_size_wherever_the_box_is(box: tuple[int, ...]) -> None:
    image = np.full((80, 100, 3), 90, np.uint8)
    for side in (CHIP, STORED):
        chip = cut_chip(image, box, side=side)
        assert chip.shape == (side, side, 3)
        assert (chip == 90).all()


def test_a_chip_shows_the_box_in_the_middle_and_half_as_much_again() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[80:120, 80:120] = 255
    for side in (CHIP, STORED):  # at the same scale, whatever the side
        inside = cut_chip(image, (80, 80, 120, 120), side=side)[side // 2, :, 0] > 127
        assert inside.sum() == pytest.approx(CHIP / 1.5, abs=2)
        assert inside[side // 2]


def test_the_middle_of_a_stored_chip_is_the_chip_itself() -> None:
    image = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8), (0, 0), 6
    )
    box = (70, 60, 126, 116)
    stored = centre(cut_chip(image, box, side=STORED)[None])[0].astype(int)
    assert np.abs(stored - cut_chip(image, box)).mean() < 3


def test_a_chip_of_a_huge_box_on_a_small_picture_costs_no_memory() -> None:
    assert cut_chip(np.zeros((2, 20000, 3), np.uint8), (0, 0, 20000, 2)).shape == (CHIP, CHIP, 3)


def test_augmented_chips_differ_and_repeat_with_the_seed() -> None:
    chip = chips(2).pixels[0]
    first, again, other = (augment(chip, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (CHIP, CHIP, 3)
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert (first != other).any()


def test_there_is_one_negative_per_weapon_look_alikes_first_then_the_surest_false_boxes() -> None:
    kind = np.array([TRUTH, TRUTH, TRUTH, NO_WEAPON, FALSE, FALSE, FALSE, FOUND])
    chance = np.array([1, 1, 1, 1, 0.1, 0.6, 0.3, 0.9], np.float32)
    subset = np.array([0, 0, 0, 1, 0, 0, 1, 0])
    assert pair(kind, chance, subset).tolist() == [True, True, True, True, True, True, False, False]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A labelled pistol, a labelled phone, and a street with a painted pistol that nobody labelled."""
    shown = []
    for number, (label, colour) in enumerate(
        [("pistol", "pistol"), ("no_weapon", "no_weapon"), (None, "pistol")]
    ):
        image = np.full((200, 320, 3), 90, np.uint8)
        image[80:120, 100:160] = COLOURS[colour]
        boxes = [(label, 130 / 320, 0.5, 60 / 320, 0.2)] if label else []
        shown.append(Shown(f"val/{number}.png", "street", image, boxes))
    return write_manifest(tmp_path / "vision", shown)


def test_chips_are_labelled_things_and_what_the_detector_makes_of_the_rest(
    pictures: Path, tmp_path: Path
) -> None:
    made = chips_of(pictures, "val", painted_detector(), tmp_path / "run", least_score=0.01)
    assert made.counts() == {"truth": 1, "found": 1, "no_weapon": 1, "false": 1, "paired": 2}
    assert [made.groups[i] for i in made.group] == ["0", "0", "1", "2"]
    assert made.weapon.tolist() == [True, True, False, False]


def test_chips_are_cut_once_and_then_read_back(pictures: Path, tmp_path: Path) -> None:
    first = chips_of(pictures, "val", painted_detector(), tmp_path / "run", least_score=0.01)
    (pictures / "val" / "0.png").unlink()
    again = chips_of(pictures, "val", painted_detector(), tmp_path / "run", least_score=0.01)
    assert (first.pixels == again.pixels).all()
    assert first.subsets == again.subsets == ("street",)


def test_a_damaged_chip_cache_is_named(pictures: Path, tmp_path: Path) -> None:
    chips_of(pictures, "val", painted_detector(), tmp_path / "run", least_score=0.01)
    (file,) = (tmp_path / "run").glob("*.npz")
    file.write_bytes(b"none of it")
    with pytest.raises(DataError, match=file.name):
        chips_of(pictures, "val", painted_detector(), tmp_path / "run", least_score=0.01)


@pytest.mark.parametrize("architecture", ["yolo11n", "resnet18"])
def test_an_exported_run_says_what_its_network_says(tmp_path: Path, architecture: str) -> None:
    data = chips(8)
    train(data, data, few(steps=1, epoch_steps=1, architecture=architecture), tmp_path)
    bundle = export(tmp_path, data, data, tmp_path / "bundle", precisions=("fp32",))
    assert bundle.card.parity["fp32"]["mean_difference"] < 0.001
    found = predict(ChipClassifier.load(str(bundle.folder), backend="openvino"), data)
    assert found.shape == (10,)
    assert ((found >= 0) & (found <= 1)).all()
    assert (tmp_path / BEST).is_file()


def test_figures_are_those_counted_by_hand(tmp_path: Path) -> None:
    data = chips(8)  # weapon, other, weapon, other ... then the detector's true box and false box
    chances = np.array([0.9, 0.1, 0.8, 0.6, 0.7, 0.2, 0.3, 0.1, 0.9, 0.4], np.float32)
    found = evaluate(data, chances)
    assert found["chips"] == {"weapons": 4, "others": 4}
    paired = found["paired"]
    assert {k: v["value"] for k, v in paired.items() if isinstance(v, dict)} == {
        "accuracy": 0.75, "recall": 0.75, "precision": 0.75, "auroc": 0.9375
    }  # fmt: skip
    assert (paired["weapons"], paired["others"], paired["groups"]) == (4, 4, 4)
    only_weapons = found["subsets"]["x"]
    assert (only_weapons["weapons"], only_weapons["others"]) == (4, 0)
    assert only_weapons["recall"]["value"] == 0.75
    assert only_weapons["auroc"] == {"value": None, "interval": [None, None]}
    assert found["boxes"]["after"][0] == {
        "threshold": 0.5,
        "recall_kept": 1.0,
        "false": 0,
        "false_share": 0.0,
    }
    write_report(tmp_path / "figures", data, chances, found)
    assert json.loads((tmp_path / "figures" / "chips.json").read_text()) == found
    assert cv2.imread(str(tmp_path / "figures" / "roc.png")) is not None


def test_equal_scores_are_one_point_of_the_curve() -> None:
    wrong, right = roc(np.array([0.5, 0.5, 0.2], np.float32), np.array([True, False, True]))
    assert wrong.tolist() == [0, 1, 1]
    assert right.tolist() == [0, 0.5, 1]
