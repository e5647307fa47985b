"""`vedette detect` on odd and broken pictures: looked at as people see them, or named in one line."""

from __future__ import annotations

import json
import shutil
import struct
import tracemalloc
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.commands import Command
from tests.media import quarters, truncate, write_still
from vedette.panorama import SHARED, is_panorama, look_in_tiles, tiles
from vedette.sources.listen import read_picture
from vedette.stills import is_cut_off
from vedette_base.bundle import load_bundle
from vedette_base.config import VisionConfig
from vedette_base.config.loading import parse_config
from vedette_base.errors import ConfigError
from vedette_base.media import Frame
from vedette_vision import detector as vision
from vedette_vision.detector import ImageFrame, Look, WeaponDetector


def white_spot(self: WeaponDetector, frame: Frame) -> Look:
    """A detector of one thing: the white spot on the picture is a pistol."""
    rows, columns = np.nonzero(frame.bgr(*frame.size).min(axis=2) > 200)
    if not len(rows):
        return Look.empty()
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    return Look(box, np.array([0.9], np.float32), np.array([vision.OUTPUTS.index("pistol")]))


@pytest.fixture
def spots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WeaponDetector, "look", white_spot)
    monkeypatch.setattr(WeaponDetector, "look_twice", white_spot)
    monkeypatch.setattr(WeaponDetector, "probabilities", lambda self, look: look.scores)


def boxes_of(line: str) -> list[list[float]]:
    found: dict[str, Any] = json.loads(line)
    return [box["box"] for box in found["detections"]]


def picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """320 x 240 grey, white from (200, 30) to (280, 90); RGB."""
    pixels = np.full((240, 320, 3), 70, np.uint8)
    pixels[30:90, 200:280] = 255
    return pixels


@pytest.mark.usefixtures("spots")
@pytest.mark.parametrize("kind", ["cmyk.jpg", "deep.png", "grey16.png", "palette.png", "clear.png"])
def test_unusual_pixels_are_seen_as_people_see_them(vedette: Command, tmp_path: Path, kind: str) -> None:
    path, pixels = tmp_path / kind, picture()
    if kind == "cmyk.jpg":
        Image.fromarray(pixels).convert("CMYK").save(path, quality=98)
    elif kind == "deep.png":
        cv2.imwrite(str(path), pixels.astype(np.uint16) * 257)
    elif kind == "grey16.png":
        cv2.imwrite(str(path), pixels[:, :, 0].astype(np.uint16) * 257)
    elif kind == "palette.png":
        Image.fromarray(pixels).quantize(8).save(path)
    else:
        cv2.imwrite(str(path), np.dstack([pixels, np.full((240, 320), 128, np.uint8)]))
    result = vedette("detect", kind)
    assert (result.code, result.said) == (0, [])
    (box,) = boxes_of(result.out)
    assert box == pytest.approx([200, 30, 280, 90], abs=3)
    assert np.abs(read_picture(path)[::7, ::7].astype(int) - pixels[::7, ::7]).mean() < 4


@pytest.mark.usefixtures("spots")
@pytest.mark.parametrize(("orientation", "box"), [(1, [48, 32, 96, 64]), (3, [0, 0, 48, 32]),
                                                  (6, [0, 48, 32, 96]), (8, [32, 0, 64, 48])])  # fmt: skip
def test_boxes_of_a_turned_photograph_are_in_the_upright_picture(
    vedette: Command, tmp_path: Path, orientation: int, box: list[int]
) -> None:
    write_still(tmp_path / "photo.jpg", width=96, height=64, orientation=orientation)  # white: lower right
    result = vedette("detect", "photo.jpg", "--out", "drawn")
    line = json.loads(result.out)
    assert line["size"] == ([64, 96] if orientation >= 5 else [96, 64])
    assert line["detections"][0]["box"] == pytest.approx(box, abs=4)
    assert ("notes" in line) == (orientation != 1)  # says that it was turned
    assert read_picture(tmp_path / "drawn/photo.jpg").shape[:2] == tuple(reversed(line["size"]))


def test_a_truncated_jpeg_is_named_and_what_is_there_looked_at(vedette: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "whole.jpg")
    truncate(tmp_path / "whole.jpg", 0.6, to=tmp_path / "cut.jpg")
    truncate(tmp_path / "whole.jpg", 0.05, to=tmp_path / "head.jpg")
    result = vedette("detect", "cut.jpg", "head.jpg", "whole.jpg")
    assert result.code == 1  # of the last one nothing is there
    assert [json.loads(line)["path"] for line in result.out.splitlines()] == ["cut.jpg", "whole.jpg"]
    assert result.said[0] == "cut.jpg: the file is cut off: only the part that is there was looked at"
    assert result.said[1].startswith("head.jpg: ")
    assert len(result.said) == 2


