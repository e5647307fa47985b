"""Frames without weapons on which a detector sees one are found, hardest first, and can be trained on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.commands import Command
from tests.fakes import picture_card
from tests.picture_sources import write_picture
from tests.pictures import Shown, write_manifest
from vedette_base.bundle import Bundle
from vedette_base.errors import DataError
from vedette_vision.dataset import load_pictures
from vedette_vision.detector import WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.prepare.hard import mine

BOX = (0.2, 0.3, 0.2, 0.1)


def detector(**scores: float) -> WeaponDetector:
    return WeaponDetector(Bundle(Path("painted"), picture_card()), engines=lambda size: PaintedEngine(scores))


def frame(*painted: str) -> np.ndarray:
    """Grey, with a patch for every label that the painted engine is to see."""
    image = np.full((480, 640, 3), 90, np.uint8)
    for number, label in enumerate(painted):
        x = 100 + 150 * number
        cv2.rectangle(image, (x, 120), (x + 79, 159), COLOURS[label], -1)
    return image


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """``b`` and, more so, ``c`` fool it. The others are armed, unsure, of val, or understood."""
    return write_manifest(
        tmp_path / "data",
        [
            Shown("train/a.png", "cam", frame()),
            Shown("train/b.png", "cam", frame("knife"), [("person", *BOX)]),
            Shown("train/c.png", "cam", frame("pistol", "knife"), [("no_weapon", *BOX)]),
            Shown("train/d.png", "cam", frame("pistol"), [("pistol", *BOX)]),
            Shown("train/e.png", "cam", frame("pistol"), [("ignore", *BOX)]),
            Shown("train/f.png", "cam", frame("no_weapon")),
            Shown("val/g.png", "cam", frame("pistol")),
        ],
    )


def test_frames_that_fool_the_detector_are_listed_several_times(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "hard" / "manifest.jsonl"
    found = mine(detector(pistol=0.9, knife=0.6), data / "manifest.jsonl", out, times=3)
    assert (found.frames, [Path(e.path).stem for e, _ in found.hard]) == (4, ["c", "b"])
    assert [len(false) for _, false in found.hard] == [2, 1]
    names = [picture.file.stem for picture in load_pictures(out.parent, "train")]
    assert {name: names.count(name) for name in "abcdef"} == {"a": 1, "b": 3, "c": 3, "d": 1, "e": 1, "f": 1}
    assert [picture.file.stem for picture in load_pictures(out.parent, "val")] == ["g"]
    assert all(picture.read().shape == (480, 640, 3) for picture in load_pictures(out.parent, "train"))
    with (out.parent / "manifest.false.csv").open(newline="") as file:
        rows = [(Path(row["path"]).stem, row["label"]) for row in csv.DictReader(file)]
    assert rows == [("c", "pistol"), ("c", "knife"), ("b", "knife")]


def test_only_the_hardest_are_kept_and_only_what_is_sure_enough(data: Path, tmp_path: Path) -> None:
    seen = detector(pistol=0.9, knife=0.6)
    found = mine(seen, data / "manifest.jsonl", tmp_path / "one.jsonl", most=1)
    assert [Path(entry.path).stem for entry, _ in found.hard] == ["c"]
    found = mine(seen, data / "manifest.jsonl", tmp_path / "none.jsonl", min_probability=0.999)
    assert found.hard == ()


def test_frames_of_a_folder_become_a_subset_of_their_own(tmp_path: Path) -> None:
    for name, painted in (("one/a", ("pistol",)), ("one/b", ()), ("two/c", ("knife",))):
        write_picture(tmp_path / "frames" / f"{name}.png", frame(*painted))
    (tmp_path / "frames" / "bad.jpg").write_bytes(b"no")
    found = mine(detector(), tmp_path / "frames", tmp_path / "hard.jsonl")
    assert (found.frames, found.left_out) == (3, (("bad.jpg", "cannot be decoded"),))
    records = [json.loads(line) for line in (tmp_path / "hard.jsonl").read_text().splitlines()]
    assert {(r["file"], r["subset"], r["group"]) for r in records} == {
        ("frames/one/a.png", "train/hard_negatives", "hard_negatives/one"),
        ("frames/two/c.png", "train/hard_negatives", "hard_negatives/two"),
    }
    assert [r["boxes"] for r in records] == [[], []]


def test_a_source_without_such_frames_is_refused(data: Path, tmp_path: Path) -> None:
    manifest = data / "manifest.jsonl"
    manifest.write_text(manifest.read_text().splitlines(keepends=True)[3])  # the armed one
    with pytest.raises(DataError, match="no frames without weapons"):
        mine(detector(), manifest, tmp_path / "out.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no frames without weapons"):
        mine(detector(), tmp_path / "empty", tmp_path / "out.jsonl")


def test_the_command_looks_with_the_shipped_detector(vedette: Command) -> None:
    for name in "ab":
        write_picture(vedette.folder / "frames" / f"{name}.png", frame())
    result = vedette("data", "hard-negatives", "frames", "--out", "hard.jsonl")
    assert (result.code, result.out) == (0, "0 of 2 frames without weapons are hard, 0 false boxes on them\n")
    assert (vedette.folder / "hard.false.csv").read_text().startswith("path,label,probability")
    for wrong, why in (
        (["--out", "frames"], "frames: is what is read"),
        (["--out", "x.jsonl", "--min-probability", "2"], "--min-probability must be within 0..1, got 2.0"),
    ):
        refused = vedette("data", "hard-negatives", "frames", *wrong)
        assert (refused.code, refused.said) == (2 if "--min" in wrong[-2] else 1, [why])
