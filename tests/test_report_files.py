"""The result folder: everything is in it, whole, and in the shape other programs expect."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.report_cases import make_analysis, make_event, recorded_at, recording
from vedette.report.files import replaced, write_results
from vedette.report.timeline import load_timeline
from vedette_base.errors import DataError, MediaError, OutputError
from vedette_base.score import Score

NAMES = {
    "events.json", "events.csv", "labels-audacity.txt", "labels-raven.txt", "timeline.npz", "report.html",
    "manifest.json", "tracks",
}  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("media") / "clip.mp4")


@pytest.fixture(scope="module")
def results(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    analysis = recorded_at(make_analysis(clip), "2026-03-01T14:02:00+01:00")
    return write_results(analysis, tmp_path_factory.mktemp("out") / "clip", run={"options": {"clips": False}})


def test_a_result_folder_holds_everything_and_nothing_else(results: Path) -> None:
    assert {path.name for path in results.iterdir()} == NAMES
    assert [path.name for path in results.parent.iterdir()] == ["clip"]


def test_the_manifest_vouches_for_every_file_and_the_recording(results: Path, clip: Path) -> None:
    manifest = json.loads((results / "manifest.json").read_text("utf-8"))
    assert {name.partition("/")[0] for name in manifest["files"]} == NAMES - {"manifest.json"}
    for name, described in manifest["files"].items():
        content = (results / name).read_bytes()
        assert described == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert manifest["input"]["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert manifest["run"] == {"options": {"clips": False}}
    assert manifest["versions"]["audio"] == "gunshots 0.1.0"
    assert "vedette" in manifest["versions"]


def test_the_csv_reads_back_with_wall_clock_times(results: Path) -> None:
    with (results / "events.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["rank"], row["kind"], row["level"]) == ("1", "armed_attack", "critical")
    assert float(row["start"]) == 1.8
    assert row["start_time"] == "2026-03-01T14:02:01.800000+01:00"
    assert row["shot_times"] == "2.000"
    terms = dict(term.split("=") for term in row["reasons"].split(";"))
    assert sum(map(float, terms.values())) == pytest.approx(3.7)


def test_a_file_name_cannot_become_a_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    analysis = make_analysis(None, name="=HYPERLINK(1).mp4")
    folder = write_results(analysis, tmp_path / "out")
    with (folder / "events.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["source"] == "'=HYPERLINK(1).mp4"


def test_audacity_labels_are_three_fields_in_order_with_gaps_named(results: Path) -> None:
    lines = (results / "labels-audacity.txt").read_text("utf-8").splitlines()
    rows = [(float(a), float(b), text) for a, b, text in (line.split("\t") for line in lines)]
    assert rows == sorted(rows)
    assert (2.0, 2.0, "shot 95 %") in rows
    assert (3.0, 4.0, "sound not observed") in rows
    assert any(text.startswith("#1 Armed attack critical") for _, _, text in rows)


def test_raven_selections_have_every_required_column_and_a_length(results: Path) -> None:
    with (results / "labels-raven.txt").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    required = ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)"]
    assert list(rows[0])[:6] == required
    assert [row["Selection"] for row in rows] == ["1", "2"]
    for row in rows:
        assert float(row["End Time (s)"]) > float(row["Begin Time (s)"])
        assert float(row["High Freq (Hz)"]) > float(row["Low Freq (Hz)"])
    assert {row["Type"] for row in rows} == {"event", "shot"}


def test_timelines_come_back_as_they_went(results: Path, clip: Path) -> None:
    analysis = make_analysis(clip)
    back = load_timeline(results / "timeline.npz")
    for name in ("audio_scores", "vision_scores"):
        mine, theirs = getattr(analysis, name), getattr(back, name)
        assert mine.labels == theirs.labels
        for part in ("times", "probabilities", "quality"):
            np.testing.assert_array_equal(getattr(mine, part), getattr(theirs, part))
    assert back.coverage == analysis.coverage
    assert [shot.time for shot in back.shots] == [2.0]
    assert back.shots[0].types == {}
    (track,) = back.tracks
    assert (track.label, track.peak_box, track.looks) == ("pistol", (60.0, 50.0, 80.0, 64.0), 18)


def test_timelines_of_a_recording_with_nothing_in_it_come_back_too(tmp_path: Path) -> None:
    bare = make_analysis(None)
    nothing = Score.empty(("gunshot",))
    bare = replace(bare, events=(), shots=(), tracks=(), audio_scores=nothing, vision_scores=nothing)
    back = load_timeline(write_results(bare, tmp_path / "out") / "timeline.npz")
    assert (len(back.audio_scores), back.shots, back.tracks) == (0, (), ())


def test_a_pickle_dressed_as_a_timeline_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "timeline.npz"
    np.savez(path, format=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not a timeline of Vedette"):
        load_timeline(path)
    path.write_bytes(b"no zip at all")
    with pytest.raises(DataError, match="not a timeline of Vedette"):
        load_timeline(path)
    with pytest.raises(DataError, match="no such file"):
        load_timeline(tmp_path / "absent.npz")


def test_older_results_are_replaced_whole(tmp_path: Path) -> None:
    folder = write_results(make_analysis(None, name="first"), tmp_path / "out")
    stale = json.loads((folder / "manifest.json").read_text("utf-8"))
    stale["files"]["stale.txt"] = {}  # what the older results held besides, such as an annotated video
    (folder / "manifest.json").write_text(json.dumps(stale), encoding="utf-8")
    (folder / "stale.txt").write_text("left over")
    write_results(make_analysis(None, name="second"), folder)
    assert {path.name for path in folder.iterdir()} == NAMES
    assert "second" in (folder / "events.json").read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failure_in_the_middle_keeps_the_older_results_and_leaves_nothing(tmp_path: Path) -> None:
    folder = write_results(make_analysis(None, name="first"), tmp_path / "out")
    broken = replace(make_analysis(None, name="second"), duration="not a number")  # type: ignore[arg-type]
    with pytest.raises((TypeError, ValueError)):
        write_results(broken, folder)
    assert '"first"' in (folder / "events.json").read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_ctrl_c_while_writing_leaves_the_older_results(tmp_path: Path) -> None:
    folder = write_results(make_analysis(None, name="first"), tmp_path / "out")

    def interrupted() -> None:
        with replaced(folder) as work:
            (work / "half").write_text("written")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {path.name for path in folder.iterdir()} == NAMES
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_other_peoples_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not results of Vedette") as caught:
        write_results(make_analysis(None), tmp_path)
    assert "--out" in caught.value.hint
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_cannot_be_written_is_one_line_and_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write results") as caught:
        write_results(make_analysis(None), tmp_path / "file" / "out")
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_file_where_the_folder_should_be_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError):
        write_results(make_analysis(None), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "mine"


def test_a_recording_that_vanished_costs_the_pictures_and_not_the_results(tmp_path: Path) -> None:
    path = recording(tmp_path / "clip.mp4")
    analysis = make_analysis(path)
    path.unlink()
    folder = write_results(analysis, tmp_path / "out", clips=True)
    assert {p.name for p in folder.iterdir()} == NAMES
    assert "could not be read again" in (folder / "report.html").read_text("utf-8")


def test_a_recording_that_was_exchanged_for_a_shorter_one_costs_only_the_pictures(tmp_path: Path) -> None:
    path = recording(tmp_path / "clip.mp4")
    late = replace(make_event(), start=500.0, end=501.0, tracks=(), shots=())
    analysis = replace(make_analysis(path), duration=600.0, events=(late,))
    folder = write_results(analysis, tmp_path / "out", clips=True)
    assert "could not be read again" in (folder / "report.html").read_text("utf-8")


def test_an_annotated_video_that_cannot_be_made_is_said_after_the_rest_was_written(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no video can be annotated"):
        write_results(make_analysis(None), tmp_path / "out", annotate=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == NAMES


def test_clips_and_annotated_video_are_written_and_vouched_for(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.report.exhibits.EMBED_CLIP", 10)
    analysis = replace(make_analysis(clip), events=(make_event(1), make_event(2)))
    folder = write_results(analysis, tmp_path / "out", clips=True, annotate=True)
    files = json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    assert {"annotated.mp4", "clips/event-01.mp4", "clips/event-02.mp4"} <= set(files)
    assert 'src="clips/event-01.mp4"' in (folder / "report.html").read_text("utf-8")
