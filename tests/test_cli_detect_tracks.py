"""`vedette detect --out` on video: every confirmed track leaves a chip, a snapshot and a record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.commands import Command
from tests.media import Video, write_media, write_still
from vedette.detecting import FoundBox, Item, Sight
from vedette.trackkeeping import FORGOTTEN, TrackKeeper
from vedette_base.media import Frame
from vedette_base.score import WeaponTrack
from vedette_vision import detector as vision
from vedette_vision.boxes import Floats
from vedette_vision.detector import ImageFrame, Look, WeaponDetector


@pytest.fixture
def square(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector to which the white square on the picture is a pistol, surest in its middle."""

    def look(self: WeaponDetector, frame: Frame) -> Look:
        rows, columns = np.nonzero(frame.bgr(*frame.size).min(axis=2) > 150)
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        off = abs(float(box[0, ::2].mean()) / frame.size[0] - 0.5)
        return Look(box, np.array([0.9 - off], np.float32), np.array([vision.OUTPUTS.index("pistol")]))

    def probabilities(self: WeaponDetector, look: Look) -> Floats:
        return look.scores

    monkeypatch.setattr(WeaponDetector, "look", look)
    monkeypatch.setattr(WeaponDetector, "probabilities", probabilities)
    monkeypatch.setattr(
        "vedette_vision.verifier.ChipClassifier.weapon",
        lambda self, chips: np.full(len(chips), 0.5, np.float32),  # no opinion of its own
    )


@pytest.mark.usefixtures("square")
def test_a_confirmed_track_leaves_its_best_look(vedette: Command, tmp_path: Path) -> None:
    path = write_media(tmp_path / "clip.mp4", video=Video(seconds=4, width=160, height=120, rate=10))
    result = vedette("detect", "clip.mp4", "--out", "drawn")
    assert (result.code, result.said) == (0, [])
    folder = tmp_path / "drawn/clip.tracks"
    assert {p.name for p in folder.iterdir()} == {
        "0001-pistol.json", "0001-pistol-chip.jpg", "0001-pistol-snapshot.jpg", "manifest.json"
    }  # fmt: skip
    record = json.loads((folder / "0001-pistol.json").read_text("utf-8"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["source"] == {"path": "clip.mp4", "sha256": digest}
    lines = [json.loads(line) for line in result.out.splitlines()]
    best = max(lines, key=lambda line: line["detections"][0]["probability"])
    assert record["time"] == pytest.approx(best["time"], abs=1e-3)
    assert record["box"] == best["detections"][0]["box"]
    assert record["looks"] == len(lines)
    x1, y1, x2, y2 = record["chip"]["box"]
    cut = cv2.imread(str(folder / record["chip"]["file"]))
    assert cut is not None
    assert cut.shape == (y2 - y1, x2 - x1, 3)
    middle = cut[cut.shape[0] // 2, cut.shape[1] // 2]
    assert middle.min() > 150
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["input"]["sha256"] == digest
    assert set(manifest["files"]) == {p.name for p in folder.iterdir()} - {"manifest.json"}


@pytest.mark.usefixtures("square")
def test_stills_leave_none_and_an_earlier_runs_evidence_goes(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_media(tmp_path / "clip.mp4", video=Video(seconds=2, width=160, height=120, rate=10))
    write_still(tmp_path / "a.png", draw=lambda *_: np.full((64, 96, 3), 255, np.uint8))
    assert vedette("detect", "clip.mp4", "a.png", "--out", "drawn").code == 0
    assert sorted(p.name for p in (tmp_path / "drawn").iterdir()) == ["a.jpg", "clip.mp4", "clip.tracks"]
    monkeypatch.setattr(WeaponDetector, "look", lambda self, frame: Look.empty())
    assert vedette("detect", "clip.mp4", "--out", "drawn").code == 0
    assert [p.name for p in (tmp_path / "drawn/clip.tracks").iterdir()] == ["manifest.json"]


def test_other_peoples_files_are_never_replaced(vedette: Command, tmp_path: Path, square: None) -> None:
    write_media(tmp_path / "clip.mp4", video=Video(seconds=2, width=160, height=120, rate=10))
    (tmp_path / "drawn/clip.tracks").mkdir(parents=True)
    (tmp_path / "drawn/clip.tracks/thesis.txt").write_text("years of work")
    result = vedette("detect", "clip.mp4", "--out", "drawn")
    assert (result.code, len(result.said)) == (1, 1)
    assert "not results of Vedette" in result.said[0]
    assert [p.name for p in (tmp_path / "drawn/clip.tracks").iterdir()] == ["thesis.txt"]


def sight(time: float, *tracks: WeaponTrack) -> Sight:
    frame = ImageFrame(np.full((90, 160, 3), 60, np.uint8), time=time, still=False)
    boxes = tuple(FoundBox(t.label, t.probability, t.peak_box, t.id) for t in tracks)
    return Sight(Item("camera:0", camera=0, place=Path("camera-0")), time, frame, boxes, tracks=tracks)


def track(number: int, time: float, *, sure: bool, label: str = "pistol") -> WeaponTrack:
    box = (10.0, 10.0, 30.0, 20.0)
    return WeaponTrack(number, label, 0.6, 0.0, time, time, box, confirmed=sure, box=box)


def test_what_is_held_does_not_grow_with_the_length_of_a_video(tmp_path: Path) -> None:
    """A new confirmed track every second for ten minutes: those that are over are on disk."""
    keeper = TrackKeeper(tmp_path, "vision 2")
    most = 0
    for second in range(600):
        seen = sight(float(second), track(second, float(second), sure=second % 2 == 0))
        keeper.add(seen)
        most = max(most, len(keeper._kept))
    assert most <= FORGOTTEN + 2
    keeper.finish(seen.item)
    written = {p.name for p in (tmp_path / "camera-0.tracks").glob("*.json")} - {"manifest.json"}
    assert written == {f"{n:04d}-pistol.json" for n in range(0, 600, 2)}  # the others were never confirmed


def test_what_turned_out_to_be_a_look_alike_leaves_nothing(tmp_path: Path) -> None:
    keeper = TrackKeeper(tmp_path, "vision 2")
    keeper.add(sight(0.0, track(1, 0.0, sure=True)))
    seen = sight(0.2, track(1, 0.2, sure=False, label="no_weapon"))
    keeper.add(seen)
    keeper.finish(seen.item)
    assert not list(tmp_path.iterdir())


def test_a_track_of_another_label_gets_the_picture_of_that_label(tmp_path: Path) -> None:
    keeper = TrackKeeper(tmp_path, "vision 2")
    keeper.add(sight(0.0, track(1, 0.0, sure=True)))
    later = WeaponTrack(1, "knife", 0.7, 0.0, 1.0, 0.0, (1, 1, 5, 5), box=(50.0, 50.0, 70.0, 60.0))
    seen = sight(1.0, later)
    keeper.add(seen)
    keeper.finish(seen.item)
    record = json.loads((tmp_path / "camera-0.tracks/0001-knife.json").read_text("utf-8"))
    assert (record["time"], record["box"]) == (1.0, [50.0, 50.0, 70.0, 60.0])
