"""The README's Python examples run as they stand."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.media import Sound, Video, noise, write_media
from vedette import analyze


def test_the_examples_of_the_readme_run(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_media(tmp_path / "clip.mp4", video=Video(seconds=2), sound=Sound(noise(2)))
    cv2.imwrite("picture.jpg", np.full((64, 96, 3), 90, np.uint8))
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert "Segment" in capsys.readouterr().out  # the coverage of the first example


def test_the_demo_prints_its_shots_in_time(root: Path, tmp_path: Path) -> None:
    """The shipped models find the demo's own shots; the demo is a file like any other."""
    truth = json.loads((root / "data/demo/truth.json").read_text("utf-8"))
    clip = shutil.copy(root / "data/demo/demo.mp4", tmp_path / "any-name.mp4")
    analysis = analyze(clip)
    attacks = [event for event in analysis.events if event.kind == "armed_attack"]
    assert attacks
    for shot in truth["shots"]:
        when = shot["time"] if isinstance(shot, dict) else shot
        assert any(event.start - 1.0 <= when <= event.end + 1.0 for event in attacks), when
