"""`vedette evaluate video`: every stage of the chain before and after, against spans worked out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.commands import Command
from tests.media import Video, truncate, write_media, write_still
from vedette import evaluating_video
from vedette.video_chain import (
    ALERTS,
    CLASSIFIER,
    CONFIRMED,
    DETECTOR,
    EVENTS,
    GATE,
    TRACKER,
    Alarm,
    StageFinds,
    Watched,
    watch_stages,
)
from vedette.video_figures import MARGIN, PAUSE, free, gate_figures, stage_figures
from vedette.video_truth import read_spans, spans_of
from vedette_base.bundle import Bundle, load_bundle
from vedette_base.config import FusionConfig, VisionConfig
from vedette_base.errors import DataError, MediaError
from vedette_base.media import Pixels
from vedette_base.score import Segment
from vedette_base.statistics import rate_interval
from vedette_vision.boxes import Floats
from vedette_vision.detector import WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.verifier import ChipClassifier

RED = tuple(reversed(COLOURS["pistol"]))  # videos are drawn in RGB
Draw = Callable[[float, int, int], Pixels]


def street(time: float, width: int, height: int) -> Pixels:
    """A grey picture on which something light moves all the time."""
    picture = np.full((height, width, 3), 90, np.uint8)
    at = int(time * 20) % (width - 20)
    picture[5:25, at : at + 20] = 200
    return picture


def armed(begin: float, end: float, *, every: float = 0.0, lasting: float = math.inf) -> Draw:
    """The same with a red thing from ``begin`` to ``end``; every so many seconds for a moment alone."""

    def draw(time: float, width: int, height: int) -> Pixels:
        picture = street(time, width, height)
        if begin <= time < end and (not every or (time - begin) % every < lasting):
            left = 40 + int(10 * time) % 200
            picture[60:90, left : left + 50] = RED
        return picture

    return draw


def film(path: Path, draw: Draw, seconds: float) -> Path:
    video = Video(seconds=seconds, width=320, height=192, rate=5, draw=draw)
    return write_media(path, video=video)


def painted(bundle: Bundle, settings: VisionConfig) -> WeaponDetector:
    engine = PaintedEngine()
    return WeaponDetector(bundle, settings, engines=lambda size: engine)


def watched(path: Path, config: VisionConfig | None = None, **options: Any) -> Watched:
    settings = config or VisionConfig()
    detector = painted(load_bundle("vision"), settings)
    return watch_stages(path, detector, settings, FusionConfig(), **options)


def test_a_weapon_goes_through_every_stage(tmp_path: Path) -> None:
    found = watched(film(tmp_path / "a.mp4", armed(2, 8), 10))
    assert found.sampled == 50
    assert found.stages[DETECTOR].pictures == 50
    assert len(found.stages[DETECTOR].boxes) == pytest.approx(30, abs=1)
    for name in (TRACKER, CONFIRMED, EVENTS):
        (alarm,) = found.stages[name].alarms
        assert alarm.time < 3
    assert found.stages[CONFIRMED].alarms[0].time == pytest.approx(
        found.stages[TRACKER].alarms[0].time + 0.4, abs=0.05
    )  # the third look
    (figures,) = [f for f in stage_figures([found], [(Segment(2, 8),)]) if f.stage == CONFIRMED]
    assert (figures.found, figures.spans, figures.alarms) == (1, 1, 0)
    assert figures.delay == pytest.approx(0.4, abs=0.25)


def test_boxes_that_come_and_go_raise_alarms_before_the_tracker_and_none_after(tmp_path: Path) -> None:
    """One picture in every three seconds: an alarm each for whoever believes single pictures."""
    found = watched(film(tmp_path / "a.mp4", armed(0.95, 30, every=3, lasting=0.1), 30))
    figures = {f.stage: f for f in stage_figures([found], [()])}
    assert figures[DETECTOR].alarms == 10
    assert figures[DETECTOR].per_hour == pytest.approx(10 / 30 * 3600, rel=0.02)
    assert (figures[DETECTOR].low, figures[DETECTOR].high) == rate_interval(10, figures[DETECTOR].hours)
    assert figures[TRACKER].alarms == pytest.approx(10, abs=3)  # the gate may leave such a picture out
    assert (figures[CONFIRMED].alarms, figures[ALERTS].alarms) == (0, 0)
    assert figures[CONFIRMED].low == 0 < figures[CONFIRMED].high


def test_what_the_gate_skips_and_loses_is_counted(tmp_path: Path) -> None:
    """Nothing moves but a thing that shows for one picture; the forced look comes every two seconds."""

    def still(time: float, width: int, height: int) -> Pixels:
        picture = street(0.0, width, height)
        if 4.9 < time < 5.1:  # too small a change for the gate, too short for the next forced look
            picture[100:104, 200:206] = RED
        return picture

    config = VisionConfig.model_validate({"motion": {"share": 0.05}})
    found = watched(film(tmp_path / "a.mp4", still, 10), config)
    gate = gate_figures([found], [(Segment(4.0, 6.0),)], CONFIRMED)
    assert gate.sampled == 50
    assert gate.skipped == len(found.skipped) > 35
    assert (gate.weapon_pictures, gate.weapon_skipped) == (1, 1)
    assert (found.stages[DETECTOR].boxes, found.stages[GATE].boxes) == (((5.0, 1),), ())
    assert gate.share == pytest.approx(gate.skipped / 50)


def test_the_chip_classifier_is_a_stage_where_there_is_one(tmp_path: Path) -> None:
    class Doubter(ChipClassifier):
        def __init__(self) -> None: ...

        def weapon(self, chips: Any) -> Floats:
            return np.zeros(len(chips), np.float32)

    found = watched(film(tmp_path / "a.mp4", armed(1, 5), 6), classifier=Doubter())
    assert len(found.stages[CONFIRMED].alarms) == 1
    assert found.stages[CLASSIFIER].alarms == ()
    assert list(found.stages) == [DETECTOR, GATE, TRACKER, CONFIRMED, CLASSIFIER, EVENTS, ALERTS]


def test_figures_by_hand() -> None:
    """An hour with a weapon from 600 s to 1,200 s: 50 minutes less two margins without one."""
    boxes = ((10.0, 2), (11.0, 1), (100.0, 1), (600.5, 1), (599.5, 3), (700.0, 1))
    alarms = (Alarm(50.0, 60.0), Alarm(590.0, 650.0), Alarm(1500.0, 1500.0))
    stages = {DETECTOR: StageFinds(100, boxes=boxes), CONFIRMED: StageFinds(60, alarms=alarms)}
    one = Watched("a", (Segment(0, 3600),), 100, frozenset({100.0, 700.0}), stages, (Alarm(650.0, 651.0),))
    span = (Segment(600, 1200),)
    first, last = stage_figures([one], [span])
    assert first.hours == pytest.approx((3000 - 2 * MARGIN) / 3600)
    assert (first.false_pictures, first.false_boxes, first.alarms) == (3, 4, 2)  # 10 and 11 s are one alarm
    assert PAUSE > 1
    assert (first.found, first.spans, first.delay) == (1, 1, 0.5)
    assert (last.alarms, last.found, last.delay) == (2, 1, 0.0)  # the one from 590 s on is about the weapon
    assert last.false_boxes is None
    gate = gate_figures([one], [span], CONFIRMED)
    assert (gate.weapon_pictures, gate.weapon_skipped) == (2, 1)
    assert (gate.false_pictures, gate.false_skipped) == (3, 1)
    assert (gate.confirmed, gate.ungated, gate.false_confirmed, gate.false_ungated) == (1, 1, 2, 0)


def test_without_an_hour_free_of_weapons_there_is_no_rate() -> None:
    one = Watched("a", (Segment(0, 10),), 50, frozenset(), {DETECTOR: StageFinds(50)}, ())
    (figures,) = stage_figures([one], [(Segment(0, 10),)])
    assert figures.hours == 0
    assert figures.as_dict()["per_hour"] is None
    assert free([Segment(0, 10), Segment(20, 30)], (Segment(12, 22),)) == (Segment(0, 10), Segment(23, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"a.mp4": []}', "'visible' is a list"),
        ('{"a.mp4": {"visible": 3}}', "'visible' is a list"),
        ('{"a.mp4": {"visible": [{"start": 3, "end": 2}]}}', "0 <= start < end"),
        ('{"a.mp4": {"visible": [{"start": -1, "end": 2}]}}', "0 <= start < end"),
        ('{"a.mp4": {"visible": [{"start": 0}]}}', "0 <= start < end"),
        ('{"a.mp4": {"visible": [{"start": true, "end": 2}]}}', "0 <= start < end"),
        ('{"a.mp4": {"visible": [{"start": 0, "end": NaN}]}}', "0 <= start < end"),
        ('{"a.mp4": {"visible": ["all"]}}', "0 <= start < end"),
    ],
)
def test_labels_that_are_wrong_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DataError, match=said):
        read_spans(tmp_path / "labels.json")


def test_labels_of_other_recordings_are_refused(tmp_path: Path) -> None:
    labels = {"a.mp4": (), "deep/b.mp4": (Segment(0, 1),)}
    paths = [tmp_path / "deep/b.mp4", tmp_path / "c.mp4"]
    assert spans_of(paths, labels, tmp_path) == [(Segment(0, 1),), None]
    with pytest.raises(DataError, match="none of the 1 recordings"):
        spans_of([tmp_path / "c.mp4"], labels, tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_spans(tmp_path / "gone.json")


class Stop:
    """Set once it was asked so many times."""

    def __init__(self, after: int) -> None:
        self.left = after

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_stop_gives_what_was_seen_until_then(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", armed(0, 8), 8)
    found = watched(path, stop=Stop(10))
    assert 7 <= found.sampled <= 10  # what says how far the picture has come is asked about as well
    assert len(found.stages[CONFIRMED].alarms) == 1
    with pytest.raises(MediaError, match="stopped before its first picture"):
        watched(path, stop=Stop(0))


def test_a_still_is_no_video(tmp_path: Path) -> None:
    write_still(tmp_path / "a.png")
    with pytest.raises(MediaError, match="still picture"):
        watched(tmp_path / "a.png")


def test_the_command_prints_and_writes_and_names_what_it_could_not_read(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating_video, "WeaponDetector", painted)
    (tmp_path / "in").mkdir()
    film(tmp_path / "in/armed.mp4", armed(2, 6), 8)
    film(tmp_path / "in/empty.mp4", street, 6)
    truncate(tmp_path / "in/empty.mp4", 0.02, to=tmp_path / "in/cut.mp4")
    labels = {"armed.mp4": {"visible": [{"label": "pistol", "start": 2.0, "end": 6.0}], "shots": []}}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    result = vedette("evaluate", "video", "in", "--labels", "labels.json", "--out", "page")
    assert result.code == 1
    assert [line.partition(":")[0] for line in result.said] == ["in/cut.mp4"]
    assert "three agreeing looks" in result.out
    assert "1 of 1" in result.out
    assert "Not in the labels, so taken as without weapons: cut.mp4, empty.mp4." in result.out
    document = json.loads((tmp_path / "page/evaluation.json").read_text("utf-8"))
    stages = {stage["stage"]: stage for stage in document["stages"]}
    assert stages[ALERTS]["alarms"] == 0
    assert stages[ALERTS]["hours"] == pytest.approx((6 + 8 - 4 - 2 * MARGIN) / 3600, abs=3e-4)
    assert [Path(r["path"]).name for r in document["recordings"]] == ["armed.mp4", "empty.mp4"]
    assert {p.name for p in (tmp_path / "page").iterdir()} == {
        "evaluation.json", "evaluation.md", "index.html", "stages.png"
    }  # fmt: skip
    drawn = cv2.imread(str(tmp_path / "page/stages.png"))
    assert drawn is not None
    assert drawn.std() > 5
    alone = vedette("evaluate", "video", "in/empty.mp4", "--json")
    assert alone.code == 0
    assert json.loads(alone.out)["stages"][0]["alarms"] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("gone.mp4",), 1),
        (("a.mp4", "--labels", "gone.json"), 2),
        (("a.mp4", "--model", "audio"), 2),
        (("a.mp4", "--config", "gone.yaml"), 2),
        ((), 2),
    ],
)
def test_bad_arguments_are_one_line(
    vedette: Command, tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    film(tmp_path / "a.mp4", street, 1)
    result = vedette("evaluate", "video", *arguments)
    assert (result.code, result.out) == (code, "")
    assert "Traceback" not in result.err


@pytest.mark.parametrize("names", [["gone.mp4"], ["gone.mp4", "lost.mp4"]])
def test_a_recording_that_cannot_be_measured_is_named_once(vedette: Command, names: list[str]) -> None:
    result = vedette("evaluate", "video", *names)
    assert result.code == 1
    summary = ["none of 2 recordings could be measured"] if len(names) > 1 else []
    assert result.said == [*(f"{name}: no such file" for name in names), *summary]
