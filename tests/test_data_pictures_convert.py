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
from vedette_vision.prepare.deepcam_out import write_deepcam
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


@pytest.mark.parametrize("form", FORMATS)
def test_the_finer_name_stays_beneath_the_class_through_every_format(form: Format, tmp_path: Path) -> None:
    lines = "0 0.5 0.5 0.2 0.4\n1 0.25 0.25 0.1 0.1\n"
    root = write_yolo(tmp_path / "src", {"train": [("a", lines)]}, ["wallet", "knife"])
    write_all(prepare(load_picture_card("yolo"), root), tmp_path / "manifest.jsonl")
    write_sheets(sheets_of(tmp_path / "manifest.jsonl")[0], form, tmp_path / "out")
    (entry,) = prepare(load_picture_card(form), tmp_path / "out").entries
    assert [(box.label, box.fine) for box in entry.boxes] == [("no_weapon", "wallet"), ("knife", "knife")]
    (sheet,), left_out = sheets_of(tmp_path / "out", fine=True)
    assert ([box.name for box in sheet.boxes], left_out) == (["wallet", "knife"], ())


def test_finer_names_are_left_out_where_a_person_has_changed_the_boxes(tmp_path: Path) -> None:
    drawn = (LabelBox("no_weapon", 0.1, 0.1, 0.5, 0.5, fine="wallet"), LabelBox("knife", 0.6, 0.6, 0.8, 0.8))
    picture = write_picture(tmp_path / "a.jpg", scene(1))
    write_sheets([Sheet(picture, "a", SIZE, drawn, "train")], "yolo", tmp_path / "out")
    label = tmp_path / "out" / "train" / "labels" / "a.txt"
    label.write_text(label.read_text().splitlines(keepends=True)[1])
    (sheet,), left_out = sheets_of(tmp_path / "out")
    assert [(box.name, box.fine) for box in sheet.boxes] == [("knife", "")]
    assert "train/labels/a.txt is not as written" in left_out[0][1]
    (tmp_path / "out" / "finer_names.json").write_text("[1]")
    with pytest.raises(DataError, match=r"finer_names\.json: must be pairs"):
        sheets_of(tmp_path / "out")


@pytest.fixture
def deepcam(tmp_path: Path) -> Path:
    """All four folders of the set; labels as VOC and as YOLO text."""
    root = tmp_path / "deepcam"
    for number, name in enumerate(("detector/gun/a", "detector/gun/b", "detector/other/c", "classifier/gun/d",
                                   "classifier/other/e")):  # fmt: skip
        write_picture(root / f"{name}.jpg", scene(number))
    (root / "detector/gun/a.xml").write_text(voc((120, 80), [("gun", (12, 8, 60, 40))]))
    (root / "detector/gun/b.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    return root


@pytest.mark.parametrize("form", FORMATS)
def test_the_deepcam_set_becomes_any_other_without_its_chips(
    form: Format, deepcam: Path, tmp_path: Path
) -> None:
    sheets, left_out = sheets_of(deepcam)
    assert left_out == ()
    assert write_sheets(sheets, form, tmp_path / "out") == ("gun",)
    found = {sheet.stem: [box.name for box in sheet.boxes] for sheet in sheets_of(tmp_path / "out")[0]}
    assert found == {"a": ["gun"], "b": ["gun"], "c": []}


def test_the_deepcam_set_comes_back_as_it_was(deepcam: Path, tmp_path: Path) -> None:
    counts = write_deepcam(sheets_of(deepcam)[0], tmp_path / "out")
    assert counts == {"classifier/gun": 3, "classifier/other": 1, "detector/gun": 2, "detector/other": 1}
    back = {sheet.stem: sheet for sheet in sheets_of(tmp_path / "out")[0]}
    assert {stem for stem, sheet in back.items() if sheet.chip} == {"a_1", "b_1", "d", "e"}
    assert back["a"].edges(back["a"].boxes[0]) == pytest.approx((12, 8, 60, 40))
    assert back["c"].boxes == ()


def test_any_labels_become_a_deepcam_set(tmp_path: Path) -> None:
    """0 handgun, 1 shotgun, 2 phone, 3 knife; what shows no gun is ``other``."""
    lines = {
        "a": "0 0.5 0.5 0.2 0.4\n2 0.2 0.2 0.1 0.1\n",
        "b": "1 0.5 0.5 0.2 0.4\n",
        "c": "3 .5 .5 .2 .2\n",
    }
    names = ["handgun", "shotgun", "phone", "knife"]
    root = write_yolo(tmp_path / "src", {"train": list(lines.items())}, names)
    counts = write_deepcam(sheets_of(root)[0], tmp_path / "out")
    assert counts == {"classifier/gun": 2, "classifier/other": 1, "detector/gun": 2, "detector/other": 1}
    entries = {Path(e.path).stem: e for e in prepare(load_picture_card("deepcam"), tmp_path / "out").entries}
    assert [(box.label, box.fine) for box in entries["a"].boxes] == [("gun", "handgun")]
    assert [(box.label, box.fine) for box in entries["b"].boxes] == [("gun", "shotgun")]
    assert entries["c"].boxes == ()
    assert (entries["a_1"].size, entries["a_1"].chip) == ((112, 112), True)
    assert {stem for stem in entries if "classifier/other" in entries[stem].path} == {"a_2"}


def test_what_may_be_a_gun_is_difficult_in_a_deepcam_set(tmp_path: Path, picture: Path) -> None:
    drawn = (LabelBox("weapon", 0.1, 0.1, 0.5, 0.5), LabelBox("toy", 0.6, 0.6, 0.8, 0.8, vague=True))
    assert write_deepcam([Sheet(picture, "a", SIZE, drawn, "train")], tmp_path / "out") == {"detector/gun": 1}
    (sheet,), _ = sheets_of(tmp_path / "out")
    assert [(box.name, box.fine, box.vague) for box in sheet.boxes] == [
        ("gun", "weapon", True), ("gun", "toy", True),
    ]  # fmt: skip


def test_a_name_that_may_or_may_not_be_a_gun_stops_a_deepcam_set(tmp_path: Path, picture: Path) -> None:
    drawn = (LabelBox("contraption", 0.1, 0.1, 0.5, 0.5),)
    with pytest.raises(DataError, match="no card says whether 'contraption' is a gun"):
        write_deepcam([Sheet(picture, "a", SIZE, drawn, "train")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_but_chips_is_no_set_to_find_things_in(tmp_path: Path, picture: Path) -> None:
    chip = Sheet(picture, "a", SIZE, (LabelBox("gun", 0, 0, 1, 1),), "train", chip=True)
    with pytest.raises(DataError, match="nothing but chips"):
        write_sheets([chip], "yolo", tmp_path / "out")
