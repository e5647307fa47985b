"""`vedette evaluate vision`: tables for people, a document for programs, a page, honest refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.commands import Command
from tests.picture_sources import scene
from tests.pictures import Shown, write_manifest
from vedette import evaluating_vision
from vedette_base.bundle import load_bundle
from vedette_vision.detector import WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine


def write_data(root: Path) -> None:
    """Three armed pictures, an empty one, a knife, and one that is in train too (its mirror image)."""
    shown = []
    for number, (subset, label) in enumerate(
        [("us_cam1", "pistol"), ("us_cam1", ""), ("us_cam1", "pistol"), ("granada_armas", "pistol"),
         ("knife", "knife"), ("knife", "")]
    ):  # fmt: skip
        image = np.asarray(scene(number, size=(320, 240)) // 4 + 90, np.uint8)
        if label:
            image[60:120, 100:200] = COLOURS[label]
        boxes = [(label, 150 / 320, 90 / 240, 100 / 320, 60 / 240)] if label else []
        shown.append(Shown(f"val/{number}.png", subset, image, boxes))
    mirrored = np.ascontiguousarray(image[:, ::-1])
    write_manifest(root, [*shown, Shown("train/5.png", "knife", mirrored, group="other")])


@pytest.fixture
def vedette(vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The model called ``poor`` is blind to knives; every other one sees what is painted."""
    write_data(tmp_path / "data")

    def opened(model: str) -> tuple[WeaponDetector, str]:
        engine = PaintedEngine({"knife": 0.0} if model == "poor" else {})
        return WeaponDetector(load_bundle("vision"), engines=lambda size: engine), model

    monkeypatch.setattr(evaluating_vision, "_open", opened)
    return vedette


def test_tables_go_to_stdout_and_the_page_to_its_folder(vedette: Command, tmp_path: Path) -> None:
    result = vedette("evaluate", "vision", "data", "--part", "val", "--out", "found", "--against", "poor")
    assert (result.code, result.said) == (0, [])
    assert "(1) against " in result.out.splitlines()[0]  # two models of one name and version
    for words in ("Near-duplicates of training pictures left out: 1.", "AP by centre", "mAP50-95",
                  "Side by side", "Overall, at confidence 0.25", "Threshold advice"):  # fmt: skip
        assert words in result.out
    page = (tmp_path / "found/index.html").read_text(encoding="utf-8")
    for name in ("precision_recall.png", "firearms.png", "confidence.png", "confidence_subsets.png",
                 "overall.png", "classes.png"):  # fmt: skip
        assert (tmp_path / "found" / name).is_file()
        assert f'src="{name}"' in page
    markdown = (tmp_path / "found/evaluation.md").read_text(encoding="utf-8").splitlines()
    header = markdown.index("## Boxes by confidence") + 2
    assert markdown[header].count("|") == markdown[header + 1].count("|") == markdown[header + 2].count("|")
    document = json.loads((tmp_path / "found/evaluation.json").read_text(encoding="utf-8"))
    gain = [d for d in document["differences"] if (d["subset"], d["figure"]) == ("knife", "ap50 knife")]
    assert (gain[0]["old"], gain[0]["new"]) == (0.0, 1.0)
    assert len(document["study"]) == 2


def test_json_is_one_document_with_the_keys_of_a_card(vedette: Command) -> None:
    document = json.loads(vedette("evaluate", "vision", "data", "--part", "val", "--json").out)
    card = json.loads((load_bundle("vision").folder / "card.json").read_text(encoding="utf-8"))
    assert set(card["metrics"]["val"]) <= set(document)
    assert (document["pictures"], document["near_duplicates_left_out"]) == (5, 1)
    assert document["map50"] == 1.0
    assert document["subsets"]["us_cam1"]["firearm_auroc"] == 1.0
    (classes,) = [parts["all"]["classes"] for parts in document["study"].values()]
    assert classes["overall"]["true_positives"] == 4
    assert classes["overall"]["false_positives"] == 0


def test_thresholds_are_advised_for_the_rate_that_is_wanted(vedette: Command) -> None:
    wanted = ["--false-per-1000", "250", "--false-per-1000", "0.5"]
    document = json.loads(vedette("evaluate", "vision", "data", "--part", "val", "--json", *wanted).out)
    (advice,) = document["advice"].values()
    rates = {a["goal"] for a in advice if a["wanted"] == "false pictures per 1,000"}
    assert rates == {250.0, 0.5}
    knife = next(a for a in advice if (a["name"], a["goal"]) == ("knife", 0.5))
    assert (knife["recall"], knife["false_per_1000"]) == (1.0, 0.0)


def test_near_duplicates_can_be_kept(vedette: Command) -> None:
    result = vedette("evaluate", "vision", "data", "--part", "val", "--json", "--keep-twins")
    document = json.loads(result.out)
    assert (document["pictures"], document["near_duplicates_left_out"]) == (6, 0)


def test_a_chosen_subset_that_is_not_there_gives_no_rate(vedette: Command) -> None:
    result = vedette("evaluate", "vision", "data", "--part", "val", "--json", "--frames-of", "knives")
    document = json.loads(result.out)
    assert document["empty_frames"] == {"recall_on": None}
    assert document["conditions"][-1].endswith("none of these are of the subset knives.")


@pytest.mark.parametrize(("arguments", "code", "why"), [
    (["--part", "train"], 2, ""),
    (["--threshold", "1.5"], 2, "--threshold must be within 0..1, got 1.5"),
    (["--false-per-1000", "-1"], 2, "false alarms per 1,000 pictures must be within 0..1000, got -1"),
    (["--out", "data/manifest.jsonl"], 1, "data/manifest.jsonl: cannot be made: File exists"),
])  # fmt: skip
def test_what_cannot_be_measured_is_one_line(
    vedette: Command, arguments: Sequence[str], code: int, why: str
) -> None:
    result = vedette("evaluate", "vision", "data", *arguments)
    assert result.code == code
    if why:
        assert result.said == [why]


def test_val_without_a_test_third_is_refused(vedette: Command, tmp_path: Path) -> None:
    manifest = tmp_path / "data/manifest.jsonl"
    first = json.loads(manifest.read_text().splitlines()[0])
    for group in map(str, range(50)):
        manifest.write_text(json.dumps(first | {"group": group}) + "\n")
        result = vedette("evaluate", "vision", "data", "--json")
        if result.code:
            break
    assert result.said == ["no group of val in data falls into its test third"]
    assert result.hints == ["hint: --part val"]


def test_the_shipped_model_has_figures_of_every_kind_in_its_card(root: Path) -> None:
    card = json.loads((root / "data/models/vision/card.json").read_text(encoding="utf-8"))
    for part in ("test", "val"):
        assert {"map50", "ap50", "subsets", "pictures"} <= set(card["metrics"][part])
