"""Training of the chip classifier: it learns, goes on from where it stopped, and keeps what is whole."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.chip_sets import chips, few, two_layers
from tests.pictures import write_weights
from vedette_base.errors import ConfigError, DataError, InputError, OutputError
from vedette_vision.chips.cut import CHIP
from vedette_vision.chips.dataset import FALSE, FOUND, NO_WEAPON, TRUTH, Chips
from vedette_vision.chips.network import ARCHITECTURES, build, inference_network, start
from vedette_vision.chips.train import BEST, LAST, SETTINGS, balanced, load_checkpoint, start_file, train
from vedette_vision.imaging import network_input


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette_vision.chips.train.build", two_layers)


@pytest.mark.usefixtures("small")
def test_a_training_learns_what_tells_the_chips_apart(tmp_path: Path) -> None:
    data = chips(16)
    config = few(steps=60, batch=8, epoch_steps=60, learning_rate=0.05, average_decay=0.9, log_steps=10)
    assert train(data, data, config, tmp_path) == 1.0


@pytest.mark.usefixtures("small")
def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    data = chips(8)
    train(data, data, few(), tmp_path / "whole")
    train(data, data, few(), tmp_path / "broken", stop_after=1)
    train(data, data, few(), tmp_path / "broken", resume=True)
    ends = [load_checkpoint(tmp_path / name / LAST) for name in ("whole", "broken")]
    assert ends[0]["step"] == ends[1]["step"] == 2
    for name, value in ends[0]["network"].items():
        assert torch.allclose(value.float(), ends[1]["network"][name].float(), atol=1e-5), name
    notes = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [note["step"] for note in notes if "loss" in note] == [1, 2]


KILLED_IN_THE_SECOND_CHECKPOINT = """
import os, signal, sys
from pathlib import Path
import torch
from tests.chip_sets import chips, few, two_layers
from vedette_vision.chips import train as training
training.build = two_layers
torch.set_num_threads(int(sys.argv[2]))
whole, saved = torch.save, []
def save(state, file):
    saved.append(1)
    if len(saved) > 1:
        file.write(b"half a checkpoint")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(state, file)
