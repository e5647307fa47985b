"""What a training is judged by, and what it starts from."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.pictures import Shown, few, write_manifest, write_weights
from vedette_base.config import VisionTrainConfig
from vedette_base.errors import DataError
from vedette_vision.dataset import Picture
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.judge import hold_out, look_figures, val_figures
from vedette_vision.labels import LABEL_IDS, PERSON
from vedette_vision.train import load_checkpoint, train

EMPTY = np.empty((0, 5), np.float32)


class Painted(torch.nn.Module):
    """Finds painted rectangles, as a network would."""

    def __init__(self, **settings: int) -> None:
        super().__init__()
        self.engine = PaintedEngine(**settings)

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor]:
        return (torch.from_numpy(self.engine.run(batch.numpy())[0]),)


@pytest.fixture
def camera(tmp_path: Path) -> Picture:
    """A painted person with a painted pistol, and its labels: the pistol of no known type."""
    image = np.full((240, 320, 3), 90, np.uint8)
    image[60:180, 150:190] = COLOURS["person"]
    image[100:112, 160:176] = COLOURS["pistol"]
    cv2.imwrite(str(tmp_path / "camera.png"), image)
    boxes = [[PERSON, 150, 60, 190, 180], [LABEL_IDS["weapon"], 160, 100, 176, 112]]
    labels = np.array(boxes, np.float32) / np.array([1, 320, 240, 320, 240], np.float32)
    return Picture(tmp_path / "camera.png", "cctv_gray", "c", labels)


def test_whole_cameras_are_held_out() -> None:
    pictures = [Picture(Path(f"{i}.jpg"), "cctv_gray", f"camera {i // 3}", EMPTY) for i in range(300)]
    pictures += [Picture(Path("n.jpg"), "cctv_gray", "gray_num", EMPTY)] * 50
    pictures += [Picture(Path("w.jpg"), "granada_armas", f"w{i}", EMPTY) for i in range(50)]
    own, held = hold_out(pictures, 0.2)
    assert not {p.group for p in own} & {p.group for p in held}
    assert {p.subset for p in held} == {"cctv_gray"}
    assert 30 <= len(held) <= 90
    assert "gray_num" not in {p.group for p in held}
    assert hold_out(pictures, 0.0)[1] == []


def test_a_weapon_of_any_type_is_found_as_a_weapon(camera: Picture) -> None:
    assert val_figures(Painted(), [camera], 320, bf16=False) == {"cctv_gray": pytest.approx(1.0)}


def test_an_enlarged_look_finds_what_is_too_small_in_the_whole(camera: Picture) -> None:
    blind = Painted(least_pixels=300)
    assert val_figures(blind, [camera], 320, bf16=False)["cctv_gray"] == 0.0
    assert look_figures(blind, [camera], bf16=False) == {"cctv_gray looks": pytest.approx(1.0)}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Camera and web pictures with labelled people, and a start checkpoint of our own classes."""
    root, rng = tmp_path_factory.mktemp("data") / "vision", np.random.default_rng(0)
    boxes = [("pistol", 50 / 120, 50 / 90, 0.5, 40 / 90), ("person", 0.5, 0.5, 0.6, 0.9)]
    pictures = []
    for number in range(8):
        image = rng.integers(60, 160, (90, 120, 3)).astype(np.uint8)
        image[30:70, 20:80] = 20
        file = f"{'train' if number < 6 else 'val'}/images/{number}.png"
        pictures.append(Shown(file, "cctv_gray" if number % 2 else "granada_armas", image, boxes))
    write_weights(root.parent / "coco.npz")
    return write_manifest(root, pictures)


def settings(**changes: object) -> VisionTrainConfig:
    looks = {"looks": 0.5, "look_size": 64, "look_batch": 2, "paste": 0.5}
    return few(**{"weights": "coco.npz", "people": "coco.npz"} | looks | changes)


def test_a_training_with_looks_resumes_where_it_stopped(scenes: Path, tmp_path: Path) -> None:
    train(scenes, settings(), tmp_path / "whole")
    train(scenes, settings(), tmp_path / "broken", stop_after=1)
    train(scenes, settings(), tmp_path / "broken", resume=True)
    whole, broken = (load_checkpoint(tmp_path / name / "last.ckpt") for name in ("whole", "broken"))
    for name, value in whole["network"].items():
        assert torch.equal(value, broken["network"][name]), name
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["val"].keys() == {"granada_armas", "cctv_gray", "cctv_gray looks"}


def test_a_training_starts_from_the_weights_of_another(scenes: Path, tmp_path: Path) -> None:
    train(scenes, settings(), tmp_path / "first")
    start = str(tmp_path / "first" / "best.ckpt")
    train(scenes, settings(weights=start, learning_rate=1e-12, steps=1), tmp_path / "second")
    first = load_checkpoint(tmp_path / "first" / "best.ckpt")["average"]
    second = load_checkpoint(tmp_path / "second" / "last.ckpt")["network"]
    for name, value in first.items():
        if name.endswith("conv.weight"):
            assert torch.allclose(value, second[name], atol=1e-9), name


def test_what_is_kept_may_hold_a_share_of_the_start(scenes: Path, tmp_path: Path) -> None:
    train(scenes, settings(), tmp_path / "first")
    start = str(tmp_path / "first" / "best.ckpt")
    train(scenes, settings(weights=start, learning_rate=0.1, blend=0.25), tmp_path / "second")
    begun = load_checkpoint(tmp_path / "first" / "best.ckpt")["average"]
    ended = load_checkpoint(tmp_path / "second" / "last.ckpt")["average"]
    kept = load_checkpoint(tmp_path / "second" / "best.ckpt")["average"]
    name = "model.0.conv.weight"
    assert not torch.allclose(begun[name], ended[name], atol=1e-4)
    assert torch.allclose(kept[name], 0.75 * ended[name] + 0.25 * begun[name], atol=1e-5)


def test_a_share_of_foreign_weights_is_refused(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="blend mixes"):
        train(scenes, settings(blend=0.5), tmp_path)
