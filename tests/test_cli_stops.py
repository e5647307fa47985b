"""Ctrl-C, dying workers and closed pipes: what was found is written, and nothing is left half-written."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.commands import Command, clip, half_written
from tests.media import Sound, noise, write_media, write_still
from vedette import display
from vedette.batch import AnalyzerMaker, Output, run_job, run_record
from vedette.jobs import Job, plan
from vedette.report.files import write_results
from vedette_base.errors import MediaError

SHELL = [sys.executable, "-c", "from vedette.cli import main; main()"]


@pytest.fixture
def when_begun(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Has something done once the first recording is on its way."""

    def set_up(act: Callable[[], None]) -> None:
        acted = []

        def progress_of(self: display.Display, job: Job) -> Callable[[float, float | None], None]:
            def on_progress(done: float, total: float | None) -> None:
                if not acted:
                    acted.append(job)
                    act()

            return on_progress

        monkeypatch.setattr(display.Display, "progress_of", progress_of)

    return set_up


@pytest.fixture
def not_ignored() -> Iterator[None]:
    """Under nohup SIGHUP is ignored, and the command keeps to that: here it must not be."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def press(*numbers: int) -> Callable[[], None]:
    """Send signals to this process, as Ctrl-C does."""

    def act() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return act


@pytest.mark.usefixtures("not_ignored")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_found_is_written_and_done_again_by_the_next_run(
    vedette: Command, tmp_path: Path, when_begun: Callable[[Callable[[], None]], None], number: int
) -> None:
    (tmp_path / "in").mkdir()
    write_media(tmp_path / "in" / "a.wav", sound=Sound(noise(30, level=0.01), codec="pcm_s16le"))
    write_still(tmp_path / "in" / "b.png")
    when_begun(press(number))
    result = vedette("analyze", "in", "--annotate")
    assert result.code == 130
    assert result.said[0] == "stopping; what was found so far is being written"
    assert result.said[-1] == "interrupted: 1 of 2 recordings were not begun"
    found = vedette.events("a")
    assert found["complete"] is False
    assert found["coverage"]["audio"][0][1] < 29
    assert "Stopped before the end" in result.out
    assert {path.name for path in (tmp_path / "vedette-out").iterdir()} == {"a"}
    assert not (tmp_path / "vedette-out" / "a" / "annotated.mp4").exists()  # who stops wants to be gone
    if number == signal.SIGINT:
        assert vedette("analyze", "in").code == 0
        assert vedette.events("a")["complete"] is True


def test_a_second_ctrl_c_drops_what_is_in_hand_and_leaves_nothing(
    vedette: Command, tmp_path: Path, when_begun: Callable[[Callable[[], None]], None]
) -> None:
    clip(tmp_path / "a.mp4", 3.0)
    when_begun(press(signal.SIGINT, signal.SIGINT))
    result = vedette("analyze", "a.mp4")
    assert result.code == 130
    assert result.said[-1].startswith("interrupted")
    assert list((tmp_path / "vedette-out").iterdir()) == []


def test_stopped_at_the_annotated_video_the_rest_is_written_and_it_is_done_again(
    vedette: Command, tmp_path: Path
) -> None:
    (job,) = plan([write_still(tmp_path / "a.png")], tmp_path / "res")
    analyzer = AnalyzerMaker()()
    stop = Event()
    stop.set()
    asked = run_record(job, analyzer.fingerprint, Output(annotate=True))
    with pytest.raises(MediaError, match="stopped before its annotated video"):
        write_results(analyzer.run(job.path), job.folder, annotate=True, run=asked, stop=stop)
    assert vedette.events("a", "res")["complete"] is True
    assert not (job.folder / "annotated.mp4").exists()
    assert run_job(analyzer, job, Output(annotate=True)).earlier is None
    assert (job.folder / "annotated.mp4").exists()
    assert run_job(analyzer, job, Output(annotate=True)).earlier is not None


def test_two_jobs_give_what_one_gives(vedette: Command, tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.mp4", 1.0)
    clip(tmp_path / "in" / "b.mp4", 1.5)
    (tmp_path / "in" / "bad.mp4").touch()
    one = vedette("analyze", "in", "--out", "one")
    two = vedette("analyze", "in", "--out", "two", "--jobs", "2")
    assert (one.code, two.code) == (1, 1)
    assert sorted(one.said) == sorted(two.said)
    for name in ("a", "b"):
        assert vedette.events(name, "one") == vedette.events(name, "two")


@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-C twice", "a worker is killed"])
def test_stopping_two_jobs(
    vedette: Command, tmp_path: Path, when_begun: Callable[[Callable[[], None]], None], how: str
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "in").mkdir(exist_ok=True)
        write_media(tmp_path / "in" / f"{name}.wav", sound=Sound(noise(20, level=0.01), codec="pcm_s16le"))

    def kill() -> None:
        child = multiprocessing.active_children()[0]
        child.kill()

    acts = {"Ctrl-C": press(signal.SIGINT), "Ctrl-C twice": press(signal.SIGINT, signal.SIGINT)}
    when_begun(acts.get(how, kill))
    result = vedette("analyze", "in", "--jobs", "2", "--senses", "audio")
    out = tmp_path / "vedette-out"
    assert not half_written(out)
    assert not multiprocessing.active_children()
    written = {path.name: vedette.events(path.name)["complete"] for path in out.iterdir()}
    if how == "a worker is killed":
        assert result.code == 1
        assert result.said[-1] == "2 of 3 recordings analysed, 1 failed"
        assert "its worker process was killed (SIGKILL)" in result.said[0]
        assert list(written.values()) == [True, True]
    elif how == "Ctrl-C":
        assert result.code == 130
        assert "c" not in written
        assert False in written.values()
    else:
        assert (result.code, written) == (130, {})


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    for name in "abc":
        write_still(tmp_path / f"{name}.png")
    command = [*SHELL, "analyze", "a.png", "b.png", "c.png", "--format", "json", "--senses", "vision"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_one_line(tmp_path: Path) -> None:
    write_still(tmp_path / "a.png")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*SHELL, "analyze", "a.png", "--senses", "vision"],
            cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "vedette: output: no space left on device\n")


def test_results_go_to_stdout_also_while_bars_are_shown(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    write_still(tmp_path / "a.png")
    terminal, far = pty.openpty()
    process = subprocess.Popen(
        [*SHELL, "analyze", "a.png", "--senses", "vision", "--format", "json"],
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=far,
    )  # fmt: skip
    os.close(far)
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how a terminal says that nobody writes to it any more
            break
        shown += piece
    assert process.stdout is not None
    with process.stdout:
        out = process.stdout.read()
    assert process.wait() == 0
    os.close(terminal)
    assert out.startswith(b'{"schema": 1')
    assert b"schema" not in shown
    assert b"a.png" in shown
