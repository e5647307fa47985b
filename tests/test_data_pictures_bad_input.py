"""What is wrong with a picture or a label is said by name, in one line; nothing is skipped in silence."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.picture_sources import CMYK_JPEG, coco, scene, voc, write_picture, write_yolo
from vedette_base.errors import DataError
from vedette_vision.dataset import load_pictures
from vedette_vision.prepare.audit import audit
from vedette_vision.prepare.cards import load_picture_card
from vedette_vision.prepare.findings import words, write_all
from vedette_vision.prepare.header import read_header
from vedette_vision.prepare.labelled import Remark
from vedette_vision.prepare.look import look_at
from vedette_vision.prepare.preparation import Prepared, prepare

CENTRE = "0 0.5 0.5 0.2 0.4\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five good pictures of a knife each."""
    return write_yolo(
        tmp_path / "set", {"train": [(f"good{n}", CENTRE) for n in "abcde"]}, ["knife", "pistol"]
    )


def add(root: Path, name: str, lines: str | None = CENTRE, image: np.ndarray | None = None) -> Path:
    picture = write_picture(root / "train" / "images" / name, scene(99) if image is None else image)
    if lines is not None:
        (root / "train" / "labels" / f"{Path(name).stem}.txt").write_text(lines)
    return picture


def run(root: Path, *, skip_broken: bool = False, card: str = "yolo") -> Prepared:
    return prepare(load_picture_card(card), root, skip_broken=skip_broken)


def remarks(prepared: Prepared, flag: str) -> list[Remark]:
    return [remark for remark in prepared.remarks if remark.flag == flag]


def test_labels_without_pictures_and_pictures_without_labels_are_named(root: Path) -> None:
    add(root, "bare.jpg", None)
    (root / "train" / "labels" / "lost.txt").write_text(CENTRE)
    prepared = run(root)
    assert len(prepared.entries) == 5
    assert prepared.left_out == (
        ("train/labels/lost.txt", "no picture belongs to it"),
        ("train/images/bare.jpg", "no label file belongs to it"),
    )
    assert sum(line.startswith("left out: train/") for line in words(prepared)) == 2


def test_two_pictures_of_one_label_file_are_told(root: Path) -> None:
    add(root, "gooda.png", None)
    prepared = run(root)
    assert prepared.left_out == (
        ("train/images/gooda.png", "its label file belongs to train/images/gooda.jpg"),
    )


def test_pictures_without_labels_are_background_only_where_the_card_says_so(root: Path) -> None:
    add(root, "bare.jpg", None)
    card = load_picture_card("yolo").model_copy(update={"unlabelled": "background"})
    prepared = prepare(card, root)
    assert {e.path: e.boxes for e in prepared.entries}["train/images/bare.jpg"] == ()
    assert any("nothing on 1 pictures" in line for line in words(prepared))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("7 0.5 0.5 0.2 0.2\n", "line 1: class id 7 is out of range, ids are 0..1"),
        ("-1 0.5 0.5 0.2 0.2\n", "class id -1 is out of range"),
        ("0.5 0.5 0.5 0.2 0.2\n", "class id 0.5 is out of range"),
        (CENTRE + "0 0.5 0.5 nan 0.2\n", "line 2: a number is not finite"),
        ("knife 0.5 0.5 0.2 0.2\n", "line 1: not numbers"),
        ("0 0.5 0.5 0.2\n", "line 1: 4 numbers"),
        ("0 0.5 0.5 0.2 0.2 0.9\n", "a sixth is a score"),
    ],
)
def test_a_line_that_is_no_box_stops_it_unless_it_may_be_left_out(root: Path, lines: str, said: str) -> None:
    add(root, "odd.jpg", lines)
    with pytest.raises(DataError, match="1 of 6 files cannot be used") as caught:
        run(root)
    assert said in str(caught.value)
    assert "--skip-broken" in caught.value.hint
    prepared = run(root, skip_broken=True)
    assert len(prepared.entries) == 5
    assert [path for path, _ in prepared.left_out] == ["train/images/odd.jpg"]


