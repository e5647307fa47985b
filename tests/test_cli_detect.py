"""`vedette detect`: stills, folders, videos, cameras; lists, drawn copies and the window."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.commands import Command, Result, clip
from tests.media import Sound, Video, noise, write_media, write_still
from vedette import window
from vedette.boxdrawing import draw
from vedette.detecting import FoundBox, items_of
from vedette.sources import probe
from vedette_base.errors import MissingDependencyError
from vedette_base.media import Frame, Pixels
from vedette_vision import detector as vision
from vedette_vision.boxes import Floats
from vedette_vision.detector import ImageFrame, Look, WeaponDetector

BOX = (0.25, 0.25, 0.5, 0.75)  # shares of the picture


@pytest.fixture
def pistol(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that sees a pistol at BOX on every picture, and a look-alike of half the probability."""

    def look(self: WeaponDetector, frame: Frame) -> Look:
        width, height = frame.size
        box = np.array(BOX, np.float32) * (width, height, width, height)
        columns = [vision.OUTPUTS.index("pistol"), vision.OUTPUTS.index("no_weapon")]
        return Look(
            np.stack([box, box]).astype(np.float32), np.array([0.8, 0.4], np.float32), np.array(columns)
        )

    def probabilities(self: WeaponDetector, look: Look) -> Floats:
        return look.scores

    monkeypatch.setattr(WeaponDetector, "look", look)
    monkeypatch.setattr(WeaponDetector, "look_twice", look)
    monkeypatch.setattr(WeaponDetector, "probabilities", probabilities)
    monkeypatch.setattr(
        "vedette_vision.verifier.ChipClassifier.weapon",
        lambda self, chips: np.full(len(chips), 0.5, np.float32),  # no opinion of its own
    )


class FakeWindow:
    """OpenCV's windows without a display: remembers what was shown, presses ``keys`` one after the other."""

    def __init__(self, patch: pytest.MonkeyPatch, *keys: int) -> None:
        self.shown: list[Pixels] = []
        self.waits: list[int] = []
        self.visible, self.gone = 1.0, False
        self._keys = list(keys)
        patch.setattr(window, "check_display", lambda: None)
        patch.setattr(cv2, "namedWindow", lambda *_: None)
        patch.setattr(cv2, "imshow", lambda _, picture: self.shown.append(picture))
        patch.setattr(cv2, "waitKey", self._key)
        patch.setattr(cv2, "getWindowProperty", lambda *_: self.visible)
        patch.setattr(cv2, "destroyAllWindows", lambda: setattr(self, "gone", True))

    def _key(self, wait: int) -> int:
        self.waits.append(wait)
        return self._keys.pop(0) if self._keys else -1