def test_an_end_mark_in_a_thumbnail_is_not_the_end_of_the_picture(tmp_path: Path) -> None:
    content = write_still(tmp_path / "a.jpg").read_bytes()
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    path = tmp_path / "b.jpg"
    path.write_bytes(content[:2] + thumbnail + content[2:-30])
    assert is_cut_off(path)
    path.write_bytes(content[:2] + thumbnail + content[2:])
    assert not is_cut_off(path)


@pytest.mark.usefixtures("spots")
def test_an_animated_gif_is_looked_at_as_a_video_and_a_gif_of_one_picture_as_a_still(
    vedette: Command, tmp_path: Path
) -> None:
    frames = [Image.fromarray(np.roll(picture(), -20 * i, 1)) for i in range(5)]
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:], duration=400)
    frames[0].save(tmp_path / "one.gif")
    result = vedette("detect", "moves.gif", "one.gif")
    assert result.code == 0
    assert result.said == ["moves.gif: is an animation: its pictures were looked at as those of a video"]
    *moving, still = [json.loads(line) for line in result.out.splitlines()]
    assert [line["time"] for line in moving] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6])
    assert [line["detections"][0]["box"][0] for line in moving] == pytest.approx(
        [200, 180, 160, 140, 120], abs=2
    )
    assert "time" not in still


@pytest.mark.usefixtures("spots")
def test_a_panorama_is_looked_at_in_tiles_within_bounded_memory(vedette: Command, tmp_path: Path) -> None:
    pixels = np.full((1200, 20_000, 3), 60, np.uint8)
    pixels[500:520, 15_990:16_020] = 255
    cv2.imwrite(str(tmp_path / "street.jpg"), pixels)
    del pixels
    tracemalloc.start()
    result = vedette("detect", "street.jpg", "--out", "drawn")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.code == 0
    assert result.said == ["street.jpg: a panorama of 20000 x 1200, looked at in tiles"]
    (box,) = boxes_of(result.out)
    assert box == pytest.approx([15_990, 500, 16_020, 520], abs=4)
    assert peak < 400e6  # whole, its pixels are 72 MB; FFmpeg's own are not counted
    assert max(read_picture(tmp_path / "drawn/street.jpg").shape) == 4096


def test_tiles_cover_the_picture_and_overlap() -> None:
    for length, side in ((20_000, 2_400), (2_000, 640), (1_281, 640), (600, 640)):
        cut = tiles(length, side)
        assert (cut[0][0], cut[-1][1]) == (0, length)
        shared = [a[1] - b[0] for a, b in pairwise(cut)]
        assert all(s >= SHARED * side - 1 for s in shared)
    assert is_panorama((20_000, 2_400))
    assert is_panorama((500, 3_000))
    assert not is_panorama((1920, 1080))
    assert not is_panorama((900, 200))


@pytest.mark.usefixtures("spots")
@pytest.mark.parametrize("turned", [False, True])
def test_things_on_two_tiles_are_found_once_in_their_place(turned: bool) -> None:
    image = np.full((640, 4_000, 3), 60, np.uint8)
    for left in (30, 500, 3_900):
        single = image.copy()
        single[100:140, left : left + 60] = 255
        single = np.ascontiguousarray(single.transpose(1, 0, 2)) if turned else single
        look = look_in_tiles(WeaponDetector.load(), ImageFrame(single))
        box = [100, left, 140, left + 60] if turned else [left, 100, left + 60, 140]
        assert look.boxes.tolist() == [pytest.approx(box, abs=1)]


