"""Drafts are for a person to correct, and a comparison says what the correction changed."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.fakes import picture_card
from tests.picture_sources import coco, voc, write_picture
from vedette.cli_data_pictures import _trained
from vedette.report.labeltable import comparison_lines
from vedette_base.bundle import Bundle
from vedette_base.errors import DataError
from vedette_vision.detector import WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.labels import OUTPUTS
from vedette_vision.network import build
from vedette_vision.prepare.compare import compare, match, read_label_set
from vedette_vision.prepare.drafts import write_drafts
from vedette_vision.prepare.labelled import LabelBox


def detector(**scores: float) -> WeaponDetector:
    bundle = Bundle(Path("painted"), picture_card())
    return WeaponDetector(bundle, engines=lambda size: PaintedEngine(scores))


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = tmp_path / "shots"
    image = np.full((480, 640, 3), 90, np.uint8)
    write_picture(folder / "empty.png", image)
    cv2.rectangle(image, (100, 120), (179, 159), COLOURS["pistol"], -1)
    write_picture(folder / "day" / "pistol.png", image)
    return folder


def test_drafts_are_written_as_yolo_and_voc_and_can_be_read_back(shots: Path, tmp_path: Path) -> None:
    found = write_drafts(detector(), shots, tmp_path / "out")
    assert (found.pictures, found.boxes, found.left_out, found.kept) == (2, 1, (), ())
    yolo = read_label_set(tmp_path / "out" / "yolo")
    both = read_label_set(tmp_path / "out" / "voc")
    assert set(yolo) == set(both) == {"pistol", "empty"}
    assert yolo["empty"] == both["empty"] == ()
    for box in (yolo["pistol"][0], both["pistol"][0]):
        edges = (box.x1 * 640, box.y1 * 480, box.x2 * 640, box.y2 * 480)
        assert box.name == "pistol"
        assert edges == pytest.approx((100, 120, 180, 160), abs=2.5)
    with (tmp_path / "out" / "drafts.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["path"], row["label"]) == ("day/pistol.png", "pistol")


def test_a_label_that_a_person_has_corrected_is_never_overwritten(shots: Path, tmp_path: Path) -> None:
    write_drafts(detector(), shots, tmp_path / "out")
    label = tmp_path / "out" / "yolo" / "labels" / "day" / "pistol.txt"
    label.write_text("0 0.5 0.5 0.1 0.1\n")
    found = write_drafts(detector(), shots, tmp_path / "out")
    assert label.read_text() == "0 0.5 0.5 0.1 0.1\n"
    assert "yolo/labels/day/pistol.txt" in found.kept


def test_files_that_are_no_pictures_are_named(shots: Path, tmp_path: Path) -> None:
    (shots / "bad.jpg").write_bytes(b"no")
    assert write_drafts(detector(), shots, tmp_path / "out").left_out == (("bad.jpg", "cannot be decoded"),)
    with pytest.raises(DataError, match="no pictures"):
        write_drafts(detector(), tmp_path / "none", tmp_path / "out")


def box(name: str, x: float, width: float = 0.2) -> LabelBox:
    return LabelBox(name, x, 0.2, x + width, 0.4)


def test_boxes_are_matched_one_to_one_by_the_best_sum() -> None:
    """Greedily, the first box of A would take the only partner that the second one has."""
    a, b = [box("x", 0.10), box("x", 0.16)], [box("x", 0.14), box("x", 0.06)]
    assert [(one, two) for one, two, _ in match(a, b)] == [(0, 1), (1, 0)]
    assert match(a, []) == []


def test_a_comparison_counts_by_hand() -> None:
    a = {"p": [box("pistol", 0.1), box("knife", 0.5)], "q": [box("pistol", 0.1)], "r": [], "s": []}
    b = {"p": [box("pistol", 0.1), box("no_weapon", 0.52)], "q": [], "r": [box("knife", 0.1)], "t": []}
    found = compare(a, b)
    assert (found.pictures, found.only_a, found.only_b, found.alike) == (3, ("s",), ("t",), 0)
    rows = {row.name: row for row in found.classes}
    assert (rows["pistol"].a, rows["pistol"].b, rows["pistol"].both, rows["pistol"].only_a) == (2, 1, 1, 1)
    assert (rows["knife"].a, rows["knife"].b, rows["knife"].renamed, rows["knife"].only_b) == (1, 1, 1, 1)
    assert rows["pistol"].iou == 1.0
    assert found.renamed == (("knife", "no_weapon", 1),)
    assert found.overlaps == (0, 0, 0, 1, 1)
    assert dict(found.worst) == {"p": 1, "q": 1, "r": 1}
    lines = list(comparison_lines(found))
    assert "1 boxes are knife in A and no_weapon in B" in lines
    assert any("then --model" in line for line in lines)


def test_label_sets_in_three_formats_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "voc").mkdir()
    (tmp_path / "voc" / "a.xml").write_text(voc((120, 80), [("handgun", (12, 8, 60, 40))]))
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "a.txt").write_text("0 0.3 0.3 0.4 0.4\n")
    (tmp_path / "yolo" / "classes.txt").write_text("handgun\n")
    (tmp_path / "c.json").write_text(coco([("a.jpg", (120, 80))], [(0, 1, (12, 8, 48, 32))]))
    sets = [read_label_set(tmp_path / name) for name in ("voc", "yolo", "c.json")]
    for other in sets[1:]:
        found = compare(sets[0], other)
        assert (found.alike, found.classes[0].iou) == (1, 1.0)


def test_sets_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture in common"):
        compare({"a": []}, {"b": []})
    with pytest.raises(DataError, match="neither a manifest"):
        read_label_set(tmp_path / "none")
    with pytest.raises(DataError, match="no label files"):
        read_label_set(tmp_path)
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match="no class names"):
        read_label_set(tmp_path)
    assert read_label_set(tmp_path, ["gun"])["a"][0].name == "gun"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("")
    with pytest.raises(DataError, match="several label files are called a"):
        read_label_set(tmp_path, ["gun"])


def test_what_label_sets_train_to_is_judged_of_runs_and_of_bundles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"step": 7, "outputs": list(OUTPUTS), "architecture": "yolov3-tiny"}
    torch.save(state | {"average": build("yolov3-tiny").state_dict()}, tmp_path / "best.ckpt")
    opened = []

    class Report:
        def as_dict(self) -> dict[str, object]:
            return {"map50": 0.5}

    def evaluate(pictures: Path, bundle: Bundle, *, engines: object) -> Report:
        opened.append((bundle.card.version, engines is not None))
        return Report()

    monkeypatch.setattr("vedette_vision.evaluate.evaluate", evaluate)
    assert _trained([tmp_path, Path("vision")], tmp_path) == [{"map50": 0.5}] * 2
    assert opened[0] == ("step 7", True)
    assert not opened[1][1]
