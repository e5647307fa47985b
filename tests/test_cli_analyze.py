"""`vedette analyze` on real files with the shipped models: what is written, what is said, how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.media import Sound, Video, noise, silence, tone, truncate, write_media, write_wav_float
from vedette import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Call the command in this process: its exit code, what went to stdout, what to stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vedette", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 0 if exit_.code is None else 1
        out, err = capfd.readouterr()
        return code, out, err

    return call


def clip(path: Path, seconds: float = 2.0) -> Path:
    video = Video(seconds=seconds, width=160, height=96)
    return write_media(path, video=video, sound=Sound(noise(seconds, level=0.01)))


def refused(result: tuple[int, str, str]) -> str:
    """The one line of a refusal: no traceback, exit code 1 or 2."""
    code, _, err = result
    assert code in (1, 2)
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("vedette: ")]
    assert lines
    return lines[0]


def test_everything_promised_is_written(run: Run, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4")
    code, out, _ = run("analyze", "clip.mp4")
    assert code == 0
    folder = tmp_path / "vedette-out" / "clip"
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "events.json",
        "events.csv",
        "labels-audacity.txt",
        "labels-raven.txt",
        "timeline.npz",
        "report.html",
        "manifest.json",
    }
    events = json.loads((folder / "events.json").read_text())
    assert events["schema"] == 1
    assert events["complete"] is True
    assert events["coverage"]["audio"][0][1] == pytest.approx(2.0, abs=0.1)
    assert events["coverage"]["vision"][0][1] == pytest.approx(2.0, abs=0.3)
    assert "report.html" in out


def test_json_lines_go_to_stdout_and_nothing_else_does(run: Run, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4")
    code, out, _ = run("analyze", "clip.mp4", "--format", "json")
    assert code == 0
    assert json.loads(out)["source"]["path"] == "clip.mp4"


def test_a_folder_with_bad_files_names_each_and_does_the_rest(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    clip(folder / "good.mp4")
    (folder / "empty.mp4").touch()
    (folder / "words.mp4").write_text("these are words, not a recording " * 50)
    truncate(clip(folder / "cut.mp4"), 0.4)
    code, out, err = run("analyze", "in", "--out", "res")
    assert code == 1
    for name in ("empty.mp4", "words.mp4", "cut.mp4"):
        assert name in err
    assert (tmp_path / "res" / "good" / "events.json").exists()
    assert "good" in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.mp4"], "gone.mp4"),
        (["clip.mp4", "--model", "nowhere"], "nowhere"),
        (["clip.mp4", "--recorded-at", "yesterday"], "recorded-at"),
        (["clip.mp4", "--recorded-at", "2026-05-01T14:00:00"], "zone"),
        (["clip.mp4", "--start", "5", "--end", "2"], "end"),
        (["clip.mp4", "--start", "50"], "50"),
        (["clip.mp4", "--audio-track", "7"], "7"),
        (["clip.mp4", "--config", "strange.yaml"], "strange.yaml"),
        (["clip.mp4", "--config", "fusion.yaml"], "priro"),
    ],
)
def test_wrong_usage_is_one_line_and_a_hint(
    run: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    clip(tmp_path / "clip.mp4", 0.5)
    (tmp_path / "strange.yaml").write_text("a: 1")
    (tmp_path / "fusion.yaml").write_text("priro: 0.1")
    assert words in refused(run("analyze", *arguments))


def test_a_folder_that_cannot_be_written_is_said_in_one_line(run: Run, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4", 0.5)
    (tmp_path / "taken").write_text("a file, not a folder")
    assert "taken" in refused(run("analyze", "clip.mp4", "--out", "taken"))


def test_digital_silence_is_a_gap_and_not_evidence(run: Run, tmp_path: Path) -> None:
    write_media(tmp_path / "mute.mp4", video=Video(seconds=3, width=96, height=64), sound=Sound(silence(3)))
    code, out, _ = run("analyze", "mute.mp4")
    assert code == 0
    events = json.loads((tmp_path / "vedette-out" / "mute" / "events.json").read_text())
    assert events["coverage"]["audio"] == []
    assert events["coverage"]["vision"] != []
    assert "not observed" in out.lower() or "sound" in out.lower()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("nan.wav", lambda p: write_wav_float(p, np.full(48_000, np.nan, np.float32))),
        (
            "phone.wav",
            lambda p: write_media(p, sound=Sound(tone(400, 2, rate=8000), rate=8000, codec="pcm_mulaw")),
        ),
        ("dot.mp4", lambda p: write_media(p, video=Video(seconds=1, width=2, height=2))),
    ],
)
def test_odd_recordings_are_analysed(
    run: Run, tmp_path: Path, name: str, make: Callable[[Path], Path]
) -> None:
    make(tmp_path / name)
    code, _, err = run("analyze", name)
    assert code == 0, err
    assert "Traceback" not in err


def test_an_interrupted_folder_run_resumes(run: Run, tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.mp4" if (tmp_path / "in").mkdir() is None else tmp_path)
    assert run("analyze", "in")[0] == 0
    report = tmp_path / "vedette-out" / "a" / "report.html"
    first = report.stat().st_mtime_ns
    clip(tmp_path / "in" / "b.mp4", 1.0)
    code, out, _ = run("analyze", "in")
    assert code == 0
    assert report.stat().st_mtime_ns == first
    assert "analysed before" in out
    assert (tmp_path / "vedette-out" / "b" / "report.html").exists()
    assert run("analyze", "in", "--sensitivity", "high")[0] == 0
    assert report.stat().st_mtime_ns != first


def test_two_jobs_give_what_one_gives(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    clip(tmp_path / "in" / "a.mp4", 1.0)
    clip(tmp_path / "in" / "b.mp4", 1.5)
    assert run("analyze", "in", "--out", "one")[0] == 0
    assert run("analyze", "in", "--out", "two", "--jobs", "2")[0] == 0
    for name in ("a", "b"):
        one, two = (json.loads((tmp_path / o / name / "events.json").read_text()) for o in ("one", "two"))
        assert one == two


def test_ctrl_c_writes_what_was_found_so_far(tmp_path: Path) -> None:
    video = Video(seconds=600, width=320, height=180, rate=5)
    write_media(tmp_path / "long.mp4", video=video, sound=Sound(noise(600, level=0.02)))
    command = [sys.executable, "-c", "from vedette.cli import main; main()", "analyze", "long.mp4"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=env)
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    events = json.loads((tmp_path / "vedette-out" / "long" / "events.json").read_text())
    assert events["complete"] is False
    assert not [p for p in (tmp_path / "vedette-out").iterdir() if p.name != "long"]  # nothing half-written
