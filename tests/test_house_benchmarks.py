"""The recordings that figures are made on are what they are said to be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest

from tests.benchmark_modules import benchmark_module
from tests.media import Sound, Video, noise, write_media


@pytest.fixture(scope="module")
def recordings(root: Path) -> ModuleType:
    return benchmark_module(root, "recordings")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, with pictures that are stored out of order (B frames)."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    video = Video(seconds=2.0, options={"bf": "2", "g": "12"})
    write_media(path, video=video, sound=Sound(noise(2.0)))
    return path


def times(path: Path, kind: str) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(**{kind: 0})]


def test_a_repeated_recording_has_one_clock_without_joints(
    recordings: ModuleType, clip: Path, tmp_path: Path
) -> None:
    long = recordings.repeat(tmp_path / "long.mp4", 7.0, picture=clip, sound=clip)
    for kind, step in (("video", 1 / 25), ("audio", 1024 / 48_000)):
        found = times(long, kind)
        assert found[-1] == pytest.approx(7.0, abs=0.2)
        assert np.diff(found).min() > 0
        assert np.diff(found).max() < 2.6 * step  # a track that ends within a block leaves a gap of one


def test_sound_alone_holds_no_picture(recordings: ModuleType, clip: Path, tmp_path: Path) -> None:
    with av.open(str(recordings.repeat(tmp_path / "sound.mp4", 3.0, sound=clip))) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


def test_nothing_moves_in_a_still_recording(recordings: ModuleType, clip: Path, tmp_path: Path) -> None:
    still = recordings.still(tmp_path / "still.mp4", 2.0, clip)
    with av.open(str(still)) as container:
        frames = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]
    assert len(frames) == 50
    assert max(np.abs(frame - frames[0]).max() for frame in frames) <= 8


def test_a_measured_job_tells_its_time_and_memory(root: Path, clip: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(root / "benchmarks" / "jobs.py"), "decode", str(clip)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert 0 < result["work"] < 60
    assert 1e7 < result["peak"] < 1e9
