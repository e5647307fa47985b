"""Boxes survive every change of format within half a pixel, with their names and sides."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.picture_sources import scene, voc, write_picture, write_yolo
from vedette_base.errors import DataError, OutputError
from vedette_vision.prepare.cards import load_picture_card
from vedette_vision.prepare.convert import Format, Sheet, sheets_of, write_sheets
from vedette_vision.prepare.findings import write_all
from vedette_vision.prepare.labelled import LabelBox
from vedette_vision.prepare.preparation import prepare

SIZE = (120, 80)
FORMATS: tuple[Format, ...] = ("yolo", "voc", "coco")
share = st.floats(0, 1)


@st.composite
def boxes(draw: st.DrawFn) -> LabelBox:
    (x1, x2), (y1, y2) = (sorted((draw(share), draw(share))) for _ in range(2))
    return LabelBox(draw(st.sampled_from(["knife", "pistol", "long gun", "Ä&<"])), x1, y1, x2, y2)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_picture(tmp_path_factory.mktemp("p") / "a (1).jpg", scene(1))


@pytest.mark.parametrize("through", FORMATS)
@settings(max_examples=25, deadline=None)
@given(
    drawn=st.lists(boxes().filter(lambda box: box.x2 - box.x1 > 1e-4 and box.y2 - box.y1 > 1e-4), max_size=4)
)
def test_a_round_trip_moves_no_edge_by_more_than_half_a_pixel(
    through: Format, drawn: list[LabelBox], picture: Path
) -> None:
    sheet = Sheet(picture, picture.stem, SIZE, tuple(drawn), "train")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        write_sheets([sheet], through, out)
        if not drawn and through == "yolo":  # no boxes: no class has a name
            return
        (back,), left_out = sheets_of(out)
    assert left_out == ()
    assert (back.stem, back.size, back.side) == (picture.stem, SIZE, "train")
    assert [box.name for box in back.boxes] == [box.name for box in drawn]
    for one, two in zip(drawn, back.boxes, strict=True):
        for before, after in zip(sheet.edges(one), sheet.edges(two), strict=True):
            assert after == pytest.approx(before, abs=0.5 + 1e-3)
        assert two.x2 > two.x1
        assert two.y2 > two.y1


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_any_format_becomes_any_other(first: Format, second: Format, tmp_path: Path) -> None:
    lines = "0 0.5 0.5 0.2 0.4\n1 0.25 0.25 0.1 0.1\n"
    source = write_yolo(
        tmp_path / "src", {"train": [("a", lines), ("b", "")], "valid": [("c", lines)]}, ["wallet", "gun"]
    )
    sheets, _ = sheets_of(source)
    write_sheets(sheets, first, tmp_path / "one")
    again, _ = sheets_of(tmp_path / "one")
    names = write_sheets(again, second, tmp_path / "two")
    last, left_out = sheets_of(tmp_path / "two")
    assert names == ("gun", "wallet")
    assert left_out == ()
    assert {(s.stem, s.side, len(s.boxes)) for s in last} == {
        ("a", "train", 2),
        ("b", "train", 0),
        ("c", "val", 2),
    }
    found = {s.stem: s for s in last}["c"]
    assert found.edges(found.boxes[0]) == pytest.approx((48, 24, 72, 56), abs=1.0)


def test_a_manifest_is_written_with_the_four_classes_or_the_finer_names(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "src", {"train": [("a", "0 0.5 0.5 0.2 0.4\n")]}, ["wallet"])
    write_all(prepare(load_picture_card("yolo"), root), tmp_path / "manifest.jsonl")
    record = json.loads((tmp_path / "manifest.jsonl").read_text())
    assert (record["boxes"], record["fine"]) == ([["no_weapon", 0.5, 0.5, 0.2, 0.4]], ["wallet"])
    for fine, name in ((False, "no_weapon"), (True, "wallet")):
        sheets, _ = sheets_of(tmp_path / "manifest.jsonl", fine=fine)
        assert [box.name for box in sheets[0].boxes] == [name]


@pytest.mark.parametrize("form", FORMATS)
def test_boxes_to_be_ignored_stay_so_or_are_left_out(form: Format, tmp_path: Path, picture: Path) -> None:
    drawn = (LabelBox("pistol", 0.1, 0.1, 0.5, 0.5), LabelBox("toy", 0.6, 0.6, 0.8, 0.8, vague=True))
    names = write_sheets([Sheet(picture, "a", SIZE, drawn, "train")], form, tmp_path / "out")
    (back,), _ = sheets_of(tmp_path / "out")
    assert [box.vague for box in back.boxes] == ([False] if form == "yolo" else [False, True])
    assert names == (("pistol",) if form == "yolo" else ("pistol", "toy"))


def test_ids_are_those_of_our_own_data_sets(tmp_path: Path, picture: Path) -> None:
    order = ("knife", "long_gun", "no_weapon", "pistol", "gun", "person", "weapon", "apple")
    drawn = tuple(LabelBox(name, 0.1, 0.1, 0.5, 0.5) for name in sorted(order))
    assert write_sheets([Sheet(picture, "a", SIZE, drawn, "train")], "yolo", tmp_path / "out") == order


def test_pictures_of_one_name_in_two_folders_keep_apart(tmp_path: Path) -> None:
    root = write_yolo(
        tmp_path / "src", {"train": [("a", "0 0.5 0.5 0.2 0.4\n")], "valid": [("a", "")]}, ["gun"]
    )
    sheets, _ = sheets_of(root)
    assert sorted(sheet.stem for sheet in sheets) == ["train__images__a", "valid__images__a"]
    write_sheets(sheets, "voc", tmp_path / "out")
    assert len(list((tmp_path / "out" / "JPEGImages").iterdir())) == 2


def test_pictures_are_never_overwritten(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "src", {"train": [("a", "0 0.5 0.5 0.2 0.4\n")]}, ["gun"])
    sheets, _ = sheets_of(root)
    write_sheets(sheets, "voc", tmp_path / "out")
    with pytest.raises(OutputError, match="is there already"):
        write_sheets(sheets, "voc", tmp_path / "out")


def test_what_cannot_be_converted_is_given_back_with_its_reason(tmp_path: Path) -> None:
    root = write_yolo(
        tmp_path / "src", {"train": [("a", "0 0.5 0.5 0.2 0.4\n"), ("b", "5 1 1 1 1\n")]}, ["gun"]
    )
    write_picture(root / "train" / "images" / "c.jpg", scene(9))
    (root / "train" / "images" / "a2.jpg").write_bytes(b"")
    (root / "train" / "labels" / "a2.txt").write_text("")
    sheets, left_out = sheets_of(root)
    assert [sheet.stem for sheet in sheets] == ["a"]
    assert {Path(path).stem for path, _ in left_out} == {"a2", "b", "c"}
    with pytest.raises(DataError, match="neither data"):
        sheets_of(tmp_path / "src" / "train")


def test_labels_of_a_stored_picture_are_written_for_the_upright_one(tmp_path: Path) -> None:
    write_picture(tmp_path / "src" / "a.jpg", scene(1), turned=6)
    (tmp_path / "src" / "a.xml").write_text(voc((120, 80), [("gun", (0, 0, 12, 8))]))
    (sheet,), _ = sheets_of(tmp_path / "src")
    assert sheet.size == (80, 120)
    assert sheet.edges(sheet.boxes[0]) == pytest.approx((72, 0, 80, 12))
