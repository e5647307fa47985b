"""Folders of recordings: which results go where, and what is done already."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media import Sound, Video, tone, write_media
from vedette.display import clock, earlier_line
from vedette.jobs import Job, plan
from vedette_base.errors import MediaError


def folders(jobs: list[Job], out: Path) -> list[str]:
    return [job.folder.relative_to(out).as_posix() for job in jobs]


def small(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_media(path, video=Video(seconds=0.4, width=64, height=48), sound=Sound(tone(440, 0.4)))


def test_results_are_named_for_the_recording(tmp_path: Path) -> None:
    assert folders(plan([Path("a/clip.mp4")], tmp_path), tmp_path) == ["clip"]


def test_the_ending_is_kept_where_two_recordings_would_share_a_name(tmp_path: Path) -> None:
    jobs = plan([Path("a/clip.mp4"), Path("a/clip.mkv"), Path("a/other.mp4")], tmp_path)
    assert folders(jobs, tmp_path) == ["clip.mp4", "clip.mkv", "other"]


def test_no_two_recordings_ever_share_a_folder(tmp_path: Path) -> None:
    jobs = plan([Path("a/clip.mp4"), Path("b/clip.mp4"), Path("c/clip.mp4")], tmp_path)
    assert len(set(folders(jobs, tmp_path))) == 3


def test_a_folder_keeps_its_relative_paths(tmp_path: Path) -> None:
    small(tmp_path / "in" / "monday" / "gate.mp4")
    small(tmp_path / "in" / "tuesday" / "gate.mp4")
    (tmp_path / "in" / "notes.txt").write_text("no recording")
    jobs = plan([tmp_path / "in"], tmp_path / "out")
    assert folders(jobs, tmp_path / "out") == ["monday/gate", "tuesday/gate"]


def test_a_folder_without_recordings_is_an_error_and_not_a_silent_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no recordings"):
        plan([tmp_path], tmp_path / "out")


def test_a_missing_file_stays_a_job_so_that_it_is_named(tmp_path: Path) -> None:
    assert [job.path.name for job in plan([tmp_path / "gone.mp4"], tmp_path)] == ["gone.mp4"]


def test_a_recording_given_twice_is_analysed_once(tmp_path: Path) -> None:
    assert len(plan([Path("clip.mp4"), Path("clip.mp4")], tmp_path)) == 1


def test_lines_for_people(tmp_path: Path) -> None:
    assert clock(3725.9) == "1:02:05"
    found = {"events": [{"level": "low"}, {"level": "high"}]}
    assert "gravest high" in earlier_line(Job(Path("a.mp4"), tmp_path), found)
