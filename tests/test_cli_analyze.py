"""`vedette analyze` on one recording: what is written, what is said, what its options do, how it exits."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import av
import pytest

from tests.commands import Command, clip
from tests.media import Sound, Video, clicks, noise, silence, write_media, write_still

ALL = {
    "events.json",
    "events.csv",
    "labels-audacity.txt",
    "labels-raven.txt",
    "timeline.npz",
    "report.html",
    "manifest.json",
}


@pytest.fixture
def demo(root: Path) -> list[object]:
    """Arguments for the seconds of the demo recording in which its first burst falls."""
    return [root / "data" / "demo" / "demo.mp4", "--start", 7, "--end", 11.5]


def test_everything_promised_is_written(vedette: Command, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4", 2.0)
    result = vedette("analyze", "clip.mp4")
    assert (result.code, result.err) == (0, "")
    assert {path.name for path in (tmp_path / "vedette-out" / "clip").iterdir()} == ALL
    found = vedette.events("clip")
    assert (found["schema"], found["complete"], found["source"]["path"]) == (1, True, "clip.mp4")
    assert found["source"]["duration"] == pytest.approx(2.0, abs=0.1)
    assert found["coverage"]["audio"][0] == pytest.approx([0.0, 2.0], abs=0.1)
    assert found["coverage"]["vision"][0] == pytest.approx([0.0, 2.0], abs=0.3)
    assert "report.html" in result.out


def test_json_goes_to_stdout_and_nothing_else_does(vedette: Command, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4")
    result = vedette("analyze", "clip.mp4", "--format", "json")
    assert json.loads(result.out) == vedette.events("clip")
    again = vedette("analyze", "clip.mp4", "--format", "json")
    assert json.loads(again.out) == vedette.events("clip")


def test_an_attack_is_told_by_exit_code_table_clips_and_annotated_video(
    vedette: Command, tmp_path: Path, demo: list[object]
) -> None:
    result = vedette("analyze", *demo, "--out", "res", "--clips", "--annotate", "--fail-on", "high")
    assert result.code == 3, result.err
    assert "armed attack" in result.out
    found = vedette.events("demo", "res")
    assert {"armed_attack"} <= {event["kind"] for event in found["events"]}
    assert all(6.9 <= event["start"] <= event["end"] <= 11.6 for event in found["events"])
    for event in found["events"]:
        total = sum(reason["log_odds"] for reason in event["reasons"])
        assert 1 / (1 + 2.718281828459045**-total) == pytest.approx(event["probability"], abs=1e-6)
    folder = tmp_path / "res" / "demo"
    with av.open(str(folder / "annotated.mp4")) as video:
        assert float(video.duration or 0) / 1e6 == pytest.approx(4.5, abs=0.5)
    assert "data:video/mp4" in (folder / "report.html").read_text("utf-8")
    with (folder / "events.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(found["events"])


def test_levels_below_the_wanted_are_counted_and_not_listed(vedette: Command, demo: list[object]) -> None:
    first = vedette("analyze", *demo, "--senses", "audio", "--out", "res")
    assert (first.code, "gunshot" in first.out) == (0, True)
    hidden = vedette("analyze", *demo, "--senses", "audio", "--out", "res", "--no-resume", "--min-level",
                     "critical")  # fmt: skip
    level = vedette.events("demo", "res")["events"][0]["level"]
    assert ("not listed" in hidden.out) == (level != "critical")
    # what an earlier run has found counts as much as what this one finds
    assert vedette("analyze", *demo, "--senses", "audio", "--out", "res", "--fail-on", "low").code == 3


def test_only_the_part_asked_for_is_looked_at(vedette: Command, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4", 4.0)
    assert vedette("analyze", "clip.mp4", "--start", 1, "--end", "2.5").code == 0
    for spans in vedette.events("clip")["coverage"].values():
        assert spans[0][0] == pytest.approx(1.0, abs=0.25)
        assert spans[-1][1] == pytest.approx(2.5, abs=0.25)


def test_a_separate_sound_file_is_placed_by_its_offset(vedette: Command, tmp_path: Path) -> None:
    write_media(tmp_path / "mute.mp4", video=Video(seconds=3, width=64, height=48, rate=5))
    write_media(tmp_path / "recorder.wav", sound=Sound(noise(1, level=0.1), codec="pcm_s16le"))
    result = vedette("analyze", "mute.mp4", "--audio", "recorder.wav", "--audio-offset", "1.5")
    assert result.code == 0, result.err
    assert vedette.events("mute")["coverage"]["audio"] == [pytest.approx([1.5, 2.5], abs=0.05)]
    assert vedette("analyze", "mute.mp4", "--audio", "gone.wav").said == ["gone.wav: no such file"]


def test_a_sound_track_is_chosen_by_number(vedette: Command, tmp_path: Path) -> None:
    tracks = [Sound(silence(1)), Sound(noise(1, level=0.1))]
    write_media(tmp_path / "two.mp4", video=Video(seconds=1, width=64, height=48, rate=5), sound=tracks)
    vedette("analyze", "two.mp4")
    assert vedette.events("two")["coverage"]["audio"] == []
    vedette("analyze", "two.mp4", "--audio-track", 1)
    assert vedette.events("two")["coverage"]["audio"] != []


def test_numbered_pieces_are_one_recording_also_as_a_folder(vedette: Command, tmp_path: Path) -> None:
    for number in (1, 2, 10):
        clip(tmp_path / "pieces" / f"ch1_{number}.mp4", 0.6)
    assert vedette("analyze", "pieces", "--sequence", "--out", "res").code == 0
    assert [path.name for path in (tmp_path / "res").iterdir()] == ["ch1_1"]
    assert vedette.events("ch1_1", "res")["source"]["duration"] == pytest.approx(1.8, abs=0.2)
    (tmp_path / "pieces" / "ch1_2.mp4").write_text("broken")
    result = vedette("analyze", "pieces", "--sequence", "--out", "res")
    assert (result.code, "ch1_2.mp4" in result.said[0]) == (1, True)


def test_wall_clock_times_carry_their_zone(vedette: Command, demo: list[object]) -> None:
    vedette("analyze", *demo, "--senses", "audio", "--recorded-at", "2026-05-01T14:00:00+02:00")
    found = vedette.events("demo")
    assert found["source"]["recorded_at"] == "2026-05-01T14:00:00+02:00"
    assert found["events"][0]["start_time"].startswith("2026-05-01T14:00:0")
    assert found["events"][0]["start_time"].endswith("+02:00")


@pytest.mark.parametrize(("senses", "deaf"), [("audio", "vision"), ("vision", "audio")])
def test_one_sense_alone(vedette: Command, tmp_path: Path, senses: str, deaf: str) -> None:
    clip(tmp_path / "clip.mp4")
    assert vedette("analyze", "clip.mp4", "--senses", senses).code == 0
    found = vedette.events("clip")
    assert found["coverage"][deaf] == []
    assert found["coverage"][senses] != []
    assert deaf not in found["models"]


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_still_pictures_are_looked_at_and_annotated(vedette: Command, tmp_path: Path, ending: str) -> None:
    write_still(tmp_path / f"still.{ending}", orientation=6 if ending == "jpg" else 1)
    result = vedette("analyze", f"still.{ending}", "--annotate", "--clips")
    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "vedette-out" / "still" / "annotated.mp4").stat().st_size > 0


def test_sound_alone_is_heard_and_annotated(vedette: Command, tmp_path: Path) -> None:
    write_media(tmp_path / "a.mp3", sound=Sound(clicks([0.5], 1.0), codec="libmp3lame"))
    result = vedette("analyze", "a.mp3", "--annotate", "--clips")
    assert (result.code, result.err) == (0, "")
    assert "Picture was not observed at all" in result.out
    with av.open(str(tmp_path / "vedette-out" / "a" / "annotated.mp4")) as video:
        assert video.streams.video
        assert video.streams.audio


def test_digital_silence_is_a_gap_and_not_evidence(vedette: Command, tmp_path: Path) -> None:
    video = Video(seconds=1, width=64, height=48, rate=5)
    write_media(tmp_path / "mute.mp4", video=video, sound=Sound(silence(1)))
    result = vedette("analyze", "mute.mp4")
    assert "Sound was not observed at all" in result.out
    assert vedette.events("mute")["coverage"]["audio"] == []


def test_colours_only_where_they_are_wanted(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(tmp_path / "clip.mp4")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in vedette("analyze", "clip.mp4", "--no-resume").out
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    assert not coloured.search(vedette("analyze", "clip.mp4", "--no-resume").out)


def test_lines_for_a_pipe_are_not_broken(
    vedette: Command, demo: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS")
    out = vedette("analyze", *demo, "--senses", "audio").out
    (row,) = [line for line in out.splitlines() if line.lstrip().startswith("1 ")]
    assert "gunshot" in row
    assert "prior" in row
