"""The mean of several detector runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pictures import RED_SQUARE, Shown, few, red_square, write_manifest, write_weights
from vedette_base.errors import ConfigError, DataError, OutputError
from vedette_vision.average import average_runs
from vedette_vision.labels import OUTPUTS
from vedette_vision.network import build
from vedette_vision.run_model import open_model
from vedette_vision.train import load_checkpoint, train


def checkpoint(file: Path, value: float, architecture: str = "yolo11n.yaml") -> Path:
    """A run's checkpoint in which every weight has one value."""
    average = build(architecture).state_dict()
    for tensor in average.values():
        tensor.fill_(value)
    file.parent.mkdir(exist_ok=True)
    torch.save(
        {"step": int(value), "outputs": list(OUTPUTS), "architecture": architecture, "average": average}, file
    )
    return file


def test_a_mean_weighs_runs_by_their_shares(tmp_path: Path) -> None:
    runs = [checkpoint(tmp_path / name / "last.ckpt", value).parent for name, value in (("a", 1), ("b", 4))]
    facts = average_runs(runs, tmp_path / "out", shares=[1.0, 2.0])
    assert [part["run"] for part in facts["averaged"]] == ["a", "b"]
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == facts
    for name, value in load_checkpoint(tmp_path / "out" / "best.ckpt")["average"].items():
        if value.dtype.is_floating_point:
            assert torch.allclose(value, torch.full_like(value, 3.0)), name
    alike = average_runs([run / "last.ckpt" for run in runs], tmp_path / "alike")
    assert [part["share"] for part in alike["averaged"]] == [0.5, 0.5]


def test_a_mean_of_a_run_with_itself_is_that_run_and_can_be_measured(tmp_path: Path) -> None:
    root, rng = tmp_path / "data" / "vision", np.random.default_rng(0)
    root.mkdir(parents=True)
    write_weights(root.parent / "start.npz", classes=80)
    shown = [
        Shown(f"{side}/images/{n}.jpg", "granada_armas", red_square(rng), [("pistol", *RED_SQUARE)])
        for n, side in enumerate(["train"] * 4 + ["val"])
    ]
    train(write_manifest(root, shown), few(weights="start.npz"), tmp_path / "run")
    average_runs([tmp_path / "run", tmp_path / "run"], tmp_path / "mean")
    own = load_checkpoint(tmp_path / "run" / "last.ckpt")["average"]
    for name, value in load_checkpoint(tmp_path / "mean" / "best.ckpt")["average"].items():
        assert torch.allclose(value.double(), own[name].double(), atol=1e-7), name
    assert open_model(tmp_path / "mean")[1] is not None


def test_what_has_no_mean_is_refused(tmp_path: Path) -> None:
    one = checkpoint(tmp_path / "a" / "last.ckpt", 1).parent
    with pytest.raises(ConfigError, match="at least two"):
        average_runs([one], tmp_path / "out")
    with pytest.raises(ConfigError, match="2 runs but 1 shares"):
        average_runs([one, one], tmp_path / "out", shares=[1.0])
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="above 0"):
            average_runs([one, one], tmp_path / "out", shares=[1.0, wrong])
    other = checkpoint(tmp_path / "p2" / "last.ckpt", 1, "yolo11n-p2").parent
    with pytest.raises(ConfigError, match="yolo11n-p2, not yolo11n"):
        average_runs([one, other], tmp_path / "out")
    with pytest.raises(DataError, match="no checkpoint"):
        average_runs([one, tmp_path / "nowhere"], tmp_path / "out")
    with pytest.raises(OutputError, match="holds a training"):
        average_runs([one, one], one)
    assert not (tmp_path / "out").exists()