def test_a_picture_that_would_fill_the_memory_is_refused(vedette: Command, tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    content = write_still(tmp_path / "a.jpg").read_bytes()
    at = content.find(b"\xff\xc0")
    (tmp_path / "bomb.jpg").write_bytes(content[: at + 5] + b"\xff\xff\xff\xff" + content[at + 9 :])
    result = vedette("detect", "bomb.png", "bomb.jpg")
    assert (result.code, result.out, len(result.said), len(result.hints)) == (1, "", 2, 2)
    assert result.said[0].startswith("bomb.png: a picture of 60000 x 60000 pixels is more than")
    assert result.said[1].startswith("bomb.jpg: a picture of 65535 x 65535 pixels is more than")


def test_what_is_no_picture_is_named_and_the_rest_done(vedette: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("this is a letter, not a picture\n" * 20)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "letter.txt").write_text("nothing to see")
    write_still(tmp_path / "good.png")
    names = ["empty.jpg", "text.jpg", "folder", "gone.jpg", "rtsp://camera/1", "", "good.png"]
    result = vedette("detect", *names)
    assert result.code == 1
    assert [json.loads(line)["path"] for line in result.out.splitlines()] == ["good.png"]
    assert [line.split(":")[0] for line in result.said[:4]] == ["empty.jpg", "text.jpg", "folder", "gone.jpg"]
    assert result.said[2] == "folder: holds no pictures"
    assert result.said[4:] == [
        "rtsp://camera/1 is an address: download it first",
        "the name of a picture is empty",
    ]


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "many"])
def test_a_probability_outside_its_bounds_is_refused(vedette: Command, tmp_path: Path, value: str) -> None:
    write_still(tmp_path / "a.png")
    result = vedette("detect", "a.png", "--min-probability", value)
    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err


@pytest.mark.parametrize("text", ["thresholds: {pistol: 1.5}", "zones: [[[0, 0], [1, 1], [1, 0], [0, 1]]]",
                                  "masks: [[[0, 0], [1, 0], [0, 0]]]", "no_such_key: 1"])  # fmt: skip
def test_settings_that_are_wrong_are_one_line(vedette: Command, tmp_path: Path, text: str) -> None:
    write_still(tmp_path / "a.png")
    (tmp_path / "v.yaml").write_text(text)
    result = vedette("detect", "a.png", "--config", "v.yaml")
    assert (result.code, result.out, len(result.said)) == (2, "", 1)
    assert "v.yaml" in result.said[0]


CROSSED = {
    "a bow tie": [[0, 0], [1, 1], [1, 0], [0, 1]],
    "a star": [[0.5, 0], [0.8, 1], [0, 0.4], [1, 0.4], [0.2, 1]],
    "back on itself": [[0, 0], [1, 0], [0.5, 0]],
    "a corner on an edge": [[0, 0], [1, 0], [0.5, 0.5], [0.5, 0], [0, 1]],
    "a corner twice": [[0, 0], [0.5, 0.5], [1, 0], [1, 1], [0.5, 0.5], [0, 1]],
}
GOOD = {
    "a triangle": [[0, 0], [1, 0], [0, 1]],
    "a square, either way round": [[0, 0], [0, 1], [1, 1], [1, 0]],
    "an arrow": [[0, 0], [1, 0.5], [0, 1], [0.3, 0.5]],
    "a ring that names its first corner again": [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]],
    "a corner in the middle of an edge": [[0, 0], [0.5, 0], [1, 0], [1, 1], [0, 1]],
}


@pytest.mark.parametrize("polygon", CROSSED.values(), ids=CROSSED.keys())
@pytest.mark.parametrize("key", ["zones", "masks"])
def test_a_polygon_that_crosses_itself_is_refused(key: str, polygon: list[list[float]]) -> None:
    with pytest.raises(ConfigError, match=f"{key}.*crosses itself"):
        parse_config(f"{key}: [{polygon}]", VisionConfig)


@pytest.mark.parametrize("polygon", GOOD.values(), ids=GOOD.keys())
def test_a_polygon_that_does_not_is_taken(polygon: list[list[float]]) -> None:
    assert len(parse_config(f"masks: [{polygon}]", VisionConfig).masks[0]) == len(polygon)


@pytest.mark.usefixtures("spots")
def test_a_mask_hides_what_lies_in_it(vedette: Command, tmp_path: Path) -> None:
    write_still(tmp_path / "a.png", width=96, height=64, draw=quarters)  # white: lower right
    (tmp_path / "v.yaml").write_text("masks: [[[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1]]]")
    assert len(boxes_of(vedette("detect", "a.png").out)) == 1
    assert boxes_of(vedette("detect", "a.png", "--config", "v.yaml").out) == []


def test_a_bundle_with_other_classes_is_refused(vedette: Command, tmp_path: Path) -> None:
    write_still(tmp_path / "a.png")
    shutil.copytree(load_bundle("vision").folder, tmp_path / "other")
    card = json.loads((tmp_path / "other/card.json").read_text("utf-8"))
    card |= {"labels": ["cat", *card["labels"][1:]], "thresholds": {}, "calibration": {}}
    (tmp_path / "other/card.json").write_text(json.dumps(card), "utf-8")
    result = vedette("detect", "a.png", "--model", "other")
    assert (result.code, result.out, len(result.said), len(result.hints)) == (1, "", 1, 1)
    assert "cat" in result.said[0]
