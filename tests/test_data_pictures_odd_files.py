"""Label files and names as careless people and tools leave them: one line that says which, no traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Command
from tests.picture_sources import coco, scene, voc, write_picture, write_yolo
from vedette_base.errors import DataError
from vedette_vision.dataset import data_hash, load_pictures
from vedette_vision.prepare.compare import read_label_set
from vedette_vision.prepare.labelled import picture_files
from vedette_vision.prepare.look import stored_size
from vedette_vision.prepare.manifest import read_entries
from vedette_vision.prepare.openimages import read_openimages
from vedette_vision.prepare.sources import read_folder

BOX = "0 .5 .5 .2 .2\n"
VOC = voc((120, 80), [("pistol", (1, 1, 50, 50))])


def yolo(root: Path, description: bytes) -> Path:
    write_yolo(root, {"train": [("a", BOX), ("b", BOX)]}, ["pistol"])
    (root / "data.yaml").write_bytes(description)
    return root


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"names: {0: pistol, a: knife}\n", "names must be numbered"),
        (b"names: pistol\n", "names must be a list"),
        (b"names: [pistol]\ntrain: 5\n", "train must be a folder"),
        (b"names: [pistol]\ntrain: list.txt\n", "list.txt: cannot be read"),
    ],
)
def test_a_description_that_makes_no_sense_is_one_line(tmp_path: Path, text: bytes, said: str) -> None:
    root = yolo(tmp_path, text)
    (root / "list.txt").write_bytes(b"train/images/\xe9.jpg\n")
    with pytest.raises(DataError, match=said):
        read_folder(root)


def test_class_names_may_begin_with_a_byte_order_mark_and_must_be_text(tmp_path: Path) -> None:
    root = yolo(tmp_path, b"")
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_bytes(b"\xef\xbb\xbfpistol\n")
    assert {box.name for picture in read_folder(root).pictures for box in picture.boxes} == {"pistol"}
    (root / "classes.txt").write_bytes(b"pist\xe9l\n")
    with pytest.raises(DataError, match=r"classes\.txt: cannot be read"):
        read_folder(root)


@pytest.mark.parametrize("ending", [".webp", ".bmp", ".png"])
def test_labels_without_a_size_ask_a_picture_of_any_format(tmp_path: Path, ending: str) -> None:
    picture = write_picture(tmp_path / f"v/a{ending}", scene(1))
    assert stored_size(picture) == (120, 80)
    (tmp_path / "v/a.xml").write_text(VOC.replace("<width>120", "<width>0"))
    write_picture(tmp_path / f"c/a{ending}", scene(1))
    (tmp_path / "c/c.json").write_text(coco([(f"a{ending}", (0, 0))], [(0, 1, (1, 1, 49, 49))]))
    for form in ("v", "c"):
        (found,) = read_folder(tmp_path / form).pictures
        assert found.boxes[0].x2 == pytest.approx(50 / 120, abs=0.01)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "not XML"),
        (b"<svg/>", "no VOC annotation"),
        (b"", "not XML"),
    ],
)
def test_a_foreign_xml_file_is_named_and_never_read_as_an_empty_picture(
    tmp_path: Path, content: bytes, said: str
) -> None:
    for stem, xml in (("a", content), ("b", VOC.encode())):
        write_picture(tmp_path / f"{stem}.jpg", scene(1))
        (tmp_path / f"{stem}.xml").write_bytes(xml)
    source = read_folder(tmp_path)
    assert [picture.path for picture in source.pictures] == ["b.jpg"]
    ((path, reason),) = source.broken
    assert path == "a.xml"
    assert said in reason
    with pytest.raises(DataError, match=r"a\.xml: "):  # which file it was
        read_label_set(tmp_path)


def test_a_dangling_link_among_annotations_does_not_end_the_rest(tmp_path: Path) -> None:
    write_picture(tmp_path / "b.jpg", scene(1))
    (tmp_path / "b.xml").write_text(VOC)
    (tmp_path / "a.xml").symlink_to(tmp_path / "gone.xml")
    (tmp_path / "c.jpg").symlink_to(tmp_path / "gone.jpg")
    assert picture_files(tmp_path) == ["b.jpg", "c.jpg"]  # named, not passed over
    source = read_folder(tmp_path)
    assert len(source.pictures) == 1
    assert source.broken[0][0] == "a.xml"


def change(*place: Any) -> Callable[[dict[str, Any]], None]:
    """Sets a value deep in a COCO table: keys, then the value."""

    def made(table: Any) -> None:
        *keys, last, value = place
        for key in keys:
            table = table[key]
        table[last] = value

    return made


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (change("categories", 0, "id", "x"), r"categories\[0\]: id must be a whole number"),
        (change("categories", 1, "id", 1), "id 1 is given twice"),
        (change("images", None), "images must be a list"),
        (change("images", 0, "id", [1]), r"images\[0\]: id must be"),
        (change("images", 1, "id", 0), "images: id 0 is given twice"),
        (change("images", 0, "file_name", None), "file_name must be text"),
        (change("annotations", 0, "image_id", [1]), "image_id must be"),
        (change("annotations", 0, "category_id", None), "category_id must be a whole number"),
        (change("annotations", 0, "bbox", [10**400, 1, 1, 1]), "no box of four numbers"),
    ],
)
def test_coco_entries_of_the_wrong_kind_are_named(
    tmp_path: Path, made: Callable[[dict[str, Any]], None], said: str
) -> None:
    for name in "ab":
        write_picture(tmp_path / f"{name}.jpg", scene(ord(name)))
    table = json.loads(coco([("a.jpg", (120, 80)), ("b.jpg", (120, 80))], [(0, 1, (1, 1, 20, 20))]))
    made(table)
    file = tmp_path / "c.json"
    file.write_text(json.dumps(table))
    with pytest.raises(DataError, match=said):
        read_label_set(file)


@pytest.mark.parametrize("text", ["[" * 200_000, "\ufeff{}"])
def test_json_that_is_no_coco_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(DataError):
        read_label_set(tmp_path / "c.json")


def test_a_picture_with_two_label_files_is_named_and_taken_once(tmp_path: Path) -> None:
    write_picture(tmp_path / "x/a.jpg", scene(1))
    for folder in "xy":
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.xml").write_text(VOC)
    source = read_folder(tmp_path)
    assert [picture.path for picture in source.pictures] == ["x/a.jpg"]
    assert source.broken == (("x/a.jpg", "is labelled 2 times, by several files"),)


def test_an_open_images_table_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "class-descriptions.csv").write_bytes(b"/m/1,Pist\xe9l\n")
    (tmp_path / "train-annotations-bbox.csv").write_text("ImageID,LabelName,XMin,XMax,YMin,YMax\n")
    with pytest.raises(DataError, match=r"class-descriptions\.csv: cannot be read"):
        read_openimages(tmp_path, frozenset())


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 5},
        {"size": ["a", "b"]},
        {"fine": 5},
        {"boxes": 5},
        {"file": 5},
        {"boxes": [[["pistol"], 0.5, 0.5, 0.1, 0.1]]},
        {"boxes": [["pistol", 10**400, 0.5, 0.1, 0.1]]},
    ],
)
def test_values_of_the_wrong_kind_in_a_manifest_are_refused_by_line(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    write_picture(tmp_path / "a.jpg", scene(1))
    right = {"file": "a.jpg", "subset": "train/x", "group": "1", "boxes": []}
    file = tmp_path / "manifest.jsonl"
    file.write_text(json.dumps(right) + "\n\n" + json.dumps(right | wrong) + "\n")
    with pytest.raises(DataError, match="line 3") as caught:
        read_entries(file)
    assert len(str(caught.value)) < 400
    if "boxes" in wrong or "file" in wrong:  # what training does not read, it does not judge
        with pytest.raises(DataError, match=":3: "):
            load_pictures(tmp_path, "train")


def test_a_manifest_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        load_pictures(tmp_path, "train")


def test_names_that_are_not_utf8_go_all_the_way(vedette: Command) -> None:
    """OpenCV's imread ends the process with a segmentation fault at such a name."""
    root = vedette.folder / "source"
    (root / "train/labels").mkdir(parents=True)
    (root / "data.yaml").write_text("names: [pistol]\n")
    picture = write_picture(root / "train/images/plain.jpg", scene(1))
    other = os.fsencode(root / "train/images") + b"/\xff.jpg"
    os.rename(write_picture(root / "train/images/x.jpg", scene(2)), other)
    (root / "train/labels/plain.txt").write_text(BOX)
    with open(os.fsencode(root / "train/labels") + b"/\xff.txt", "w") as file:
        file.write(BOX)
    assert vedette("data", "prepare", "yolo", "--root", root).code == 0
    assert vedette("data", "check", "manifest.jsonl").code == 0
    assert vedette("data", "summary", "manifest.jsonl").code == 0
    read = load_pictures(vedette.folder, "train")
    assert [p.size for p in read] == [(120, 80)] * 2
    assert len(data_hash(read)) == 64
    for form in ("yolo", "voc", "coco"):
        assert vedette("data", "convert", root, "--to", form, "--out", form).code == 0
        assert len(read_folder(vedette.folder / form).pictures) == 2
    assert picture.is_file()
    drafted = vedette("data", "autolabel", root / "train/images", "--min-probability", "1")
    assert (drafted.code, drafted.said) == (0, [])


def test_an_unknown_card_is_answered_with_cards_of_both_kinds(vedette: Command) -> None:
    result = vedette("data", "prepare", "yolox", "--root", ".")
    assert result.code == 2
    assert result.said == ["no dataset card 'yolox'"]
    assert " yolo;" in result.hints[0]
    assert "urbansound8k" in result.hints[0]
