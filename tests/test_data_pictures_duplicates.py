"""The same picture is found under any name, size, codec, brightness or mirrored; scenes stay on one side."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.picture_sources import scene, write_picture, write_yolo
from vedette_base.errors import DataError
from vedette_vision.prepare.audit import audit
from vedette_vision.prepare.cards import PictureCard, load_picture_card
from vedette_vision.prepare.findings import findings, words, write_all
from vedette_vision.prepare.look import Look, look_at
from vedette_vision.prepare.nearness import CLOSE, close_pairs, find_twins
from vedette_vision.prepare.preparation import prepare
from vedette_vision.prepare.scenes import order

LINE = "0 0.5 0.5 0.2 0.4\n"


def looks(folder: Path, *images: np.ndarray) -> list[Look]:
    return [look_at(write_picture(folder / f"{n}.png", image)) for n, image in enumerate(images)]


def changed(image: np.ndarray, how: str, folder: Path) -> Look:
    if how == "smaller":
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    elif how == "brighter":
        image = cv2.convertScaleAbs(image, alpha=0.7, beta=60)
    elif how == "grey":
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    elif how == "blurred":
        image = cv2.GaussianBlur(image, (9, 9), 0)
    elif how == "noisy":
        noise = np.random.default_rng(1).normal(0, 12, image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    elif how == "mirrored":
        image = np.ascontiguousarray(image[:, ::-1])
    path = folder / ("changed.jpg" if how == "jpeg" else "changed.png")
    if how == "jpeg":
        path.write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 20])[1].tobytes())
        return look_at(path)
    return look_at(write_picture(path, image))


@pytest.mark.parametrize("how", ["smaller", "brighter", "grey", "blurred", "noisy", "jpeg", "mirrored"])
def test_a_changed_copy_is_a_near_duplicate_and_strangers_are_none(how: str, tmp_path: Path) -> None:
    places = looks(tmp_path, *(scene(seed) for seed in range(12)))
    found = find_twins([*places, changed(scene(7), how, tmp_path)])
    kind = "mirrored" if how == "mirrored" else "near"
    assert [(twin.first, twin.second, twin.kind) for twin in found] == [(7, 12, kind)]


def test_copies_are_exact_and_plain_pictures_resemble_nothing(tmp_path: Path) -> None:
    black, white = np.zeros((80, 120, 3), np.uint8), np.full((80, 120, 3), 255, np.uint8)
    found = find_twins(looks(tmp_path, scene(1), black, scene(1), white, black))
    assert [(twin.first, twin.second, twin.kind) for twin in found] == [(0, 2, "exact"), (1, 4, "exact")]
    assert find_twins([]) == ()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.lists(st.integers(0, 63), max_size=CLOSE))
def test_no_close_pair_of_hashes_is_missed_and_none_given_twice(numbers: list[int], bits: list[int]) -> None:
    if numbers:
        numbers = [*numbers, numbers[0] ^ sum({1 << bit for bit in bits})]
    hashes = np.array(numbers, np.uint64)
    found = list(close_pairs(hashes, hashes))
    brute = {
        (i, j)
        for i in range(len(numbers))
        for j in range(i + 1, len(numbers))
        if (numbers[i] ^ numbers[j]).bit_count() <= CLOSE
    }
    assert len(found) == len(set(found))
    assert set(found) == brute


def test_ten_thousand_hashes_are_searched_in_a_moment() -> None:
    rng = np.random.default_rng(2)
    hashes = rng.integers(0, 2**63, 10_000, dtype=np.uint64)
    hashes[9_000:] = hashes[:1_000] ^ np.uint64(0b101)
    assert {(i, i + 9_000) for i in range(1_000)} <= set(close_pairs(hashes, hashes))
    with pytest.raises(ValueError, match="at most 7"):
        list(close_pairs(hashes, hashes, 8))


def video(root: Path, seed: int, name: str, frames: int) -> None:
    for number in range(frames):
        write_picture(root / "train" / "images" / f"{name}{number}.jpg", scene(seed, shift=number))
        label = root / "train" / "labels" / f"{name}{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(LINE)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Eight scenes of four frames, numbered through: nothing but their looks tells where one ends."""
    root = tmp_path / "films"
    for take in range(8):
        for number in range(4):
            write_picture(
                root / "train" / "images" / f"frame_{4 * take + number:03d}.jpg", scene(take, shift=number)
            )
            label = root / "train" / "labels" / f"frame_{4 * take + number:03d}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(LINE)
    (root / "data.yaml").write_text("train: train/images\nnames: [pistol]\n")
    return root