def test_coco_category_ids_out_of_range_are_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.jpg", scene(1))
    (tmp_path / "a.json").write_text(coco([("a.jpg", (120, 80))], [(0, 9, (1, 1, 9, 9))]))
    with pytest.raises(DataError, match=r"category id 9 is out of range, ids are \[1, 2\]"):
        run(tmp_path, card="coco")


def test_boxes_outside_are_clipped_or_left_out_and_boxes_of_no_area_are_left_out(root: Path) -> None:
    lines = "0 0.95 0.5 0.2 0.4\n0 1.5 0.5 0.2 0.4\n1 0.5 0.5 0.0 0.4\n1 0.5 0.5 0.1 0.1\n"
    path = "train/images/odd.jpg"
    add(root, "odd.jpg", lines)
    prepared = run(root)
    boxes = {entry.path: entry.boxes for entry in prepared.entries}[path]
    assert [box.label for box in boxes] == ["knife", "pistol"]
    assert boxes[0].x2 == 1.0
    said = [remark.evidence for remark in remarks(prepared, "outside")]
    assert said == [
        "knife [102, 24, 126, 56] in 120x80: clipped",
        "knife [168, 24, 192, 56] in 120x80: left out",
    ]
    assert [r.evidence for r in remarks(prepared, "no_area")] == [
        "pistol [60, 24, 60, 56] in 120x80: left out"
    ]
    assert {entry.path: entry.flag for entry in prepared.entries}[path] == "outside+no_area"


def test_a_box_a_pixel_over_the_edge_is_rounding(root: Path) -> None:
    add(root, "edge.jpg", "0 0.9 0.5 0.206 0.4\n")
    assert remarks(run(root), "outside") == []


def test_the_same_box_drawn_twice_is_kept_once(root: Path) -> None:
    add(root, "twice.jpg", CENTRE * 2)
    prepared = run(root)
    assert len(remarks(prepared, "twice")) == 1
    assert all(len(entry.boxes) == 1 for entry in prepared.entries)


def test_empty_truncated_and_foreign_files_are_no_pictures(root: Path) -> None:
    whole = add(root, "cut.jpg", image=np.tile(scene(5), (4, 4, 1)))
    whole.write_bytes(whole.read_bytes()[:-400])
    png = add(root, "cut2.png")
    png.write_bytes(png.read_bytes()[:-20])
    add(root, "empty.jpg").write_bytes(b"")
    add(root, "text.jpg").write_bytes(b"no picture at all")
    prepared = run(root, skip_broken=True)
    assert dict(prepared.left_out) == {
        "train/images/cut.jpg": "is cut off: its end is missing",
        "train/images/cut2.png": "is cut off: its end is missing",
        "train/images/empty.jpg": "is empty",
        "train/images/text.jpg": "cannot be decoded",
    }


def test_an_animated_gif_is_not_taken_for_one_picture(root: Path) -> None:
    screen = b"GIF89a" + struct.pack("<HHBBB", 2, 2, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 2, 2, 0) + b"\x02\x02\x4c\x01\x00"
    path = (
        add(root, "moving.gif", image=scene(1))
        if cv2.haveImageWriter("a.gif")
        else root / "train/images/moving.gif"
    )
    path.write_bytes(screen + frame + frame + b"\x3b")
    (root / "train" / "labels" / "moving.txt").write_text(CENTRE)
    assert read_header(path).frames == 2
    prepared = run(root, skip_broken=True)
    assert dict(prepared.left_out) == {"train/images/moving.gif": "holds 2 pictures: take it apart first"}


def test_four_inks_and_sixteen_bits_are_read_and_said(root: Path) -> None:
    add(root, "inks.jpg").write_bytes(base64.b64decode(CMYK_JPEG))
    add(root, "deep.png", image=scene(3).astype(np.uint16) * 16)
    prepared = run(root)
    (inks,), (deep,) = remarks(prepared, "cmyk"), remarks(prepared, "deep")
    assert (inks.path, deep.path) == ("train/images/inks.jpg", "train/images/deep.png")
    assert "16 bits a colour: read as 8, its brightest pixel is 1" in deep.evidence
    assert len(prepared.entries) == 7


