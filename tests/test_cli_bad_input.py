"""What cannot be analysed is named in one line with a hint; what is merely odd is analysed. No traceback."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.commands import Command, clip, half_written
from tests.media import Sound, Video, noise, tone, truncate, write_media, write_still, write_wav_float

Make = Callable[[Path], object]


def plain(time: float, width: int, height: int) -> np.ndarray:
    del time
    return np.full((height, width, 3), 90, np.uint8)


def raw_video(width: int, height: int) -> Make:
    video = Video(
        seconds=0.6, rate=5, width=width, height=height, codec="rawvideo", pix_fmt="bgr24", draw=plain
    )
    return lambda path: write_media(path, video=video)


REFUSED: dict[str, tuple[Make, str]] = {
    "words.mp4": (lambda p: p.write_text("these are words " * 99), "not a recording"),
    "empty.mp4": (lambda p: p.touch(), "empty"),
    "nothing.wav": (lambda p: write_wav_float(p, np.zeros(0, np.float32)), "no sound"),
    "cut.mp4": (lambda p: truncate(clip(p), 0.5), "cut off"),
    "gone.mp4": (lambda p: None, "no such file"),
    "pipe.mp4": (os.mkfifo, "pipe"),
    "link.mp4": (lambda p: p.symlink_to("nowhere.mp4"), "no such file"),
    "two\nlines.mp4": (lambda p: p.touch(), "two\\nlines"),
    "colour\x1b[31m.mp4": (lambda p: p.touch(), "\\x1b[31m"),
    "bytes\udcff.mp4": (lambda p: p.touch(), "bytes\ufffd.mp4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_recording_is_named_with_a_hint(vedette: Command, tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    make(tmp_path / name)
    result = vedette("analyze", name)
    assert result.code == 1
    (line,) = result.said
    assert words in line
    assert len(result.hints) == 1
    assert not half_written(tmp_path)


ODD: dict[str, Make] = {
    "nan.wav": lambda p: write_wav_float(p, np.full(24_000, np.nan, np.float32)),
    "phone.wav": lambda p: write_media(p, sound=Sound(tone(400, 1, rate=8000), rate=8000, codec="pcm_mulaw")),
    "seven.wav": lambda p: write_media(p, sound=Sound(noise(0.5), codec="pcm_s16le", layout="7.1")),
    "dot.avi": raw_video(1, 1),
    "thread.avi": raw_video(500, 1),
    "8k.mp4": lambda p: write_media(
        p, video=Video(seconds=0.4, rate=5, width=7680, height=4320, codec="mpeg4", draw=plain)
    ),
    "16bit.png": lambda p: write_deep(p),
    "L" * 251 + ".png": write_still,
    "we ird 'n\"ame <b>&[red]$(x) .png": write_still,
    "colon:07 100%d.png": write_still,
    "-o.png": write_still,
    "bytes\udcff.png": lambda p: write_still(p.with_name("x.png")).rename(p),
}


def write_deep(path: Path) -> None:
    import cv2

    assert cv2.imwrite(str(path), np.full((48, 64, 3), 40_000, np.uint16))


@pytest.mark.parametrize("name", ODD)
def test_odd_recordings_are_analysed(vedette: Command, tmp_path: Path, name: str) -> None:
    ODD[name](tmp_path / name)
    result = vedette("analyze", "--annotate", "--", name)
    assert result.code == 0, result.err
    assert vedette.events(Path(name).stem)["complete"] is True
    assert all("no numbers" in line for line in result.said)


def test_sound_that_is_no_number_is_a_gap_and_is_said(vedette: Command, tmp_path: Path) -> None:
    ODD["nan.wav"](tmp_path / "nan.wav")
    result = vedette("analyze", "nan.wav")
    assert "no numbers" in result.said[0]
    assert vedette.events("nan")["coverage"]["audio"] == []


WRONG_USAGE = [
    (["clip.mp4", "--recorded-at", "yesterday"], "yesterday"),
    (["clip.mp4", "--recorded-at", "2026-05-01T14:00:00"], "zone"),
    (["clip.mp4", "--start", "5", "--end", "2"], "end"),
    (["clip.mp4", "--start", "-1"], "start"),
    (["clip.mp4", "--end", "nan"], "end"),
    (["clip.mp4", "--audio-offset", "inf"], "audio_offset"),
    (["clip.mp4", "--start", "50"], "lasts only"),
    (["clip.mp4", "--audio-track", "7"], "audio track 7"),
    (["clip.mp4", "--config", "strange.yaml"], "strange.yaml"),
    (["clip.mp4", "--config", "fusion.yaml"], "priro"),
    (["clip.mp4", "--config", "audio.yaml", "--config", "audio.yaml"], "second"),
    (["clip.mp4", "--config", "audio.gone.yaml"], "audio.gone.yaml"),
    (["clip.mp4", "other.mp4", "--audio", "clip.mp4"], "--audio belongs to one"),
    (["clip.mp4", "other.mp4", "--recorded-at", "2026-05-01T14:00:00Z"], "--recorded-at belongs"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG_USAGE)
def test_wrong_usage_exits_with_2(vedette: Command, tmp_path: Path, arguments: list[str], words: str) -> None:
    clip(tmp_path / "clip.mp4")
    (tmp_path / "strange.yaml").write_text("a: 1")
    (tmp_path / "audio.yaml").write_text("{}")
    (tmp_path / "fusion.yaml").write_text("priro: 0.1")
    result = vedette("analyze", *arguments)
    assert result.code == 2
    assert words in result.said[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze"],
        ["analyze", "a.mp4", "--nonsense"],
        ["analyze", "a.mp4", "-j", "0"],
        ["watch"],
        ["analyze", ""],
        ["analyze", "rtsp://camera/1"],
    ],
)
def test_an_unknown_option_is_wrong_usage_too(vedette: Command, arguments: list[str]) -> None:
    result = vedette(*arguments)
    assert (result.code, "Usage: vedette" in result.err) == (2, True)


def test_a_missing_or_changed_model_is_refused_before_anything_is_read(
    vedette: Command, tmp_path: Path, root: Path
) -> None:
    clip(tmp_path / "clip.mp4")
    missing = vedette("analyze", "clip.mp4", "--model", "nowhere")
    assert (missing.code, missing.said, len(missing.hints)) == (1, ["no model bundle 'nowhere'"], 1)
    shutil.copytree(root / "data" / "models" / "vision", tmp_path / "changed")
    with (tmp_path / "changed" / "model.bin").open("r+b") as file:
        file.write(b"other")
    for jobs in (1, 2):
        changed = vedette("analyze", "clip.mp4", "clip.mp4", "--model", "changed", "--jobs", jobs)
        assert (changed.code, len(changed.said)) == (1, 1)
        assert "does not match its card" in changed.said[0]
    (tmp_path / "changed" / "card.json").write_text("{")
    assert "card.json" in vedette("analyze", "clip.mp4", "--model", "changed").said[0]


@pytest.mark.parametrize("out", ["taken", "taken/below", "/proc/vedette", "/dev/null/x"])
def test_a_folder_that_cannot_be_written_is_said_at_once(vedette: Command, tmp_path: Path, out: str) -> None:
    clip(tmp_path / "clip.mp4")
    (tmp_path / "taken").write_text("a file, not a folder")
    result = vedette("analyze", "clip.mp4", "gone.mp4", "--out", out)
    assert result.code == 1
    assert len(result.said) == 1
    assert out in result.said[0]
    assert (tmp_path / "taken").read_text() == "a file, not a folder"


def test_nothing_of_the_users_is_replaced(vedette: Command, tmp_path: Path) -> None:
    clip(tmp_path / "clip.mp4")
    mine = tmp_path / "vedette-out" / "clip" / "manifest.json"
    mine.parent.mkdir(parents=True)
    mine.write_text('{"mine": true}')
    result = vedette("analyze", "clip.mp4")
    assert (result.code, "manifest.json" in result.said[0]) == (1, True)
    assert mine.read_text() == '{"mine": true}'
    mine.unlink()
    assert vedette("analyze", "clip.mp4").code == 0
    (mine.parent / "notes.txt").write_text("seen by me")
    result = vedette("analyze", "clip.mp4", "--no-resume")
    assert (result.code, "notes.txt" in result.said[0]) == (1, True)
    assert (mine.parent / "notes.txt").read_text() == "seen by me"


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("annotate", [False, True])
def test_when_the_disk_is_full_nothing_stays_but_what_was_found_is_shown(
    vedette: Command, tmp_path: Path, annotate: bool
) -> None:
    clip(tmp_path / "clip.mp4", 3.0)
    with files_no_larger_than(8_000):
        result = vedette("analyze", "clip.mp4", *(["--annotate"] if annotate else []))
    assert result.code == 1
    assert "cannot" in result.said[0]
    assert "No threat was found" in result.out
    assert "Report:" not in result.out
    assert list((tmp_path / "vedette-out").iterdir()) == []
