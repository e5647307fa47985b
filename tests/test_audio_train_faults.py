"""Whatever stops a training, the last good checkpoint is there, and what cannot work is said in one line."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.sounds import HEAD, tiny, write_sound
from vedette_audio.checkpoint import need_room
from vedette_audio.train import train
from vedette_base.errors import ConfigError, DataError, InputError, OutputError

KILLED_IN_THE_SECOND_CHECKPOINT = """
import os, signal, sys
import torch
from vedette_audio.train import train
from vedette_base.config import AudioTrainConfig

whole, times = torch.save, 0

def save(state, file):
    global times
    times += 1
    if times == 2:
        file.write(b"half a checkpoint")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    whole(state, file)

torch.save = save
torch.set_num_threads(int(sys.argv[5]))  # sums of as many parts as the parent's: equal to the last bit
train(AudioTrainConfig.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3], cache=sys.argv[4])
"""


@pytest.fixture(scope="module")
def whole(manifest: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    return train(tiny(), manifest, tmp_path_factory.mktemp("runs") / "whole", cache=cache)


def same_weights(one: Path, two: Path) -> bool:
    first, second = (torch.load(run / "last.pt", weights_only=True)["student"] for run in (one, two))
    return all(torch.equal(second[name], value) for name, value in first.items())


def test_a_run_killed_while_it_writes_a_checkpoint_goes_on_from_the_one_before(
    manifest: Path, cache: Path, whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    arguments = [tiny().model_dump_json(), str(manifest), str(run), str(cache), str(torch.get_num_threads())]
    child = subprocess.run(
        [sys.executable, "-c", KILLED_IN_THE_SECOND_CHECKPOINT, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert (run / "last.pt.part").read_bytes() == b"half a checkpoint"
    assert torch.load(run / "last.pt", weights_only=True)["progress"]["epoch"] == 1
    again = train(tiny(), manifest, run, cache=cache)
    assert same_weights(again, whole)
    lines = [json.loads(line) for line in (again / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]  # the second, logged and undone, is there once


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Lets no file grow beyond so many bytes: a disk that is full as the system tells it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_leaves_the_last_good_checkpoint(
    manifest: Path, cache: Path, whole: Path, tmp_path: Path, small_files: Callable[[int], None]
) -> None:
    run = tmp_path / "run"
    with pytest.raises(OutputError, match=r"cannot be written: File too large") as caught:
        train(tiny(), manifest, run, cache=cache, log=lambda line: small_files(100_000))
    assert "\n" not in str(caught.value)
    assert "the checkpoint before is whole" in caught.value.hint
    assert not list(run.glob("*.part"))  # what could not be finished does not keep the disk full
    assert torch.load(run / "last.pt", weights_only=True)["progress"]["epoch"] == 1
    assert load_file(run / "best.safetensors")
    small_files(resource.RLIM_INFINITY)
    assert same_weights(train(tiny(), manifest, run, cache=cache), whole)


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting a small disk needs root")
def test_a_really_full_disk_is_said_in_one_line(manifest: Path, cache: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        with pytest.raises(OutputError, match="No space left on device"):
            train(tiny(), manifest, disk / "run", cache=cache, log=lambda line: fill(disk))
        assert torch.load(disk / "run" / "last.pt", weights_only=True)["progress"]["epoch"] == 1
        with pytest.raises(OutputError, match=r"checkpoints need \d+ MB and \d+ MB are free"):
            train(tiny(), manifest, disk / "another", cache=cache)
        assert not (disk / "another").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> None:
    with (disk / "full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(100_000))


def test_a_disk_without_room_for_two_checkpoints_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="checkpoints need"):
        need_room(tmp_path, 10**15, 10**14)


def refused(
    kind: type[InputError], manifest: Path, cache: Path, run: Path, **changes: Any
) -> tuple[str, str]:
    with pytest.raises(kind) as caught:
        train(tiny(**changes), manifest, run, cache=cache)
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.hint


def copy_of(run: Path, to: Path) -> Path:
    to.mkdir()
    for name in ("last.pt", "config.json"):
        (to / name).write_bytes((run / name).read_bytes())
    return to


def test_a_checkpoint_of_another_network_is_refused_though_the_settings_beside_it_agree(
    manifest: Path, cache: Path, whole: Path, tmp_path: Path
) -> None:
    run = copy_of(whole, tmp_path / "run")
    (run / "config.json").write_text(tiny(architecture="resnet10t").model_dump_json())
    message, hint = refused(ConfigError, manifest, cache, run, architecture="resnet10t")
    assert "another architecture: 'test_resnet', not 'resnet10t'" in message
    assert "another folder" in hint


def test_a_checkpoint_of_other_augmentation_names_the_line_that_differs(
    manifest: Path, cache: Path, whole: Path, tmp_path: Path
) -> None:
    run = copy_of(whole, tmp_path / "run")
    message, _ = refused(ConfigError, manifest, cache, run, augment={"mix": 0.0})
    assert "another augment: mix 0.7, not 0.0" in message


def test_a_checkpoint_of_other_clips_is_refused(
    manifest: Path, cache: Path, whole: Path, tmp_path: Path
) -> None:
    less = manifest.with_name("less.csv")
    less.write_text("\n".join(row for row in manifest.read_text().split("\n") if "rain/train0" not in row))
    message, _ = refused(ConfigError, less, cache, copy_of(whole, tmp_path / "run"))
    assert "holds a run on other training clips" in message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not a checkpoint at all"])
def test_a_damaged_checkpoint_is_refused(
    manifest: Path, cache: Path, whole: Path, tmp_path: Path, content: bytes
) -> None:
    run = copy_of(whole, tmp_path / "run")
    (run / "last.pt").write_bytes(content)
    message, hint = refused(ConfigError, manifest, cache, run)
    assert "last.pt: not a readable checkpoint" in message
    assert "--no-resume" in hint


def test_weights_of_another_architecture_are_refused(
    manifest: Path, cache: Path, whole: Path, tmp_path: Path
) -> None:
    changes = {"architecture": "resnet10t", "weights": str(whole)}
    message, hint = refused(ConfigError, manifest, cache, tmp_path / "run", **changes)
    assert "best.safetensors holds test_resnet, not resnet10t" in message
    assert "train.architecture" in hint
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("weights", ["nothing.safetensors", "last.pt"])
def test_weights_that_are_none_are_refused(
    manifest: Path, cache: Path, whole: Path, tmp_path: Path, weights: str
) -> None:
    message, _ = refused(ConfigError, manifest, cache, tmp_path / "run", weights=str(whole / weights))
    assert weights in message
    assert not (tmp_path / "run").exists()


ROW = "{path},set,x,{label},{fine},{group},{split},32000,1.0,\n"


def write_manifest(folder: Path, *changes: dict[str, str], rows: int = 4) -> Path:
    """Shots and other sounds by turns, of a recording each; ``changes`` to the last rows."""
    lines = []
    for i in range(rows):
        row = {"path": f"{i}.flac", "label": ("gunshot", "other")[i % 2], "split": "train", "group": f"g{i}"}
        row["fine"] = ("MP5", "rain")[i % 2]
        row |= changes[i] if i < len(changes) else {}
        write_sound(folder / f"{i}.flac", np.random.default_rng(i).standard_normal(16_000).astype("f4") / 9)
        lines.append(ROW.format(**row))
    (folder / "manifest.csv").write_text(HEAD + "".join(lines))
    return folder / "manifest.csv"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ([{"path": "gone.flac"}], "gone.flac"),
        ([{"label": "gunshoot"}], "label 'gunshoot' is not in the class list"),
        ([{"fine": "mp-5"}], "'mp-5' is not in the class list"),
        ([{"label": "other"}, {}, {"label": "other"}], "with and without shots"),
        ([{}, {"label": "gunshot"}, {}, {"label": "gunshot"}], "with and without shots"),
        ([{"split": "trian"}], "split 'trian'"),
        ([{"group": "g1", "split": "val"}], "both sides of the split"),
    ],
)
def test_a_manifest_that_cannot_be_trained_on_is_refused_and_leaves_nothing(
    tmp_path: Path, changes: list[dict[str, str]], part: str
) -> None:
    manifest = write_manifest(tmp_path, *changes)
    with pytest.raises(DataError) as caught:
        train(tiny(), manifest, tmp_path / "run")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "\n\n"])
def test_an_empty_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(DataError, match="lists no clips"):
        train(tiny(), tmp_path / "manifest.csv", tmp_path / "run")


def test_samples_that_are_no_numbers_are_refused_by_the_name_of_their_clip(tmp_path: Path) -> None:
    import scipy.io.wavfile

    manifest = write_manifest(tmp_path, {"path": "nan.wav"})
    sound = np.zeros(48_000, np.float32)
    sound[1000:1010] = np.nan
    scipy.io.wavfile.write(tmp_path / "nan.wav", 48_000, sound)
    with pytest.raises(DataError, match=r"nan.wav: holds samples that are not numbers"):
        train(tiny(), manifest, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_was_there_stays_when_its_training_is_refused(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, {"path": "gone.flac"})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(DataError):
        train(tiny(), manifest, tmp_path / "run")
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_clips_too_short_or_silent_are_trained_on(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, rows=6)
    write_sound(tmp_path / "0.flac", np.zeros(1600, np.float32))
    write_sound(tmp_path / "1.flac", np.zeros(32_000, np.float32))
    said: list[str] = []
    run = train(tiny(epochs=1), manifest, tmp_path / "run", tell=said.append)
    assert all(np.isfinite(v.numpy()).all() for v in load_file(run / "best.safetensors").values())
    assert said == []


def test_a_firearm_of_one_recording_is_named(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, {"fine": "AK-47"}, {}, {}, {}, {"group": "g2"}, rows=6)
    said: list[str] = []
    train(tiny(epochs=1), manifest, tmp_path / "run", tell=said.append)
    assert [line.split(":")[0] for line in said] == ["AK-47 has one recording", "MP5 has one recording"]
