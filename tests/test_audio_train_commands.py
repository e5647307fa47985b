"""`vedette train audio` and `vedette train soup` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import Command
from vedette.training_display import TrainingDisplay

TINY = (
    "{architecture: test_resnet, epochs: 2, crops: 8, batch: 4, chunk: 0.5, evaluate_every: 1, bf16: false}"
)


@pytest.fixture
def vedette(vedette: Command, tmp_path: Path) -> Command:
    (tmp_path / "tiny.yaml").write_text(f"train: {TINY}\n")
    return vedette


def test_a_training_prints_a_line_of_json_per_epoch_and_draws_its_curves(
    vedette: Command, manifest: Path
) -> None:
    done = vedette("train", "audio", manifest, "--run", "run", "--config", "tiny.yaml")
    assert done.code == 0, done.err
    assert [json.loads(line)["epoch"] for line in done.out.splitlines()] == [1, 2]
    run = vedette.folder / "run"
    assert (run / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert {path.name for path in run.iterdir()} == {
        "best.json", "best.safetensors", "cache", "config.json", "curves.png", "last.pt", "log.jsonl",
    }  # fmt: skip
    again = vedette("train", "audio", manifest, "--run", "run", "--config", "tiny.yaml")
    assert (again.code, again.out) == (0, "")  # it is finished
    other = vedette(
        "train", "audio", manifest, "--run", "other", "--config", "tiny.yaml", "--weights", "run",
        "--cache", "run/cache",
    )  # fmt: skip
    assert other.code == 0, other.err
    soup = vedette("train", "soup", manifest, "run", "other", "--out", "soup", "--cache", "run/cache")
    assert soup.code == 0, soup.err
    assert json.loads(soup.out)["soup"]
    assert len(soup.said) == 2


def test_a_cross_validation_prints_its_figures_last(vedette: Command, manifest: Path) -> None:
    options = ("--run", "cv", "--config", "tiny.yaml", "--folds", 2, "--folds-kind", "random")
    done = vedette("train", "audio", manifest, *options)
    assert done.code == 0, done.err
    figures = json.loads(done.out.splitlines()[-1])
    assert (figures["kind"], figures["folds"], figures["clips"]) == ("random", 2, 30)
    assert [json.loads(line)["fold"] for line in done.out.splitlines()[:-1]] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--folds", 1), "folds must be 0"),
        (("--fold", 2), "fold must be below folds 0, got 2"),
        (("--folds", 500), "--folds: "),
        (("--weights", "nowhere"), "nowhere: no such file"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(
    vedette: Command, manifest: Path, options: tuple[object, ...], part: str
) -> None:
    done = vedette("train", "audio", manifest, "--run", "run", "--config", "tiny.yaml", *options)
    assert done.code == 2
    assert len(done.said) == 1
    assert part in done.said[0]
    assert not (vedette.folder / "run").exists()


def test_on_a_terminal_there_is_a_bar_with_the_time_left(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with TrainingDisplay() as display:
        display.on_step(0.5, 3, 1.25)
        display._progress.refresh()
        display.log({"epoch": 3, "loss": {"shot": 1.0}})
    out, err = capfd.readouterr()
    assert "epoch 3" in err
    assert "50%" in err
    assert "left" in err
    assert json.loads(out)["epoch"] == 3  # stdout is no terminal


def test_without_a_terminal_there_is_no_bar(capfd: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay() as display:
        display.on_step(0.5, 3, 1.25)
    assert capfd.readouterr() == ("", "")
