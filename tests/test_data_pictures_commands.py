"""`vedette data` for pictures: what it writes can be trained on, and what it says is true."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import Command
from tests.picture_sources import scene, write_picture, write_yolo
from vedette_vision.dataset import load_pictures

LINES = "0 0.5 0.5 0.2 0.4\n1 0.25 0.25 0.1 0.1\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_yolo(
        tmp_path / "set",
        {"train": [(f"place{chr(97 + n)}", LINES) for n in range(10)]},
        ["handgun", "wallet"],
    )


def test_a_prepared_manifest_can_be_trained_on(vedette: Command, source: Path) -> None:
    result = vedette("data", "prepare", "yolo", "--root", source, "--out", "out/manifest.jsonl")
    assert result.code == 0, result.err
    assert "10 pictures of 10 scenes" in result.out
    out = vedette.folder / "out"
    train, val = load_pictures(out, "train"), load_pictures(out, "val")
    assert len(train) + len(val) == 10
    assert {picture.subset for picture in (*train, *val)} == {"own_yolo"}
    assert all(picture.read().shape == (80, 120, 3) for picture in (*train, *val))
    assert not {p.group for p in train} & {p.group for p in val}
    findings = json.loads((out / "manifest.findings.json").read_text())
    assert findings["boxes"] == {"pistol": 10, "no_weapon": 10}
    assert findings["finer_names"] == {"handgun": 10, "wallet": 10}
    assert (out / "manifest.scenes.csv").is_file()
    assert vedette("data", "check", "out/manifest.jsonl").code == 0


def test_the_default_name_says_what_is_in_it(vedette: Command, source: Path) -> None:
    assert vedette("data", "prepare", "yolo", "--root", source).code == 0
    assert (vedette.folder / "manifest.jsonl").is_file()


def test_check_names_duplicates_across_the_split_and_fails(vedette: Command, source: Path) -> None:
    assert vedette("data", "prepare", "yolo", "--root", source).code == 0
    path = vedette.folder / "manifest.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    copied = next(line for line in lines if line["subset"].startswith("train/"))
    twin = Path(copied["file"]).with_name("twin.jpg")
    (path.parent / twin).write_bytes((path.parent / copied["file"]).read_bytes())
    lines.append(copied | {"file": twin.as_posix(), "subset": "val/own_yolo", "group": "new"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = vedette("data", "check", "manifest.jsonl")
    assert result.code == 1
    assert f"on both sides of the split: {copied['file']} and {twin.as_posix()}" in result.out
    assert vedette("data", "join", "manifest.jsonl", "--out", "joined.jsonl").code == 0
    assert vedette("data", "check", "joined.jsonl").code == 0


def test_a_scene_in_both_parts_fails_the_check(vedette: Command, source: Path) -> None:
    assert vedette("data", "prepare", "yolo", "--root", source).code == 0
    path = vedette.folder / "manifest.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(record | {"group": "one"}) + "\n" for record in records))
    result = vedette("data", "check", "manifest.jsonl")
    assert result.code == 1
    assert "scene one is in train and in val" in result.out


def test_the_summary_is_one_page_with_charts_and_a_contact_sheet(vedette: Command, source: Path) -> None:
    assert vedette("data", "prepare", "yolo", "--root", source).code == 0
    result = vedette("data", "summary", "manifest.jsonl", "--out", "page")
    assert result.code == 0, result.err
    page = (vedette.folder / "page" / "summary.html").read_text()
    assert "10 pictures, 20 boxes, 10 scenes" in page
    for title in ("Classes and split", "Split mix", "Box size", "Picture size", "One or two pictures"):
        assert title in page
    assert page.count("data:image/jpeg;base64,") >= 2
    assert "handgun 10" in page
    assert "http" not in page.replace("http-equiv", "")


def test_names_from_a_manifest_cannot_become_markup(vedette: Command) -> None:
    write_picture(vedette.folder / "a.jpg", scene(1))
    record = {
        "file": "a.jpg", "subset": "train/<script>x", "source": "<b>s", "group": "<i>", "size": [120, 80],
        "boxes": [["knife", 0.5, 0.5, 0.1, 0.1]], "fine": ["<script>1</script>"],
    }  # fmt: skip
    (vedette.folder / "m.jsonl").write_text(json.dumps(record) + "\n")
    assert vedette("data", "summary", "m.jsonl", "--out", "page").code == 0
    assert "<script>" not in (vedette.folder / "page" / "summary.html").read_text()


@pytest.mark.parametrize("form", ["yolo", "voc", "coco"])
def test_convert_writes_what_can_be_prepared_again(vedette: Command, source: Path, form: str) -> None:
    result = vedette("data", "convert", source, "--to", form, "--out", form)
    assert result.code == 0, result.err
    assert "10 pictures, 20 boxes of 2 classes: handgun, wallet" in result.out
    again = vedette("data", "prepare", form, "--root", vedette.folder / form, "--out", f"{form}.jsonl")
    assert again.code == 0, again.err
    assert "10 pictures of 10 scenes" in again.out
    assert "is not empty" in vedette("data", "convert", source, "--to", form, "--out", form).said[0]


def test_convert_writes_the_folders_of_the_deepcam_set_and_reads_them(vedette: Command, source: Path) -> None:
    result = vedette("data", "convert", source, "--to", "deepcam", "--out", "cam")
    assert result.out == "10 in classifier/gun, 10 in classifier/other, 10 in detector/gun\n"
    back = vedette("data", "convert", "cam", "--to", "coco", "--out", "back")
    assert back.out == "10 pictures, 10 boxes of 1 classes: gun\n"
    assert back.said == ["left out: 20 chips, which show one thing each: --to deepcam has a place for them"]


def test_compare_labels_prints_a_table_or_json(vedette: Command, source: Path) -> None:
    other = vedette.folder / "other"
    write_yolo(
        other, {"train": [(f"place{chr(97 + n)}", LINES.split("\n")[0]) for n in range(10)]}, ["handgun"]
    )
    result = vedette("data", "compare-labels", source, other)
    assert result.code == 0, result.err
    assert "10 pictures in both, 0 of them with the same boxes" in result.out
    found = json.loads(vedette("data", "compare-labels", source, other, "--json").out)
    rows = {row["name"]: row for row in found["classes"]}
    assert (rows["wallet"]["only_a"], rows["handgun"]["both"]) == (10, 10)
    assert (
        "--model must be given twice"
        in vedette("data", "compare-labels", source, other, "--model", "a").said[0]
    )


def test_compare_labels_judges_what_each_trains_to(
    vedette: Command, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"a": {"map50": 0.4, "ap50": {"pistol": 0.5}}, "b": {"map50": 0.6, "ap50": {"pistol": 0.4}}}
    monkeypatch.setattr(
        "vedette.cli_data_pictures._trained",
        lambda models, pictures: [figures[str(model)] for model in models],
    )
    result = vedette(
        "data", "compare-labels", source, source, "--model", "a", "--model", "b", "--pictures", source
    )
    assert "mean AP50               0.400    0.600   +0.200" in result.out
    assert "AP50 pistol             0.500    0.400   -0.100" in result.out


def test_autolabel_drafts_with_the_shipped_detector(vedette: Command) -> None:
    write_picture(vedette.folder / "shots" / "a.jpg", scene(1))
    (vedette.folder / "shots" / "b.jpg").write_bytes(b"no")
    result = vedette("data", "autolabel", "shots")
    assert result.code == 1
    assert "on 1 pictures drafted into drafts" in result.out
    assert result.said == ["left out: b.jpg: cannot be decoded"]
    for name in ("yolo/labels/a.txt", "yolo/classes.txt", "voc/a.xml", "drafts.csv"):
        assert (vedette.folder / "drafts" / name).is_file()


def test_errors_are_one_line_and_a_hint(vedette: Command, source: Path) -> None:
    (vedette.folder / "a.csv").write_text("")
    for arguments in (
        ["prepare", "sohaz", "--root", source],
        ["prepare", "sohas", "--root", "nowhere"],
        ["check", "none.jsonl"],
        ["summary", "none.jsonl"],
        ["join", "a.csv", "b.jsonl"],
        ["convert", "nowhere", "--to", "voc", "--out", "x"],
        ["autolabel", source, "--min-probability", "2"],
        ["compare-labels", "one", "two"],
    ):
        result = vedette("data", *arguments)
        assert result.code == 2, arguments
        assert len(result.said) == 1, arguments
    listed = vedette("data", "cards").out
    assert "pictures sohas" in listed
    assert "sound    sesa" in listed