def test_a_panorama_is_looked_at_and_said_to_be_huge(root: Path) -> None:
    wide = cv2.resize(scene(4), (20_000, 400), interpolation=cv2.INTER_NEAREST)
    add(root, "wide.jpg", image=wide)
    prepared = run(root)
    (remark,) = remarks(prepared, "huge")
    assert remark.evidence.startswith("20000x400: cut it into tiles")
    assert {e.path: e.size for e in prepared.entries}["train/images/wide.jpg"] == (20_000, 400)


def test_boxes_lie_on_the_upright_picture(tmp_path: Path) -> None:
    """A camera held upright stores a lying picture: labels of either are brought to the one that is seen."""
    image = np.full((80, 120, 3), 90, np.uint8)
    image[8:24, 96:114] = (0, 0, 255)  # upper right as stored; orientation 6 turns it to the lower right
    for name in ("stored", "upright"):
        write_picture(tmp_path / f"{name}.jpg", image, turned=6)
    (tmp_path / "stored.xml").write_text(voc((120, 80), [("pistol", (96, 8, 114, 24))]))
    (tmp_path / "upright.xml").write_text(voc((80, 120), [("pistol", (56, 96, 72, 114))]))
    prepared = run(tmp_path, card="voc")
    assert {remark.path for remark in remarks(prepared, "turned")} == {"stored.jpg", "upright.jpg"}
    assert [remark.path for remark in remarks(prepared, "boxes_turned")] == ["stored.jpg"]
    write_all(prepared, tmp_path / "manifest.jsonl")
    found = [*load_pictures(tmp_path, "train")]
    for picture in found:
        pixels = picture.read()
        height, width = pixels.shape[:2]
        assert (width, height) == (80, 120)
        x1, y1, x2, y2 = (picture.labels[0, 1:] * [width, height, width, height]).astype(int)
        inside = pixels[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].reshape(-1, 3).mean(axis=0)
        assert inside[2] > 200 > 100 > inside[0]


def test_labels_of_another_size_are_scaled_and_said(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.jpg", scene(1))
    (tmp_path / "a.xml").write_text(voc((1920, 1280), [("pistol", (192, 128, 960, 640))]))
    prepared = run(tmp_path, card="voc")
    assert [remark.evidence for remark in remarks(prepared, "scaled")] == [
        "labels say 1920x1280, the picture has 120x80"
    ]
    assert prepared.entries[0].boxes[0].x1 == pytest.approx(0.1)


def test_two_pictures_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_picture(tmp_path / folder / "a.jpg", scene(len(folder)))
    (tmp_path / "a.xml").write_text(voc((120, 80), []))
    with pytest.raises(DataError, match="2 pictures are called a"):
        run(tmp_path, card="voc")


def test_nothing_but_broken_pictures_is_refused(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, {"train": [("a", CENTRE)]}, ["knife"])
    (root / "train" / "images" / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="none of 1 pictures can be used"):
        run(root, skip_broken=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"knife"', '"knive"'), "line 1: unknown label 'knive'"),
        (('"train/', '"test/'), "begins neither with train/ nor with val/"),
        (("goodb.jpg", "gone.jpg"), "1 of 5 files are missing: train/images/gone.jpg"),
        (("goodb.jpg", "goodc.jpg"), "some files are listed twice"),
        (('"group"', '"gruop"'), "line 1: no group"),
        (("0.2, 0.4]", '"0.2", 0.4]'), "holds what is no number"),
        (("0.2, 0.4]", "0.2]"), "a box is"),
        (("{", "("), "line 1: not JSON"),
        (('"fine": ["knife"]', '"fine": []'), "line"),
    ],
)
def test_a_manifest_with_something_wrong_is_refused_by_line(
    root: Path, change: tuple[str, str], said: str
) -> None:
    path = root / "manifest.jsonl"
    write_all(run(root), path)
    text = path.read_text()
    assert change[0] in text
    path.write_text(
        text.replace(*change) if change[0] != '"fine": ["knife"]' else text.replace('["knife"]', '["a", "b"]')
    )
    with pytest.raises(DataError, match=said):
        audit([path], root)


def test_a_missing_file_is_no_picture(tmp_path: Path) -> None:
    assert "cannot be read" in look_at(tmp_path / "none.jpg").fault
    assert "cannot be read" in read_header(tmp_path / "none.jpg").fault
