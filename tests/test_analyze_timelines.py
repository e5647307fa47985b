"""What an analysis keeps while it runs: whole timelines, and coverage that claims no more than there was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vedette.api
from tests.media import Sound, Video, noise, write_media
from vedette.api import Analyzer


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer(threads=1)


def clip(path: Path, seconds: float) -> Path:
    video = Video(seconds=seconds, width=160, height=96)
    return write_media(path, video=video, sound=Sound(noise(seconds, level=0.01)))


def test_coverage_ends_with_the_recording(analyzer: Analyzer, tmp_path: Path) -> None:
    analysis = analyzer.run(clip(tmp_path / "clip.mp4", 3.05))
    for medium in ("audio", "vision"):
        (span,) = analysis.coverage.of(medium)
        assert span.start == pytest.approx(0.0, abs=0.05)
        assert span.end <= analysis.duration + 0.03  # a frame of the sound codec
        assert span.end == pytest.approx(3.05, abs=0.3)


def test_the_timelines_of_hours_are_joined_and_lack_nothing(
    analyzer: Analyzer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip(tmp_path / "clip.mp4", 3.0)
    whole = analyzer.run(path)
    monkeypatch.setattr(vedette.api, "JOINED", 4)
    pieces = analyzer.run(path)
    for one, other in (
        (whole.vision_scores, pieces.vision_scores),
        (whole.audio_scores, pieces.audio_scores),
    ):
        assert len(one) > 2
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_sound_shorter_than_a_window_is_heard(analyzer: Analyzer, tmp_path: Path) -> None:
    path = write_media(tmp_path / "short.wav", sound=Sound(noise(0.4, level=0.01)))
    analysis = analyzer.run(path)
    assert len(analysis.audio_scores) == 1
    assert analysis.coverage.audio[0].duration == pytest.approx(0.4, abs=0.05)  # the codec pads a little
