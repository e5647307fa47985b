"""The chip classifier: what it is shown, how it learns, how it is measured, and its say on tracks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vedette_base.bundle import Bundle, Card
from vedette_base.config import ChipConfig, VisionConfig
from vedette_base.errors import BundleError, DataError
from vedette_base.score import ScoreBlock
from vedette_vision.chips.augment import augment
from vedette_vision.chips.cut import CHIP, LABELS, centre, cut_chip
from vedette_vision.chips.dataset import FALSE, FOUND, NO_WEAPON, STORED, TRUTH, Chips, chips_of, pair
from vedette_vision.chips.evaluate import evaluate, predict, roc, write_report
from vedette_vision.chips.export import export
from vedette_vision.chips.train import BEST, LAST, load_checkpoint, train
from vedette_vision.detector import ImageFrame, WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.labels import OUTPUTS
from vedette_vision.scorer import VisionScorer
from vedette_vision.verifier import ChipClassifier


def card(labels: tuple[str, ...]) -> Card:
    return Card(name="fake", task="vision", version="1", architecture="resnet18", labels=labels, licence="-")


class Opinion:
    """A classifier's engine that always says the same."""

    description = "an opinion"

    def __init__(self, chance: float) -> None:
        self.chance, self.shapes = chance, []

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        self.shapes.append(batch.shape)
        return (np.repeat(np.array([[1 - self.chance, self.chance]], np.float32), len(batch), axis=0),)


def classifier(engine: Opinion) -> ChipClassifier:
    return ChipClassifier(Bundle(Path("fake"), card(LABELS)), engine=engine)


def painted_detector() -> WeaponDetector:
    engine = PaintedEngine()
    return WeaponDetector(Bundle(Path("fake"), card(OUTPUTS)), engines=lambda size: engine)


def chips(count: int, seed: int = 0) -> Chips:
    """Weapons are bright, other things dark; the last two are boxes of a detector."""
    rng = np.random.default_rng(seed)
    kind = np.array([TRUTH, NO_WEAPON] * (count // 2) + [FOUND, FALSE])
    light = np.where(kind <= FOUND, 200, 40)[:, None, None, None]
    pixels = (light + rng.integers(0, 30, (len(kind), STORED, STORED, 3))).astype(np.uint8)
    rows = np.arange(len(kind))
    paired = rows < count
    return Chips(
        pixels,
        kind,
        paired,
        np.full(len(kind), 0.5, np.float32),
        rows % 4,
        rows % 2,
        tuple("abcd"),
        ("x", "y"),
    )


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
    root, lines = tmp_path / "vision", []
    for number, (label, colour) in enumerate(
        [("pistol", "pistol"), ("no_weapon", "no_weapon"), (None, "pistol")]
    ):
        image = np.full((200, 320, 3), 90, np.uint8)
        image[80:120, 100:160] = COLOURS[colour]
        (root / "val").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / f"val/{number}.png"), image)
        boxes = [[label, 130 / 320, 0.5, 60 / 320, 0.2]] if label else []
        entry = {"file": f"val/{number}.png", "subset": "val/street", "group": str(number), "boxes": boxes}
        lines.append(json.dumps(entry))
    (root / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return root


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


def settings(**changes: object) -> ChipConfig:
    plain = {"steps": 2, "batch": 4, "bf16": False, "epoch_steps": 2, "log_steps": 1, "warmup_steps": 1}
    return ChipConfig.model_validate(plain | changes)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of two layers instead of ResNet: these promises are the loop's."""

    def made(architecture: str) -> torch.nn.Module:
        layers = (
            torch.nn.Conv2d(3, 4, 7, 4, bias=False),
            torch.nn.BatchNorm2d(4),
            torch.nn.AdaptiveAvgPool2d(1),
        )
        return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(4, 2))

    monkeypatch.setattr("vedette_vision.chips.train.build", made)


@pytest.mark.usefixtures("small")
def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    data = chips(8)
    train(data, data, settings(), tmp_path / "whole")
    train(data, data, settings(), tmp_path / "broken", stop_after=1)
    train(data, data, settings(), tmp_path / "broken", resume=True)
    ends = [load_checkpoint(tmp_path / name / LAST) for name in ("whole", "broken")]
    assert ends[0]["step"] == ends[1]["step"] == 2
    for name, value in ends[0]["network"].items():
        assert torch.allclose(value.float(), ends[1]["network"][name].float(), atol=1e-5), name
    notes = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [note["step"] for note in notes if "loss" in note] == [1, 2]


@pytest.mark.usefixtures("small")
def test_a_run_of_another_architecture_is_not_gone_on_with(tmp_path: Path) -> None:
    data = chips(8)
    train(data, data, settings(steps=1, epoch_steps=1), tmp_path)
    with pytest.raises(DataError, match="resnet18"):
        train(data, data, settings(architecture="resnet50"), tmp_path, resume=True)


def test_an_exported_run_says_what_its_network_says(tmp_path: Path) -> None:
    data = chips(8)
    train(data, data, settings(steps=1, epoch_steps=1), tmp_path)
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
    assert {k: v["value"] for k, v in found["paired"].items()} == {
        "accuracy": 0.75, "recall": 0.75, "precision": 0.75, "auroc": 0.9375
    }  # fmt: skip
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


def run(engine: Opinion | None, threshold: float = 0.5) -> list[ScoreBlock]:
    """Four looks at a pistol that is carried along."""
    config = VisionConfig.model_validate({"verifier": {"threshold": threshold}})
    second = classifier(engine) if engine else None
    score = VisionScorer(None, config, detector=painted_detector(), classifier=second).fresh()
    blocks = []
    for i in range(4):
        image = np.full((360, 640, 3), 90, np.uint8)
        image[150:166, 100 + 10 * i : 124 + 10 * i] = COLOURS["pistol"]
        blocks += list(score.push(ImageFrame(image, time=0.2 * i, still=False)))
    return blocks


@pytest.mark.parametrize(
    ("chance", "threshold", "believed"), [(0.9, 0.5, True), (0.4, 0.5, False), (0.4, 0.3, True)]
)
def test_a_track_is_confirmed_only_if_the_classifier_agrees(
    chance: float, threshold: float, believed: bool
) -> None:
    engine = Opinion(chance)
    last = run(engine, threshold)[-1].tracks[0]
    assert last.looks == 4
    assert last.confirmed is believed
    assert engine.shapes == [(1, 3, CHIP, CHIP)] * 4


def test_without_a_verifier_nothing_changes() -> None:
    plain, agreed = run(None), run(Opinion(1.0))
    assert [b.tracks for b in plain] == [b.tracks for b in agreed]
    assert VisionConfig().verifier.model is None


def test_a_detector_is_no_chip_classifier() -> None:
    with pytest.raises(BundleError, match="no chip classifier"):
        ChipClassifier(Bundle(Path("fake"), card(OUTPUTS)), engine=Opinion(0.5))
