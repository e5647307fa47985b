"""The other commands: doctor, classify, detect, demo, version, and training without what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vedette as package
from tests.commands import Command, clip
from tests.media import Sound, noise, silence, tone, write_media, write_still, write_wav_float
from vedette_base.score import FIREARMS, VISION_LABELS

TRAINING = ("torch", "timm", "ultralytics", "nncf")


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra `train` were not installed."""
    for name in TRAINING:
        monkeypatch.setitem(sys.modules, name, None)


def test_the_version_is_one_line(vedette: Command) -> None:
    result = vedette("--version")
    assert (result.code, result.out, result.err) == (0, f"vedette {package.__version__}\n", "")


COMMANDS = ("", "analyze", "classify", "detect", "doctor", "demo", "train audio", "export vision")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(vedette: Command, command: str) -> None:
    result = vedette(*command.split(), "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: {' '.join(['vedette', *command.split()])} ")


@pytest.mark.parametrize("arguments", [
    ["train", "audio", "m.csv"], ["train", "vision", "d"], ["export", "audio", "m.csv"],
    ["export", "vision", "d"], ["evaluate", "audio", "m.csv"], ["evaluate", "vision", "d"],
])  # fmt: skip
@pytest.mark.usefixtures("no_training")
def test_training_says_what_it_needs(vedette: Command, arguments: list[str]) -> None:
    result = vedette(*arguments)
    assert result.code == 1
    assert result.said == ["this needs torch, timm, ultralytics, nncf, which recorded footage does not"]
    assert result.hints == ["hint: pip install 'vedette[train]'"]


@pytest.mark.usefixtures("no_training")
def test_recorded_footage_needs_none_of_it(vedette: Command, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4")
    assert vedette("analyze", "clip.mp4").code == 0
    refused = vedette("analyze", "clip.mp4", "--backend", "torch", "--no-resume")
    assert (refused.code, len(refused.said), len(refused.hints)) == (1, 1, 1)


@pytest.mark.parametrize("arguments", [
    ["train", "audio", "gone.csv"], ["train", "vision", "gone"], ["export", "audio", "gone.csv"],
    ["export", "vision", "gone"], ["evaluate", "audio", "gone.csv"], ["evaluate", "vision", "gone"],
    ["train", "audio", "gone.csv", "--config", "gone.yaml"],
])  # fmt: skip
def test_missing_data_is_one_line(vedette: Command, arguments: list[str]) -> None:
    result = vedette(*arguments)
    assert result.code in (1, 2)
    assert len(result.said) == 1


def test_classify_gives_a_line_of_json_per_clip_and_names_the_rest(vedette: Command, tmp_path: Path) -> None:
    write_media(tmp_path / "phone.wav", sound=Sound(tone(400, 1, rate=8000), rate=8000, codec="pcm_mulaw"))
    write_media(tmp_path / "short.wav", sound=Sound(noise(0.02), codec="pcm_s16le"))
    write_media(tmp_path / "mute.wav", sound=Sound(silence(1), codec="pcm_s16le"))
    write_wav_float(tmp_path / "nan.wav", np.full(9000, np.nan, np.float32))
    write_still(tmp_path / "picture.png")
    names = ["phone.wav", "mute.wav", "nan.wav", "picture.png", "gone.wav", "short.wav"]
    result = vedette("classify", *names, "--format", "json")
    assert result.code == 1
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["path"] for line in lines] == ["phone.wav", "short.wav"]
    assert all(0 <= line["gunshot"] <= 1 and set(line["types"]) == set(FIREARMS) for line in lines)
    assert result.said == [
        "mute.wav: its sound is digital silence",  # a dead microphone is not a clip without a shot
        "nan.wav: its sound is digital silence (9000 sound samples that are no numbers, set to zero)",
        "picture.png: holds no sound",
        "gone.wav: no such file",
    ]


def test_detect_gives_a_line_of_json_per_picture_and_names_the_rest(vedette: Command, tmp_path: Path) -> None:
    write_still(tmp_path / "picture.jpg", orientation=6)
    clip(tmp_path / "video.mp4")
    write_media(tmp_path / "sound.wav", sound=Sound(noise(0.1), codec="pcm_s16le"))
    result = vedette("detect", "picture.jpg", "sound.wav", "video.mp4", "--min-probability", "0")
    assert result.code == 1
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["path"] for line in lines] == ["picture.jpg", *["video.mp4"] * (len(lines) - 1)]
    assert {box["label"] for line in lines for box in line["detections"]} <= {*VISION_LABELS, "person"}
    assert result.said == ["sound.wav: holds no picture"]


@pytest.mark.parametrize(("command", "model"), [("classify", "vision"), ("detect", "audio"),
                                                ("classify", "gone"), ("detect", ".")])  # fmt: skip
def test_a_model_of_the_wrong_kind_is_refused(vedette: Command, command: str, model: str) -> None:
    result = vedette(command, "file", "--model", model)
    assert (result.code, len(result.said), len(result.hints)) == (1, 1, 1)


def test_the_doctor_finds_this_machine_able(vedette: Command) -> None:
    result = vedette("doctor", "--format", "json")
    found = json.loads(result.out)
    assert (result.code, found["healthy"]) == (0, True)
    assert {bundle["task"] for bundle in found["bundles"]} == {"audio", "vision"}
    shown = vedette("doctor")
    assert (shown.code, shown.out.splitlines()[-1]) == (0, "Ready.")


def test_a_demo_that_cannot_be_written_is_one_line(vedette: Command) -> None:
    result = vedette("demo", "no/such/folder.mp4")
    assert (result.code, len(result.said)) == (1, 1)


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_needs_no_model_loads_none(option: str) -> None:
    code = (
        "import sys; from vedette.cli import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'av', 'cv2', 'openvino', 'librosa'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