torch.save = save
training.train(chips(8), chips(8), few(save_steps=1, epoch_steps=100), Path(sys.argv[1]))
"""


@pytest.mark.usefixtures("small")
def test_a_run_killed_while_it_writes_a_checkpoint_goes_on_from_the_one_before(tmp_path: Path) -> None:
    data, config = chips(8), few(save_steps=1, epoch_steps=100)
    train(data, data, config, tmp_path / "whole")
    run = tmp_path / "killed"
    threads = str(torch.get_num_threads())
    child = subprocess.run(
        [sys.executable, "-c", KILLED_IN_THE_SECOND_CHECKPOINT, str(run), threads],
        env={"PYTHONPATH": ":".join([str(Path(__file__).parents[1]), *sys.path]), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert list(run.glob("*.part"))
    assert load_checkpoint(run / LAST)["step"] == 1
    train(data, data, config, run, resume=True)
    ends = [load_checkpoint(tmp_path / name / LAST) for name in ("whole", "killed")]
    assert ends[0]["step"] == ends[1]["step"] == 2
    for name, value in ends[0]["network"].items():
        assert torch.allclose(value.float(), ends[1]["network"][name].float(), atol=1e-5), name


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Lets no file grow beyond so many bytes: a disk that is full as the system tells it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small")
def test_a_disk_that_fills_up_leaves_the_last_good_checkpoint(
    tmp_path: Path, small_files: Callable[[int], None]
) -> None:
    data = chips(8)
    train(data, data, few(), tmp_path, stop_after=1)
    small_files(2000)
    with pytest.raises(OutputError, match="cannot be written: File too large") as caught:
        train(data, data, few(), tmp_path, resume=True)
    assert "the checkpoint before is whole" in caught.value.hint
    assert not list(tmp_path.glob("*.part"))
    assert load_checkpoint(tmp_path / LAST)["step"] == 1


@pytest.mark.usefixtures("small")
def test_a_disk_without_room_for_two_checkpoints_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr("vedette_base.whole_files.shutil.disk_usage", lambda path: full)
    with pytest.raises(OutputError, match="0 MB are free"):
        train(chips(8), chips(8), few(), tmp_path)
    assert not (tmp_path / LAST).exists()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"architecture": "resnet50"}, "another architecture: 'yolo11n', not 'resnet50'"),
        ({"learning_rate": 0.5}, "another learning_rate: 0.001, not 0.5"),
    ],
)
def test_a_run_with_other_settings_is_not_gone_on_with(
    tmp_path: Path, changes: dict[str, object], named: str
) -> None:
    data = chips(8)
    train(data, data, few(), tmp_path, stop_after=1)
    with pytest.raises(ConfigError, match=named):
        train(data, data, few(**changes), tmp_path, resume=True)


@pytest.mark.usefixtures("small")
def test_a_run_on_other_chips_is_not_gone_on_with(tmp_path: Path) -> None:
    train(chips(8), chips(8), few(), tmp_path, stop_after=1)
    with pytest.raises(ConfigError, match="other chips"):
        train(chips(10), chips(8), few(), tmp_path, resume=True)


@pytest.mark.usefixtures("small")
def test_a_run_may_go_on_for_longer_than_it_began(tmp_path: Path) -> None:
    data = chips(8)
    train(data, data, few(), tmp_path)
    train(data, data, few(steps=3), tmp_path, resume=True)
    assert load_checkpoint(tmp_path / LAST)["step"] == 3
    assert json.loads((tmp_path / SETTINGS).read_text())["steps"] == 3


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not a checkpoint at all"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / BEST).write_bytes(content)
    with pytest.raises(DataError, match=r"best.ckpt: not a readable checkpoint"):
        load_checkpoint(tmp_path / BEST)


def test_a_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    for state in ({"outputs": ["knife"]}, {"labels": ["cat", "dog"]}, [1, 2]):
        torch.save(state, tmp_path / BEST)
        with pytest.raises(DataError, match="no chip classifier"):
            load_checkpoint(tmp_path / BEST)
    with pytest.raises(DataError, match="no checkpoint"):
        load_checkpoint(tmp_path / "none.ckpt")


def made(kind: list[int], subset: list[int]) -> Chips:
    rows = np.zeros(len(kind), np.int64)
    pixels = np.zeros((len(kind), 2, 2, 3), np.uint8)
    paired, chance = rows == 0, np.ones(len(kind), np.float32)
    return Chips(pixels, np.array(kind), paired, chance, rows, np.array(subset), ("g",), ("a", "b", "phones"))


def test_where_a_chip_is_from_says_nothing_about_what_it_shows() -> None:
    data = made(
        [TRUTH, TRUTH, TRUTH, FOUND, FALSE, FALSE, FALSE, FALSE, FALSE, NO_WEAPON],
        [0, 0, 0, 1, 0, 1, 1, 1, 1, 2],
    )
    (others, drawn), (weapons, even) = balanced(data)
    assert others.tolist() == [4, 5, 6, 7, 8, 9]
    assert weapons.tolist() == [0, 1, 2, 3]
    assert even.tolist() == [0.25] * 4
    phones = 1 / 6  # their share among the others; the rest as the weapons: three quarters from subset a
    assert drawn[-1] == pytest.approx(phones)
    assert drawn[0] == pytest.approx(0.75 * (1 - phones))
    assert drawn[1:5] == pytest.approx([0.25 * (1 - phones) / 4] * 4)


@pytest.mark.parametrize("kind", [[TRUTH, FOUND], [FALSE, NO_WEAPON]])
def test_chips_of_one_kind_alone_are_refused(kind: list[int]) -> None:
    with pytest.raises(DataError, match="nothing to tell apart"):
        balanced(made(kind, [0, 0]))


@pytest.mark.parametrize("architecture", ARCHITECTURES[:2])
def test_folding_the_norms_changes_no_answer(architecture: str) -> None:
    torch.manual_seed(0)
    network = build(architecture).eval()
    given = torch.from_numpy(network_input(list(chips(2).pixels[:, :CHIP, :CHIP])))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    with torch.no_grad():
        expected, found = torch.softmax(network(given), 1), inference_network(network)(given)
    assert torch.allclose(found, expected, atol=1e-4)
    assert found.sum(1) == pytest.approx(1.0)


def test_a_trunk_starts_with_what_the_detector_computes(tmp_path: Path) -> None:
    write_weights(tmp_path / "start.npz")
    given = torch.from_numpy(network_input(list(chips(6).pixels[:, :CHIP, :CHIP])))
    trunk = start(tmp_path / "start.npz", [given])
    from vedette_vision.network import build as build_detector
    from vedette_vision.network import load_folded, start_weights

    detector = build_detector()
    load_folded(detector, start_weights(tmp_path / "start.npz"))
    x = y = given
    with torch.no_grad():
        for layer, own in zip(detector.eval().model[:11], trunk.eval().model, strict=True):
            x, y = layer(x), own(y)
    assert torch.allclose(x, y, atol=1e-3 * float(x.abs().max()))


def test_start_weights_are_the_detectors_unless_others_are_named(tmp_path: Path) -> None:
    assert start_file(few(weights="none"), "vision") is None
    assert start_file(few(architecture="resnet18"), "vision") is None
    assert start_file(few(weights="own.npz"), "vision") == Path("own.npz")
    found = start_file(few(), "vision")
    assert found is not None
    assert (found / "card.json").is_file()
    with pytest.raises(ConfigError, match="resnet18 starts at random"):
        start_file(few(architecture="resnet18", weights="own.npz"), "vision")


def test_start_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no start weights"):
        train(chips(8), chips(8), few(), tmp_path / "run", weights=tmp_path / "none.npz")
