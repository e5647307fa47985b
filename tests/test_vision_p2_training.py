"""Every family through the same two commands: trained a few steps, judged from its run, exported or not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from tests.pictures import FEW, RED_SQUARE, Shown, red_square, write_manifest
from vedette.cli import app
from vedette_base.config import VisionConfig, VisionTrainConfig
from vedette_base.errors import BundleError, DataError, InputError
from vedette_vision.evaluate import evaluate
from vedette_vision.export import export, float_layers
from vedette_vision.network import build
from vedette_vision.run_model import CheckpointEngine, open_model
from vedette_vision.train import load_checkpoint, train

SHORT = {**FEW, "weights": "none", "epoch_steps": 1, "mosaic": 0.5}
SMALL = VisionConfig.model_validate({"still_size": 64, "closer_look": {"size": 64}})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of a red square and its open, ignored and certain labels."""
    rng, ignored = np.random.default_rng(0), ("ignore", 0.1, 0.1, 0.1, 0.1)
    shown = []
    for number, label in enumerate(["pistol", "gun", "pistol", "weapon"]):
        file = f"{'val' if number == 2 else 'train'}/images/{number}.jpg"
        boxes = [(label, *RED_SQUARE), ignored]
        shown.append(Shown(file, "granada_armas", red_square(rng), boxes))
    return write_manifest(tmp_path_factory.mktemp("data") / "vision", shown)


@pytest.mark.parametrize("architecture", ["yolo12n-p2", "yolo26n-p2"])
def test_a_family_trains_and_is_judged_from_its_run(
    pictures: Path, tmp_path: Path, architecture: str
) -> None:
    config = VisionTrainConfig.model_validate(SHORT | {"architecture": architecture})
    result = train(pictures, config, tmp_path)
    assert result.steps == 2
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    bundle, engines = open_model(tmp_path)
    assert bundle.card.architecture == architecture
    assert bundle.card.version in bundle.identity
    report = evaluate(pictures, bundle, engines=engines, config=SMALL)
    assert report.pictures == 1
    assert 0 <= report.subsets["granada_armas"].ap50["pistol"] <= 1


def test_faster_rcnn_goes_through_both_commands_and_its_export_is_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "rcnn.yaml"
    recipe.write_text(yaml.safe_dump({"train": SHORT | {"architecture": "fasterrcnn_resnet50", "steps": 1}}))
    runner, run = CliRunner(), tmp_path / "run"
    trained = runner.invoke(
        app, ["train", "vision", str(pictures), "--run", str(run), "--config", str(recipe)]
    )
    assert trained.exit_code == 0, trained.output
    # the command looks at 640 pixels: two passes of a large network, kept small here
    monkeypatch.setattr("vedette_vision.evaluate.VisionConfig", lambda: SMALL)
    whole = ["--part", "val", "--keep-twins", "--json"]
    judged = runner.invoke(app, ["evaluate", "vision", str(pictures), "--model", str(run), *whole])
    assert judged.exit_code == 0, judged.output
    assert json.loads(judged.stdout.splitlines()[-1])["pictures"] == 1
    with pytest.raises(DataError, match="fasterrcnn_resnet50 cannot be exported") as caught:
        export(run, pictures, tmp_path / "bundle")
    assert "--model" in caught.value.hint


def test_a_resumed_training_goes_on_with_the_schedule_of_its_loss(pictures: Path, tmp_path: Path) -> None:
    config = VisionTrainConfig.model_validate(
        SHORT | {"architecture": "yolov3-tiny", "loss": {"area_weight": 0.8, "centre": 1.0}}
    )
    train(pictures, config, tmp_path / "whole")
    train(pictures, config, tmp_path / "broken", stop_after=1)
    train(pictures, config, tmp_path / "broken", resume=True)
    whole, broken = (load_checkpoint(tmp_path / name / "last.ckpt") for name in ("whole", "broken"))
    for name, value in whole["network"].items():
        assert (value == broken["network"][name]).all(), name


def test_a_run_of_one_architecture_starts_another(
    pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    few = SHORT | {"steps": 1, "epoch_steps": 100}
    train(pictures, VisionTrainConfig.model_validate(few | {"architecture": "yolo11n"}), tmp_path / "plain")
    start = {"architecture": "yolo11n-p2", "weights": str(tmp_path / "plain" / "best.ckpt")}
    train(pictures, VisionTrainConfig.model_validate(few | start), tmp_path / "p2")
    assert "yolo11n-p2: 2,605,839 of" in caplog.text
    assert "layers that start at random: 19, 20, 22" in caplog.text


def test_no_cap_on_the_gradient_and_no_start_weights(pictures: Path, tmp_path: Path) -> None:
    """Nobody says where people are, so nothing is taught about them."""
    config = VisionTrainConfig.model_validate(
        SHORT | {"architecture": "yolov3-tiny", "clip_norm": 0.0, "steps": 1}
    )
    assert train(pictures, config, tmp_path).steps == 1
    assert not (tmp_path / "people.json").exists()


def test_what_is_neither_bundle_nor_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        open_model(tmp_path)


def test_a_run_is_an_engine_and_refuses_what_is_no_picture() -> None:
    engine = CheckpointEngine(build("yolov3-tiny"))
    assert engine.run(np.zeros((1, 3, 64, 96), np.float32))[0].shape == (1, 9, 6 * 4 + 3 * 2)
    assert "a training run" in engine.description
    with pytest.raises(InputError, match="batch must have shape"):
        engine.run(np.zeros((3, 64, 64), np.float32))


@pytest.mark.parametrize(("architecture", "head"), [("yolo11n", 23), ("yolo12n-p2", 27)])
def test_the_head_stays_in_floating_point_wherever_it_stands(architecture: str, head: int) -> None:
    floating = float_layers(build(architecture))

    def floats(name: str) -> bool:
        return any(re.fullmatch(pattern, f"__module.model.{name}") for pattern in floating)

    assert all(map(floats, (f"{head}/Sigmoid", f"{head}.dfl/conv", f"{head}.cv3.0.2/conv", "0.conv/conv")))
    assert not any(map(floats, ("1/conv", "10.conv/conv", f"{head}.cv3.0.0.0.conv/conv", f"{head - 1}/cv1")))
