"""Every confirmed track leaves a chip, a snapshot and a record, and all three say the same."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.media import square_left
from tests.report_cases import SECONDS, SIZE, make_analysis, pistol, recorded_at, recording
from vedette.analysis import Analysis
from vedette.report.evidence import Evidence, reopen_file
from vedette.report.files import write_results
from vedette.report.tracks import chip, snapshot
from vedette_base.media import Source, SourceInfo
from vedette_base.score import Segment


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("media") / "clip.mp4")


def square(time: float) -> tuple[float, float, float, float]:
    """Where the recording's white square is."""
    left = float(square_left(time, SIZE[0]))
    side = SIZE[0] // 8
    return left, (SIZE[1] - side) / 2, left + side, (SIZE[1] + side) / 2


def followed(clip: Path | None) -> Analysis:
    """The square is taken for a pistol, best at 1 s, and another thing for one at 3 s."""
    first = replace(pistol(1.0), peak_box=square(1.0))
    second = replace(pistol(3.0), id=12, label="long_gun", peak_box=square(3.0), probability=0.5)
    analysis = replace(make_analysis(clip), tracks=(first, second))
    return recorded_at(analysis, "2026-03-01T14:02:00+01:00")


def read(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def test_a_track_leaves_a_chip_a_snapshot_and_a_record(clip: Path, tmp_path: Path) -> None:
    folder = write_results(followed(clip), tmp_path / "out") / "tracks"
    names = {f"{track}{part}" for track in ("0007-pistol", "0012-long_gun")
             for part in ("-chip.jpg", "-snapshot.jpg", ".json")}  # fmt: skip
    assert {path.name for path in folder.iterdir()} == names
    record = json.loads((folder / "0007-pistol.json").read_text("utf-8"))
    assert (record["track"], record["label"], record["probability"]) == (7, "pistol", 0.92)
    assert record["time"] == pytest.approx(1.0, abs=0.05)
    assert record["wall_time"] == "2026-03-01T14:02:01+01:00"
    assert record["box"] == pytest.approx(square(1.0), abs=0.1)
    assert record["source"]["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert record["source"]["path"] == "clip.mp4"
    assert (record["model"], record["frame"], record["events"]) == ("weapons 0.1.0", [160, 120], ["event001"])
    x1, y1, x2, y2 = record["chip"]["box"]
    cut = read(folder / record["chip"]["file"])
    assert cut.shape[:2] == (y2 - y1, x2 - x1)
    left, top, right, bottom = (round(value) for value in record["box"])
    inside = cut[top + 4 - y1 : bottom - 4 - y1, left + 4 - x1 : right - 4 - x1]
    assert inside[:, :, 1].mean() > 200  # the square itself
    assert cut[:3, :, 1].mean() < 150  # and what is around it
    whole = read(folder / record["snapshot"]["file"])
    assert whole.shape[:2] == (120, 160)
    assert np.abs(whole[55:65, left].astype(int) - (0, 212, 255)).mean() < 60  # the box is drawn


def test_the_manifest_vouches_for_them_and_the_page_links_them(clip: Path, tmp_path: Path) -> None:
    folder = write_results(followed(clip), tmp_path / "out")
    files = json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    for path in (folder / "tracks").iterdir():
        described = files[f"tracks/{path.name}"]
        assert described["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    linked = set(re.findall(r'href="(tracks/[^"]+)"', (folder / "report.html").read_text("utf-8")))
    assert linked == {f"tracks/{path.name}" for path in (folder / "tracks").iterdir()}


def test_a_recording_that_cannot_be_read_again_leaves_the_records(tmp_path: Path) -> None:
    path = recording(tmp_path / "clip.mp4")
    analysis = followed(path)
    path.unlink()
    folder = write_results(analysis, tmp_path / "out")
    assert sorted(p.name for p in (folder / "tracks").iterdir()) == ["0007-pistol.json", "0012-long_gun.json"]
    record = json.loads((folder / "tracks/0007-pistol.json").read_text("utf-8"))
    assert (record["chip"], record["snapshot"], record["time"]) == (None, None, 1.0)


def test_nothing_followed_leaves_no_folder(clip: Path, tmp_path: Path) -> None:
    analysis = replace(make_analysis(clip), tracks=())
    assert not (write_results(analysis, tmp_path / "out") / "tracks").exists()


def test_many_tracks_cost_one_pass_over_the_recording(clip: Path) -> None:
    opened: list[Segment] = []

    def reopen(span: Segment, *, sound: bool, picture: bool) -> Source:
        opened.append(span)
        return reopen_file(clip)(span, sound=sound, picture=picture)

    evidence = Evidence(reopen, SourceInfo("clip.mp4", SECONDS, True, True, SIZE), SECONDS)
    times = [0.2, 0.2, 1.0, 1.02, 2.5, 3.8, 30.0]
    stills = list(evidence.stills(times))
    assert len(opened) == 2  # the last one lies far away
    assert [still is not None for still in stills] == [True] * 6 + [False]
    for time, still in zip(times, stills[:6], strict=False):
        assert still is not None
        assert still.time == pytest.approx(time, abs=0.021)
        left = int(np.flatnonzero((still.pixels[:, :, 1] > 200).any(axis=0))[0])
        assert left == pytest.approx(square_left(still.time, SIZE[0]), abs=3)


@pytest.mark.parametrize("box", [(0, 0, 5, 5), (150, 110, 160, 120), (-20, -20, -5, -5), (500, 500, 510, 510),
                                 (40, 40, 40, 40), (0, 0, 160, 120)])  # fmt: skip
def test_a_chip_never_leaves_the_picture(box: tuple[float, float, float, float]) -> None:
    pixels = np.zeros((120, 160, 3), np.uint8)
    cut, (x1, y1, x2, y2) = chip(pixels, box)
    assert 0 <= x1 < x2 <= 160
    assert 0 <= y1 < y2 <= 120
    assert cut.shape == (y2 - y1, x2 - x1, 3)
    assert snapshot(pixels, box, "pistol", 1.0).shape == pixels.shape
    assert not pixels.any()  # drawn on a copy


def test_a_large_picture_has_a_smaller_snapshot_and_a_chip_of_its_own_pixels() -> None:
    pixels = np.zeros((2160, 3840, 3), np.uint8)
    pixels[1000:1040, 2000:2100] = 255
    cut, place = chip(pixels, (2000, 1000, 2100, 1040))
    assert place == (1950, 950, 2150, 1090)
    assert (cut[50:90, 50:150] == 255).all()
    assert cut[:50].max() == 0
    assert snapshot(pixels, (2000, 1000, 2100, 1040), "pistol", None).shape == (1080, 1920, 3)