class FakeCamera:
    """A camera of eight pictures at a time: then it is unplugged."""

    left = 8

    def __init__(self, number: int) -> None:
        self._open = number == 0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self._open

    def get(self, _: int) -> float:
        return 64.0

    def read(self) -> tuple[bool, Pixels | None]:
        self.left -= 1
        return (True, np.full((64, 64, 3), 90, np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self._open = False


def lines_of(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.mark.usefixtures("pistol")
def test_a_still_is_one_line_as_it_always_was(vedette: Command, tmp_path: Path) -> None:
    write_still(tmp_path / "a.jpg", width=80, height=40)
    result = vedette("detect", "a.jpg")
    assert (result.code, result.said) == (0, [])
    (line,) = lines_of(result)
    assert line["path"] == "a.jpg"
    assert line["detections"] == [
        {"label": "pistol", "probability": 0.8, "box": [20.0, 10.0, 40.0, 30.0]},
        {"label": "no_weapon", "probability": 0.4, "box": [20.0, 10.0, 40.0, 30.0]},
    ]
    (line,) = lines_of(vedette("detect", "a.jpg", "--min-probability", "0.5", "--json"))
    assert [box["label"] for box in line["detections"]] == ["pistol"]


@pytest.mark.usefixtures("pistol")
def test_folders_are_looked_through_in_order_and_each_picture_once(vedette: Command, tmp_path: Path) -> None:
    for name in ("in/b.png", "in/deep/a.jpg", "in/a.jpg", "in/a.png", "in/drawn/old.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_still(tmp_path / name)
    write_media(tmp_path / "in/sound.wav", sound=Sound(noise(0.1), codec="pcm_s16le"))
    (tmp_path / "in/notes.txt").write_text("no picture")
    result = vedette("detect", "in", "in/a.jpg", "--out", "in/drawn")
    assert (result.code, result.said) == (0, [])
    names = [line["path"] for line in lines_of(result)]
    assert names == ["in/a.jpg", "in/a.png", "in/b.png", "in/deep/a.jpg"]
    drawn = {str(p.relative_to(tmp_path / "in/drawn")) for p in (tmp_path / "in/drawn").rglob("*.jpg")}
    assert drawn == {"a.jpg", "a.png.jpg", "b.jpg", "deep/a.jpg", "old.jpg"}


@pytest.mark.usefixtures("pistol")
def test_a_video_is_followed_and_drawn_with_every_picture(vedette: Command, tmp_path: Path) -> None:
    video = Video(seconds=2, width=96, height=64, rate=25)
    write_media(tmp_path / "clip.mp4", video=video, sound=Sound(noise(2)))
    result = vedette("detect", "clip.mp4", "--out", "drawn", "--csv", "boxes.csv")
    assert (result.code, result.said) == (0, [])
    lines = lines_of(result)
    assert 5 <= len(lines) <= 11  # five pictures a second, of 25
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    first, last = lines[0]["detections"], lines[-1]["detections"]
    assert (first[0]["track"], first[0]["confirmed"]) == (1, False)
    assert (last[0]["track"], last[0]["confirmed"]) == (1, True)
    assert "track" not in first[1]  # a look-alike is not followed
    rows = list(csv.DictReader((tmp_path / "boxes.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == sum(len(line["detections"]) for line in lines)
    assert (rows[0]["path"], rows[0]["label"], rows[0]["track"], rows[1]["track"]) == (
        "clip.mp4", "pistol", "1", "")  # fmt: skip
    info = probe(tmp_path / "drawn/clip.mp4")
    assert info.audio
    assert info.duration == pytest.approx(2, abs=0.1)
    assert info.frame_rate == pytest.approx(25, rel=0.05)


@pytest.mark.usefixtures("pistol")
def test_the_rate_is_an_option(vedette: Command, tmp_path: Path) -> None:
    write_media(tmp_path / "clip.mp4", video=Video(seconds=2, width=96, height=64, rate=25))
    assert len(lines_of(vedette("detect", "clip.mp4", "--fps", "2"))) == 4
    for wrong in ("0", "-1", "500", "nan"):
        assert vedette("detect", "clip.mp4", "--fps", wrong).code == 2


@pytest.mark.usefixtures("pistol")
def test_a_terminal_gets_a_table(vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_still(tmp_path / "a.jpg", width=80, height=40)
    write_still(tmp_path / "[b]\n.jpg")
    clip(tmp_path / "clip.mp4", 1.0)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    lines = vedette("detect", "a.jpg", "clip.mp4", "--min-probability", "0.5").out.splitlines()
    assert lines[0].split() == ["picture", "thing", "probability", "box", "from", "to", "looks"]
    assert lines[1].split() == ["a.jpg", "pistol", "80", "%", "20,10", "to", "40,30"]
    assert lines[2].split()[:3] == ["clip.mp4", "pistol", "1"]
    assert len(lines) == 3
    (_, row) = vedette("detect", "[b]\n.jpg", "--min-probability", "0.9").out.splitlines()
    assert row.split() == ["[b]\\n.jpg", "nothing"]
    assert lines_of(vedette("detect", "a.jpg", "--json"))


def test_what_is_drawn_is_where_it_was_found() -> None:
    image = np.full((400, 800, 3), 60, np.uint8)
    boxes = (FoundBox("pistol", 0.8, (200, 100, 400, 300)), FoundBox("no_weapon", 0.4, (200, 100, 400, 300)))
    drawn = draw(ImageFrame(image), boxes, None, 400)
    assert drawn.shape == (200, 400, 3)
    assert (drawn[100, 100] == (0, 212, 255)).all()  # the box's left edge, at half the size
    assert (drawn[100, 150] == 60).all()
    assert (image == 60).all()
    assert (drawn == draw(ImageFrame(image), boxes[:1], None, 400)).all()  # one label for one thing


def test_the_picture_itself_is_never_written_over(vedette: Command, tmp_path: Path) -> None:
    before = write_still(tmp_path / "a.jpg").read_bytes()
    result = vedette("detect", "a.jpg", "--out", ".")
    assert (result.code, len(result.said), len(result.hints)) == (1, 1, 1)
    assert (tmp_path / "a.jpg").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_one_line(vedette: Command, tmp_path: Path) -> None:
    write_still(tmp_path / "a.jpg")
    for option, place in (("--out", "a.jpg/x"), ("--csv", "no/such/b.csv")):
        result = vedette("detect", "a.jpg", option, place)
        assert (result.code, len(result.said)) == (1, 1)


@pytest.mark.usefixtures("pistol")
def test_the_window_shows_stills_until_a_key_and_ends_with_q(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        write_still(tmp_path / name, width=80, height=40)
    fake = FakeWindow(monkeypatch, -1, ord(" "), ord("q"))
    result = vedette("detect", "a.png", "b.png", "c.png", "--show")
    assert (result.code, len(fake.shown), fake.gone) == (0, 2, True)
    assert [line["path"] for line in lines_of(result)] == ["a.png", "b.png"]
    assert fake.shown[0].shape == (40, 80, 3)
    assert (fake.shown[0] == (0, 212, 255)).all(axis=2).any()


@pytest.mark.parametrize("closed", ["escape", "button"])
def test_a_video_in_the_window_runs_until_it_is_closed(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    write_media(tmp_path / "clip.mp4", video=Video(seconds=2, width=96, height=64, rate=10))
    fake = FakeWindow(monkeypatch, *([-1, 27] if closed == "escape" else []))
    fake.visible = 1.0 if closed == "escape" else 0.0
    result = vedette("detect", "clip.mp4", "--show", "--out", "drawn")
    assert (result.code, result.said) == (0, ["clip.mp4: stopped before its copy with boxes was done"])
    assert not list((tmp_path / "drawn").iterdir())
    assert len(fake.shown) == (2 if closed == "escape" else 1)
    assert set(fake.waits) == {1}


def test_without_a_display_the_window_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_TRIAL", "import os; os.abort()")  # what Qt does
    with pytest.raises(MissingDependencyError, match="no window can be shown") as caught:
        window.Window()
    assert "--out" in caught.value.hint


def test_a_missing_camera_is_one_line(vedette: Command) -> None:
    result = vedette("detect", "camera:99")
    assert (result.code, len(result.said), len(result.hints)) == (1, 1, 1)
    assert result.said[0].startswith("camera:99: there is no such camera")
    assert len(result.err.splitlines()) == 2  # nothing of OpenCV's own


@pytest.mark.usefixtures("pistol")
def test_a_camera_is_looked_at_until_it_is_gone(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    result = vedette("detect", "camera:0", "--out", "drawn", "--csv", "boxes.csv")
    assert result.code == 1
    assert result.said == ["camera:0: gives no more pictures"]
    assert lines_of(result)[0]["path"] == "camera:0"
    assert lines_of(result)[0]["detections"][0]["track"] == 1
    assert probe(tmp_path / "drawn/camera-0.mp4").size == (64, 64)


def test_ctrl_c_ends_a_camera_with_its_video_whole(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless(FakeCamera):
        def read(self) -> tuple[bool, Pixels | None]:
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
            return True, np.full((64, 64, 3), 90, np.uint8)

    monkeypatch.setattr(cv2, "VideoCapture", Endless)
    assert vedette("detect", "camera:0", "--out", "drawn").code == 130
    assert probe(tmp_path / "drawn/camera-0.mp4").video


def test_places_of_copies_are_shared_by_no_two() -> None:
    places = [str(item.place) for item in items_of(["x/a.jpg", "y/a.jpg", "z/a.jpg", "a.png", "camera:3"])]
    assert len(set(places)) == 5
