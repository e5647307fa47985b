"""`vedette evaluate vision` on bad data: named in one line, never a traceback and never a wrong figure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.commands import Command
from tests.media import truncate
from tests.picture_sources import scene
from tests.pictures import Shown, write_manifest
from vedette import evaluating_vision
from vedette_base.bundle import load_bundle
from vedette_vision.detector import WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine

BOX = (150 / 320, 90 / 240, 100 / 320, 60 / 240)


def armed(number: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """320 x 240 pixels with a painted pistol at BOX."""
    image = np.asarray(scene(number, size=(320, 240)) // 4 + 90, np.uint8)
    image[60:120, 100:200] = COLOURS["pistol"]
    return image


@pytest.fixture
def data(tmp_path: Path) -> Path:
    shown = [Shown(f"val/{n}.png", "us_cam1", armed(n), [("pistol", *BOX)]) for n in range(3)]
    return write_manifest(tmp_path / "data", shown)


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(model: str) -> tuple[WeaponDetector, str]:
        engine = PaintedEngine()
        return WeaponDetector(load_bundle("vision"), engines=lambda size: engine), model

    monkeypatch.setattr(evaluating_vision, "_open", opened)


def with_line(data: Path, line: str) -> None:
    """Put a line behind the first one."""
    lines = (data / "manifest.jsonl").read_text().splitlines()
    (data / "manifest.jsonl").write_text("\n".join([lines[0], line, *lines[1:]]) + "\n")


GOOD = {"file": "val/1.png", "subset": "val/us_cam1", "group": "g", "boxes": []}
WRONG: dict[str, tuple[str, str]] = {
    "no JSON": ('{"file": ', "manifest.jsonl:2: is not JSON"),
    "no object": ("[1, 2]", "manifest.jsonl:2: "),
    "a key missing": (json.dumps({"file": "val/1.png", "boxes": []}), "manifest.jsonl:2: "),
    "a class id out of range": (json.dumps(GOOD | {"boxes": [["bazooka", 0.5, 0.5, 0.1, 0.1]]}),
                                "manifest.jsonl:2: unknown label 'bazooka'"),
    "a class that is a number": (json.dumps(GOOD | {"boxes": [[9, 0.5, 0.5, 0.1, 0.1]]}),
                                 "manifest.jsonl:2: unknown label 9"),
    "a box of no area": (json.dumps(GOOD | {"boxes": [["pistol", 0.5, 0.5, 0.0, 0.1]]}),
                         "manifest.jsonl:2: a box of no area"),
    "a box of three numbers": (json.dumps(GOOD | {"boxes": [["pistol", 0.5, 0.5, 0.1]]}),
                               "manifest.jsonl:2: a box is"),
    "a box of words": (json.dumps(GOOD | {"boxes": [["pistol", "a", "b", "c", "d"]]}), "manifest.jsonl:2: "),
    "a box that is not a number": (json.dumps(GOOD | {"boxes": [["pistol", 0.5, float("nan"), 0.1, 0.1]]}),
                                   "manifest.jsonl:2: "),
}  # fmt: skip


@pytest.mark.usefixtures("painted")
@pytest.mark.parametrize("wrong", WRONG)
def test_a_line_that_is_wrong_is_named(vedette: Command, data: Path, wrong: str) -> None:
    line, said = WRONG[wrong]
    with_line(data, line)
    result = vedette("evaluate", "vision", "data", "--part", "val")
    assert (result.code, result.out, len(result.said)) == (2, "", 1)
    assert said in result.said[0]


@pytest.mark.usefixtures("painted")
@pytest.mark.parametrize("kind", ["missing", "empty", "text"])
def test_a_label_without_its_picture_is_named(vedette: Command, data: Path, kind: str) -> None:
    picture = data / "val/1.png"
    if kind == "missing":
        picture.unlink()
    else:
        picture.write_text("" if kind == "empty" else "a letter, not a picture")
    result = vedette("evaluate", "vision", "data", "--part", "val")
    assert (result.code, result.out, len(result.said)) == (2, "", 1)
    assert "val/1.png" in result.said[0]


@pytest.mark.usefixtures("painted")
def test_a_truncated_picture_does_not_end_in_a_traceback(vedette: Command, data: Path) -> None:
    Image.fromarray(armed()[:, :, ::-1]).save(data / "whole.jpg", quality=95)
    truncate(data / "whole.jpg", 0.5, to=data / "val/cut.jpg")
    with_line(data, json.dumps(GOOD | {"file": "val/cut.jpg"}))
    result = vedette("evaluate", "vision", "data", "--part", "val")
    assert result.code in (0, 2)
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("painted")
@pytest.mark.parametrize("kind", ["cmyk.jpg", "deep.png", "turned.jpg"])
def test_unusual_pictures_are_judged_where_people_see_their_boxes(
    vedette: Command, data: Path, kind: str
) -> None:
    image, path = armed(), data / "val" / kind
    rgb = Image.fromarray(image[:, :, ::-1])
    if kind == "cmyk.jpg":
        rgb.convert("CMYK").save(path, quality=98)
    elif kind == "deep.png":
        cv2.imwrite(str(path), image.astype(np.uint16) * 257)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6  # people turn it by 90 degrees to see it
        rgb.transpose(Image.Transpose.ROTATE_90).save(path, quality=98, exif=exif)
    entry = {"file": f"val/{kind}", "subset": "val/odd", "group": "g", "boxes": [["pistol", *BOX]]}
    (data / "manifest.jsonl").write_text(json.dumps(entry) + "\n")
    result = vedette("evaluate", "vision", "data", "--part", "val", "--json")
    assert (result.code, result.said) == (0, [])
    assert json.loads(result.out)["ap50"]["pistol"] == 1.0


def test_a_model_of_other_classes_is_refused(vedette: Command, data: Path, tmp_path: Path) -> None:
    shutil.copytree(load_bundle("vision").folder, tmp_path / "other")
    card = json.loads((tmp_path / "other/card.json").read_text("utf-8"))
    card |= {"labels": ["cat", *card["labels"][1:]], "thresholds": {}, "calibration": {}}
    (tmp_path / "other/card.json").write_text(json.dumps(card), "utf-8")
    for arguments in (("vision", "data", "--part", "val"), ("video", "data/val/0.png")):
        result = vedette("evaluate", *arguments, "--model", "other")
        assert (result.code, result.out, len(result.said)) == (1, "", 1)
        assert "cat" in result.said[0]