def test_scenes_are_estimated_with_evidence_and_stay_on_one_side(films: Path) -> None:
    prepared = prepare(load_picture_card("yolo"), films)
    groups = defaultdict(list)
    for entry in prepared.entries:
        groups[entry.group].append(int(entry.path[-7:-4]) // 4)
    assert sorted(groups.values()) == [[take] * 4 for take in range(8)]
    sides = defaultdict(set)
    for entry in prepared.entries:
        sides[entry.group].add(entry.split)
    assert all(len(found) == 1 for found in sides.values())
    assert {entry.split for entry in prepared.entries} == {"train", "val"}
    assert len(prepared.scenes) == 8
    assert all(one.pictures == 4 and one.weakest > 0.65 for one in prepared.scenes)
    assert all(one.before < 0.65 for one in prepared.scenes)


def test_frames_are_put_in_order_by_their_numbers_and_not_by_an_appended_hash() -> None:
    names = [f"v/cam_frame_{n}{end}.jpg" for n, end in ((10, "_0a1b2c"), (9, "_ff00aa"), (100, "_1d1d1d"))]
    assert [name.split("_")[2] for name in sorted(names, key=order)] == ["9", "10", "100"]


def test_names_that_differ_in_their_last_number_are_one_video_where_the_card_says_so(tmp_path: Path) -> None:
    names = ["fight0001", "fight0002", "clip2_frame_3_0a1b2c", "clip2_frame_4", "clip3_frame_4", "photo"]
    root = write_yolo(tmp_path, {"train": [(name, LINE) for name in names]}, ["pistol"])
    card = load_picture_card("yolo").model_copy(update={"scenes": "sequence"})
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in prepare(card, root).entries:
        groups[entry.group].append(Path(entry.path).stem)
    assert sorted(sorted(found) for found in groups.values()) == [
        ["clip2_frame_3_0a1b2c", "clip2_frame_4"], ["clip3_frame_4"], ["fight0001", "fight0002"], ["photo"],
    ]  # fmt: skip


def test_names_tell_scenes_where_the_card_says_how(tmp_path: Path) -> None:
    for seed, camera in enumerate(("Cam1", "Cam5", "Cam7")):
        for number in range(2):
            write_picture(tmp_path / f"{camera}-Segment_0_frame_{number}.jpg", scene(10 * seed + number))
            (tmp_path / f"{camera}-Segment_0_frame_{number}.xml").write_text(
                "<annotation><size><width>120</width><height>80</height></size><object><name>Handgun</name><bndbox>"
                "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
            )
    card = load_picture_card("us_mock_attack")
    found = {(entry.group, entry.split) for entry in prepare(card, tmp_path).entries}
    assert found == {
        ("us_mock_attack/Cam1", "val"), ("us_mock_attack/Cam5", "train"), ("us_mock_attack/Cam7", "train"),
    }  # fmt: skip
    with pytest.raises(DataError, match="no picture of val_scenes us_mock_attack/Cam9"):
        prepare(card.model_copy(update={"val_scenes": ("Cam9",)}), tmp_path)


def test_the_publishers_split_is_kept_on_request_and_its_leaks_are_counted(tmp_path: Path) -> None:
    root = write_yolo(
        tmp_path,
        {"train": [(f"t{n}", LINE) for n in range(4)], "valid": [(f"v{n}", LINE) for n in range(3)]},
        ["pistol"],
    )
    copy = root / "valid" / "images" / "v0.jpg"
    copy.write_bytes((root / "train" / "images" / "t0.jpg").read_bytes())
    card = load_picture_card("yolo").model_copy(update={"keep_split": True})
    prepared = prepare(card, root)
    assert prepared.crossing == (("train/images/t0.jpg", "valid/images/v0.jpg"),)
    sides = {Path(entry.path).stem: entry.split for entry in prepared.entries}
    assert sides == {
        "t0": "train",
        "t1": "train",
        "t2": "train",
        "t3": "train",
        "v0": "train",
        "v1": "val",
        "v2": "val",
    }
    assert findings(prepared)["duplicates_across_the_split"] == [
        ["train/images/t0.jpg", "valid/images/v0.jpg"]
    ]
    assert any("on both sides of its former split: 1 pairs" in line for line in words(prepared))


def test_a_label_of_one_scene_is_said_to_be_unsplittable(films: Path) -> None:
    (films / "data.yaml").write_text("train: train/images\nnames: [pistol, knife]\n")
    (films / "train" / "labels" / "frame_001.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    prepared = prepare(load_picture_card("yolo"), films)
    assert prepared.whole == ("knife",)
    assert {e.split for e in prepared.entries if "knife" in e.labels} == {"train"}
    assert any("label knife is in one scene only" in line for line in words(prepared))


def test_audit_joins_sources_that_share_a_scene(films: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    video(other, 3, "clip", 2)
    (other / "data.yaml").write_text("train: train/images\nnames: [pistol]\n")
    paths = []
    for number, root in enumerate((films, other)):
        card = PictureCard.model_validate(load_picture_card("yolo").model_dump() | {"name": f"s{number}"})
        paths.append(tmp_path / f"{number}.jsonl")
        write_all(prepare(card, root), paths[-1])
    paths[1].write_text(paths[1].read_text().replace('"train/s1"', '"val/s1"'))
    joined = audit(paths, tmp_path)
    shared = {(entry.group, entry.split) for entry in joined.entries if "clip" in entry.path}
    assert len(shared) == 1
    group, side = shared.pop()
    assert {entry.split for entry in joined.entries if entry.group == group} == {side}


def test_the_public_val_set_holds_mirrored_copies_of_train(datasets: Path) -> None:
    """A leak that no file name check shows: phone pictures were mirrored before they were split."""
    root = datasets / "vision"
    names = (
        "train/images/phone_use__phone_call151_0_b5b3b0.jpg",
        "val/images/phone_use__phone_call151_0_flip_6d6662.jpg",
    )
    (twin,) = find_twins([look_at(root / name) for name in names])
    assert twin.kind == "mirrored"
