"""Every layout gives the same kind of picture, and what does not fit its card is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.picture_sources import coco, scene, voc, write_picture, write_yolo
from vedette_base.errors import ConfigError, DataError
from vedette_vision.prepare.cards import (
    PictureCard,
    is_picture_card,
    load_picture_card,
    shipped_picture_cards,
)
from vedette_vision.prepare.labelled import Labelled, Source
from vedette_vision.prepare.preparation import prepare
from vedette_vision.prepare.sources import read_source


def by_stem(source: Source) -> dict[str, Labelled]:
    return {Path(picture.path).stem: picture for picture in source.pictures}


def corners(picture: Labelled, number: int = 0) -> tuple[float, ...]:
    box = picture.boxes[number]
    return tuple(round(edge, 4) for edge in (box.x1, box.y1, box.x2, box.y2))


def flags(source: Source) -> dict[str, str]:
    return {remark.path: remark.flag for remark in source.remarks}


def test_every_shipped_card_can_be_read_and_says_where_its_pictures_are() -> None:
    names = shipped_picture_cards()
    assert {
        "new_weapon_dataset",
        "sohas",
        "granada_armas",
        "us_mock_attack",
        "deepcam",
        "open_images",
    } <= set(names)
    for name in names:
        card = load_picture_card(name)
        assert card.where, name
        assert card.licence, name
        assert is_picture_card(name)
    assert not is_picture_card("kaggle_tuncer2021")


def test_cards_map_the_names_of_the_field_to_four_classes() -> None:
    classes = load_picture_card("yolo").classes
    assert {classes[name] for name in ("handgun", "revolver", "pistol")} == {"pistol"}
    assert {classes[name] for name in ("rifle", "shotgun")} == {"long_gun"}
    assert {classes[name] for name in ("phone", "wallet", "card", "banknote")} == {"no_weapon"}


def test_a_card_with_a_wrong_label_or_pattern_is_refused(tmp_path: Path) -> None:
    text = "name: a\ntitle: b\nwhere: c\nlicence: d\nlayout: yolo\n"
    (tmp_path / "card.yaml").write_text(text + "classes: {gun: pistole}\n")
    with pytest.raises(ConfigError, match="pistole"):
        load_picture_card(tmp_path / "card.yaml")
    (tmp_path / "card.yaml").write_text(text + "classes: {gun: pistol}\ngroup_pattern: 'no bracket'\n")
    with pytest.raises(ConfigError, match="needs one bracket"):
        load_picture_card(tmp_path / "card.yaml")
    with pytest.raises(ConfigError, match="no dataset card 'sohaz'"):
        load_picture_card("sohaz")


def test_yolo_boxes_outlines_and_turned_boxes(tmp_path: Path) -> None:
    write_yolo(
        tmp_path,
        {
            "train": [
                ("box", "1 0.5 0.5 0.2 0.4\n"),
                ("outline", "0 0.1 0.2 0.5 0.1 0.4 0.6\n"),
                ("turned", "0 0.2 0.1 0.6 0.3 0.5 0.5 0.1 0.3\n"),
            ],
            "valid": [("empty", "")],
        },
        ["knife", "pistol"],
    )
    found = by_stem(read_source(load_picture_card("yolo"), tmp_path))
    assert (found["box"].boxes[0].name, corners(found["box"])) == ("pistol", (0.4, 0.3, 0.6, 0.7))
    assert corners(found["outline"]) == (0.1, 0.1, 0.5, 0.6)
    assert corners(found["turned"]) == (0.1, 0.1, 0.6, 0.5)
    assert found["turned"].boxes[0].polygon
    assert found["empty"].boxes == ()
    assert {stem: picture.side for stem, picture in found.items()} == {
        "box": "train", "outline": "train", "turned": "train", "empty": "val",
    }  # fmt: skip


def test_yolo_names_may_be_numbered_or_lie_in_classes_txt(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"train": [("a", "1 0.5 0.5 0.2 0.4\n")]}, ["x"])
    (tmp_path / "data.yaml").write_text("train: train/images\nnames: {0: knife, 1: pistol}\n")
    assert by_stem(read_source(load_picture_card("yolo"), tmp_path))["a"].boxes[0].name == "pistol"
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("pistol\nknife\n")
    assert by_stem(read_source(load_picture_card("yolo"), tmp_path))["a"].boxes[0].name == "knife"
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(DataError, match="no class names"):
        read_source(load_picture_card("yolo"), tmp_path)


def test_voc_finds_pictures_in_folders_of_their_own(tmp_path: Path) -> None:
    write_picture(tmp_path / "Weapons" / "armas (1).jpg", scene(1))
    (tmp_path / "xmls").mkdir()
    text = voc((240, 160), [("pistol", (24, 16, 120, 80))], filename="armas (1)")
    (tmp_path / "xmls" / "armas (1).xml").write_text(text)
    found = by_stem(read_source(load_picture_card("granada_armas"), tmp_path))
    assert corners(found["armas (1)"]) == (0.1, 0.1, 0.5, 0.5)
    assert found["armas (1)"].size == (240, 160)


def test_voc_without_a_size_asks_the_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.jpg", scene(1))
    (tmp_path / "a.xml").write_text(voc((0, 0), [("pistol", (12, 8, 60, 40))]))
    assert corners(by_stem(read_source(load_picture_card("voc"), tmp_path))["a"]) == (0.1, 0.1, 0.5, 0.5)


def test_voc_with_entities_is_not_parsed(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.jpg", scene(1))
    (tmp_path / "a.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]>' + voc((9, 9), []))
    source = read_source(load_picture_card("voc"), tmp_path)
    assert source.broken == (("a.xml", "defines entities, which no label file needs"),)


def test_coco_boxes_crowds_and_outlines(tmp_path: Path) -> None:
    write_picture(tmp_path / "val" / "a.jpg", scene(1))
    (tmp_path / "annotations").mkdir()
    text = coco([("a.jpg", (120, 80))], [(0, 1, (12, 8, 48, 32)), (0, 2, (0, 0, 12, 8))])
    text = text.replace('"id": 1, "image_id": 0', '"id": 1, "iscrowd": 1, "image_id": 0')
    (tmp_path / "annotations" / "instances_val.json").write_text(text)
    picture = by_stem(read_source(load_picture_card("coco"), tmp_path))["a"]
    assert (picture.boxes[0].name, corners(picture), picture.side) == ("handgun", (0.1, 0.1, 0.5, 0.5), "val")
    assert picture.boxes[1].vague
    outline = text.replace('"bbox": [12, 8, 48, 32]', '"segmentation": [[12, 8, 60, 8, 60, 40]]')
    (tmp_path / "annotations" / "instances_val.json").write_text(outline)
    assert corners(by_stem(read_source(load_picture_card("coco"), tmp_path))["a"]) == (0.1, 0.1, 0.5, 0.5)


def test_deepcam_keeps_detector_and_chips_apart(tmp_path: Path) -> None:
    for number, name in enumerate(
        (
            "detector/gun/a.jpg",
            "detector/gun/b.jpg",
            "detector/other/c.jpg",
            "classifier/gun/d.jpg",
            "classifier/other/e.jpg",
        )
    ):
        write_picture(tmp_path / name, scene(number))
    (tmp_path / "detector/gun/a.xml").write_text(voc((120, 80), [("gun", (12, 8, 60, 40))]))
    (tmp_path / "detector/gun/b.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    found = by_stem(read_source(load_picture_card("deepcam"), tmp_path))
    assert corners(found["a"]) == (0.1, 0.1, 0.5, 0.5)
    assert corners(found["b"]) == (0.4, 0.4, 0.6, 0.6)
    assert found["c"].boxes == ()
    assert {stem for stem, picture in found.items() if picture.chip} == {"d", "e"}
    entries = {Path(e.path).stem: e for e in prepare(load_picture_card("deepcam"), tmp_path).entries}
    assert [(box.label, box.fine) for box in entries["e"].boxes] == [("no_weapon", "other")]
    assert [(box.label, box.fine) for box in entries["a"].boxes] == [("gun", "gun")]


def test_open_images_takes_its_classes_and_ignores_drawings(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "0001.jpg", scene(1))
    write_picture(tmp_path / "images" / "0002.jpg", scene(2))
    (tmp_path / "class-descriptions-boxable.csv").write_text("/m/1,Handgun\n/m/2,Tree\n")
    (tmp_path / "train-annotations-bbox.csv").write_text(
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
        "0001,x,/m/1,1,0.1,0.5,0.2,0.6,0,0,0,0,0\n0001,x,/m/1,1,0.6,0.9,0.2,0.6,0,0,0,1,0\n"
        "0001,x,/m/2,1,0,1,0,1,0,0,0,0,0\n0003,x,/m/1,1,0.1,0.5,0.2,0.6,0,0,0,0,0\n"
    )
    source = read_source(load_picture_card("open_images"), tmp_path)
    assert corners(by_stem(source)["0001"]) == (0.1, 0.2, 0.5, 0.6)
    assert flags(source) == {"0003": "no_picture", "images/0002.jpg": "no_labels"}
    (entry,) = prepare(load_picture_card("open_images"), tmp_path).entries
    assert [box.label for box in entry.boxes] == ["pistol", "ignore"]


def test_a_class_outside_the_card_is_named_with_the_nearest(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"train": [("a", "0 0.5 0.5 0.2 0.4\n")]}, ["pistoll"])
    with pytest.raises(DataError, match="label 'pistoll' is not in the card's class list, nearest 'pistol'"):
        read_source(load_picture_card("yolo"), tmp_path)


def test_names_that_a_card_leaves_out_are_counted(tmp_path: Path) -> None:
    write_yolo(tmp_path, {"train": [("a", "0 0.5 0.5 0.2 0.4\n1 0.2 0.2 0.1 0.1\n")]}, ["Hand Gun", "dog"])
    card = PictureCard(
        name="t",
        title="t",
        where="t",
        licence="t",
        layout="yolo",
        classes={"hand_gun": "pistol"},
        left_out=("dog",),
    )
    prepared = prepare(card, tmp_path)
    assert [(box.label, box.fine) for box in prepared.entries[0].boxes] == [("pistol", "hand_gun")]
    assert dict(prepared.dropped) == {"dog": 1}


def test_a_folder_that_is_none_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_source(load_picture_card("yolo"), tmp_path / "none")
    (tmp_path / "data.yaml").write_text("names: [knife]\n")
    with pytest.raises(DataError, match="no labelled pictures in the layout 'yolo'"):
        read_source(load_picture_card("yolo"), tmp_path)
    with pytest.raises(DataError, match="neither detector/ nor classifier/"):
        read_source(load_picture_card("deepcam"), tmp_path)
    with pytest.raises(DataError, match="no COCO file"):
        read_source(load_picture_card("coco"), tmp_path)
    (tmp_path / "data.yaml").write_text("- a\n")
    with pytest.raises(DataError, match="must be 'key: value' lines"):
        read_source(load_picture_card("yolo"), tmp_path)
