"""`vedette analyze` on folders: what is done, what is kept of earlier runs, what goes wrong on the way."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.commands import Command, clip, half_written
from tests.media import truncate, write_still
from vedette.api import Analyzer
from vedette.batch import AnalyzerMaker, Output, run_job
from vedette.jobs import Job, plan


def still(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_still(path)


def results(out: Path) -> list[str]:
    """Folders of results beneath ``out``."""
    return sorted(path.parent.relative_to(out).as_posix() for path in out.rglob("events.json"))


def test_bad_files_are_named_and_the_rest_is_done(vedette: Command, tmp_path: Path) -> None:
    clip(tmp_path / "in" / "good.mp4")
    (tmp_path / "in" / "empty.mp4").touch()
    (tmp_path / "in" / "words.mp4").write_text("these are words, not a recording " * 50)
    truncate(clip(tmp_path / "in" / "cut.mp4"), 0.4)
    (tmp_path / "in" / "dangling.mp4").symlink_to("nowhere")
    result = vedette("analyze", "in", "--out", "res")
    assert result.code == 1
    bad = ("cut", "dangling", "empty", "words")
    assert [line.split(":")[0] for line in result.said[:-1]] == [f"in/{name}.mp4" for name in bad]
    assert result.said[-1] == "1 of 5 recordings analysed, 4 failed"
    assert results(tmp_path / "res") == ["good"]
    assert "in/good.mp4" in result.out


def test_an_empty_folder_is_not_a_silent_success(vedette: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert vedette("analyze", "in").said == ["in: no recordings in this folder"]


def test_finished_recordings_are_kept_until_what_was_asked_changes(vedette: Command, tmp_path: Path) -> None:
    still(tmp_path / "in" / "a.png")
    page = tmp_path / "vedette-out" / "a" / "report.html"

    def done_again(*options: object) -> bool:
        before = page.stat().st_mtime_ns if page.exists() else 0
        result = vedette("analyze", "in", *options)
        assert result.code == 0, result.err
        again = page.stat().st_mtime_ns != before
        assert again == ("analysed before" not in result.out.split("b.png")[0])
        return again

    assert done_again()
    assert not done_again()
    still(tmp_path / "in" / "b.png")
    assert not done_again()
    assert results(tmp_path / "vedette-out") == ["a", "b"]
    assert done_again("--no-resume")
    for changed in (["--sensitivity", "high"], ["--senses", "vision"], ["--clips"], ["--annotate"]):
        assert done_again(*changed)
        assert not done_again(*changed)
    (tmp_path / "fusion.yaml").write_text("prior: 0.031\n")
    assert done_again("--config", "fusion.yaml")
    page.unlink()
    assert done_again("--config", "fusion.yaml")
    with (tmp_path / "in" / "a.png").open("ab") as file:
        file.write(b"one byte more")
    assert done_again("--config", "fusion.yaml")


def test_another_calibration_is_another_model(vedette: Command, tmp_path: Path, root: Path) -> None:
    still(tmp_path / "a.png")
    shutil.copytree(root / "data" / "models" / "vision", tmp_path / "mine")
    assert vedette("analyze", "a.png", "--model", "mine").code == 0
    assert "analysed before" in vedette("analyze", "a.png", "--model", "mine").out
    card = json.loads((tmp_path / "mine" / "card.json").read_text())
    card["thresholds"] = {"pistol": 0.123}
    (tmp_path / "mine" / "card.json").write_text(json.dumps(card))
    assert "analysed before" not in vedette("analyze", "a.png", "--model", "mine").out


def test_results_within_the_folder_are_not_analysed_as_recordings(vedette: Command, tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.mp4")
    for out in ("in/res", "in"):  # a folder in it, and even beside the recordings themselves
        assert vedette("analyze", "in", "--out", out, "--annotate").code == 0
        again = vedette("analyze", "in", "--out", out, "--annotate")
        assert (again.code, again.out.count("analysed before"), again.err) == (0, 1, "")
    assert (tmp_path / "in" / "a" / "annotated.mp4").exists()


def test_no_results_lie_within_other_results(vedette: Command, tmp_path: Path) -> None:
    still(tmp_path / "in" / "a.png")
    still(tmp_path / "in" / "a" / "b.png")
    for _ in range(2):
        assert vedette("analyze", "in", "--no-resume").code == 0
        assert results(tmp_path / "vedette-out") == ["a.png", "a/b"]


def test_links_are_followed_once_and_relative_paths_are_kept(vedette: Command, tmp_path: Path) -> None:
    still(tmp_path / "elsewhere" / "c.png")
    still(tmp_path / "in" / "sub" / "a.png")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "sub" / "round").symlink_to(tmp_path / "in")
    assert vedette("analyze", "./in/../in").code == 0
    assert results(tmp_path / "vedette-out") == ["linked/c", "sub/a"]


def test_results_may_go_through_a_link_which_stays(vedette: Command, tmp_path: Path) -> None:
    still(tmp_path / "a.png")
    (tmp_path / "big disk").mkdir()
    (tmp_path / "vedette-out").mkdir()
    (tmp_path / "vedette-out" / "a").symlink_to(tmp_path / "big disk")
    for _ in range(2):
        assert vedette("analyze", "a.png", "--no-resume").code == 0
    assert (tmp_path / "vedette-out" / "a").is_symlink()
    assert (tmp_path / "big disk" / "report.html").exists()
    assert not half_written(tmp_path)


def test_the_same_recording_twice_is_analysed_once(vedette: Command, tmp_path: Path) -> None:
    still(tmp_path / "in" / "a.png")
    result = vedette("analyze", "in/a.png", "in", tmp_path / "in" / "a.png", "in/../in/a.png")
    assert (result.code, result.out.count("Report:"), result.err) == (0, 1, "")


def test_results_of_another_recording_of_the_same_name_are_kept(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(tmp_path / "gate" / "a.png")
    write_still(still(tmp_path / "yard" / "a.png"), width=80)
    for camera, code in (("gate", 0), ("yard", 1), ("gate", 0)):
        monkeypatch.chdir(tmp_path / camera)
        result = vedette("analyze", "a.png", "--out", tmp_path / "res")
        assert result.code == code, camera
    manifest = (tmp_path / "res" / "a" / "manifest.json").read_text()
    assert str(tmp_path) not in manifest  # results are handed on
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gate").rename(tmp_path / "moved")
    assert "analysed before" in vedette("analyze", "moved/a.png", "--out", "res").out
    write_still(tmp_path / "moved" / "a.png", width=90)  # changed where it lies: but it lies elsewhere now
    refused = vedette("analyze", "moved/a.png", "--out", "res")
    assert (refused.code, "another recording" in refused.said[0]) == (1, True)


def test_a_recording_that_vanishes_during_the_run_is_named(vedette: Command, tmp_path: Path) -> None:
    gone, stays = clip(tmp_path / "a.mp4", 1.0), still(tmp_path / "b.png")
    analyzer: Analyzer = AnalyzerMaker()()
    first, second = plan([gone, stays], tmp_path / "res")

    def vanish(done: float, total: float | None) -> None:
        gone.unlink(missing_ok=True)

    outcome = run_job(analyzer, first, Output(annotate=True), on_progress=vanish)
    assert outcome.analysis is not None
    assert outcome.analysis.complete  # it was open already
    assert "a.mp4: no such file" in str(outcome.error)  # but could not be opened again to be annotated
    assert vedette.events("a", "res")["complete"] is True
    assert run_job(analyzer, second, Output()).error is None
    assert "no such file" in str(run_job(analyzer, first, Output(annotate=True)).error)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's place")
def test_what_may_not_be_read_is_named_and_the_rest_is_done(
    vedette: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_to_all = Path(tempfile.mkdtemp())  # other users may not look into tmp_path
    try:
        for name in ("a/shut.png", "b/inside.png", "c.png"):
            still(open_to_all / "in" / name)
        (open_to_all / "in" / "a" / "shut.png").chmod(0)
        (open_to_all / "in" / "b").chmod(0)
        for folder in (open_to_all, still(open_to_all / "res" / "first.png").parent):
            folder.chmod(0o777)
        monkeypatch.chdir(open_to_all)
        assert vedette("analyze", "res/first.png", "--out", "res").code == 0  # loads what is root's alone
        os.setresuid(65534, 65534, 0)
        try:
            result = vedette("analyze", "in", "--out", "res")
        finally:
            os.setresuid(0, 0, 0)
        done = results(open_to_all / "res")
    finally:
        shutil.rmtree(open_to_all)
    assert result.code == 1
    assert sorted(result.said[:-1]) == [
        "in/a/shut.png: no permission to read it",
        "in/b: no permission to list it",
    ]
    assert done == ["c", "first"]


def test_many_names_are_planned_quickly(tmp_path: Path) -> None:
    jobs: list[Job] = plan([Path(f"in/{n % 5000}.mp4") for n in range(20_000)], tmp_path)
    assert len({job.folder for job in jobs}) == 5000
