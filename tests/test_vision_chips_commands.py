"""`vedette train|export|evaluate chips` as a user types them, from pictures to a second opinion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.commands import Command
from tests.pictures import RED_SQUARE, Shown, red_square, write_manifest
from vedette_vision.chips.cut import CHIP
from vedette_vision.verifier import ChipClassifier

TINY = "{steps: 2, batch: 4, bf16: false, epoch_steps: 2, log_steps: 1, warmup_steps: 1}"


@pytest.fixture
def vedette(vedette: Command) -> Command:
    """In a folder with eight pictures of pistols and telephones, so to say, and settings of two steps."""
    rng = np.random.default_rng(0)
    shown = [
        Shown(f"{side}/{n}.jpg", "street", red_square(rng), [(label, *RED_SQUARE)])
        for side in ("train", "val")
        for n, label in enumerate(["pistol", "no_weapon"] * 2)
    ]
    numbered = [s._replace(group=f"{i}") for i, s in enumerate(shown)]
    write_manifest(vedette.folder / "vision", numbered)
    (vedette.folder / "tiny.yaml").write_text(f"chips: {TINY}\n")
    return vedette


def test_from_pictures_to_a_bundle_and_its_figures(vedette: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PARITY_ACCURACY", "PARITY_SCORE"):  # after two steps all chips are near one half
        monkeypatch.setattr(f"vedette_vision.chips.export.{name}", 1.0)
    options = ("--run", "run", "--config", "tiny.yaml")
    done = vedette("train", "chips", "vision", *options)
    assert done.code == 0, done.err
    assert "next: vedette export chips vision" in done.err
    run = vedette.folder / "run"
    assert {path.name for path in run.iterdir() if path.suffix != ".npz"} == {
        "best.ckpt", "last.ckpt", "config.json", "log.jsonl",
    }  # fmt: skip
    again = vedette("train", "chips", "vision", *options)
    assert again.code == 0, again.err  # it is finished

    done = vedette("export", "chips", "vision", *options, "--out", "bundle")
    assert done.code == 0, done.err
    card = json.loads((vedette.folder / "bundle" / "card.json").read_text())
    assert card["architecture"] == "yolo11n"
    assert card["labels"] == ["no_weapon", "weapon"]
    found = ChipClassifier.load(str(vedette.folder / "bundle")).weapon([np.zeros((CHIP, CHIP, 3), np.uint8)])
    assert 0 <= found[0] <= 1

    done = vedette(
        "evaluate", "chips", "vision", "--model", "bundle", "--cache", "run", "--out", "figures"
    )  # fmt: skip
    assert done.code == 0, done.err
    figures = json.loads(done.out)
    assert figures["chips"] == {"weapons": 2, "others": 2}
    assert figures["subsets"]["street"]["weapons"] == 2
    assert (vedette.folder / "figures" / "roc.png").read_bytes()[:4] == b"\x89PNG"


def test_settings_that_a_run_was_not_begun_with_are_refused(vedette: Command) -> None:
    assert vedette("train", "chips", "vision", "--run", "run", "--config", "tiny.yaml").code == 0
    done = vedette(
        "train", "chips", "vision", "--run", "run", "--config", "tiny.yaml", "--architecture", "resnet18"
    )
    assert done.code == 2
    assert "run holds a run with another architecture: 'yolo11n', not 'resnet18'" in done.said[0]
    assert "--no-resume" in done.hints[0]


def test_a_detector_in_place_of_a_chip_classifier_is_refused(vedette: Command, root: Path) -> None:
    shutil.copytree(root / "data" / "models" / "vision", vedette.folder / "detector")
    done = vedette("evaluate", "chips", "vision", "--model", "detector")
    assert done.code != 0
    assert "no chip classifier" in done.said[0]


def test_exporting_what_was_never_trained_is_refused(vedette: Command) -> None:
    done = vedette("export", "chips", "vision", "--run", "run", "--config", "tiny.yaml")
    assert done.code == 2
    assert "no checkpoint at" in done.said[0]
