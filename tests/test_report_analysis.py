"""`Analysis` and the events.json it gives."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report_cases import make_analysis, make_event, recorded_at
from vedette.analysis import Analysis
from vedette_base.score import Coverage, Segment


@pytest.fixture
def analysis() -> Analysis:
    return make_analysis(None, name="clip.mp4")


def test_events_json_has_the_agreed_keys_and_plain_values(analysis: Analysis) -> None:
    found = json.loads(json.dumps(analysis.to_dict()))
    assert list(found) == [
        "schema", "source", "models", "complete", "coverage", "warnings", "events",
    ]  # fmt: skip
    assert found["schema"] == 1
    assert found["source"] == {"path": "clip.mp4", "sha256": "", "duration": 4.0, "recorded_at": None}
    assert found["coverage"] == {"audio": [[0.0, 3.0]], "vision": [[0.0, 4.0]]}
    (event,) = found["events"]
    assert set(event) == {
        "id", "revision", "state", "rank", "kind", "level", "probability", "start", "end",
        "shots", "firearms", "families", "bursts", "related", "tracks", "reasons",
    }  # fmt: skip
    assert event["shots"] == [{"time": 2.0, "probability": 0.95}]
    assert event["tracks"][0]["peak_box"] == [60, 50, 80, 64]
    assert event["reasons"][0] == {"term": "prior", "log_odds": -6.0}
    assert event["reasons"][1] == {"term": "audio", "log_odds": 5.1, "text": "gunshot 0.95"}


def test_written_reasons_still_add_up_to_the_written_probability(analysis: Analysis) -> None:
    event = replace(analysis, events=(make_event(terms=(-6.123456789, 17.1, 1 / 3)),)).to_dict()["events"][0]
    total = sum(reason["log_odds"] for reason in event["reasons"])
    p = event["probability"]
    assert math.log(p / (1 - p)) == pytest.approx(total, abs=1e-6)


def test_wall_clock_times_carry_their_zone_across_midnight(analysis: Analysis) -> None:
    found = recorded_at(analysis, "2026-02-28T23:59:59+01:00").to_dict()
    assert found["source"]["recorded_at"] == "2026-02-28T23:59:59+01:00"
    assert found["events"][0]["start_time"] == "2026-03-01T00:00:00.800000+01:00"
    assert found["events"][0]["end_time"] == "2026-03-01T00:00:01.600000+01:00"


def test_what_lies_outside_coverage_is_named_and_slivers_are_not(analysis: Analysis) -> None:
    assert analysis.not_observed("audio") == (Segment(3.0, 4.0),)
    assert analysis.not_observed("vision") == ()
    parts = Coverage((Segment(0.1, 1.0), Segment(2.0, 3.9)), ())
    assert replace(analysis, coverage=parts).not_observed("audio") == (Segment(1.0, 2.0),)
    assert replace(analysis, coverage=parts).not_observed("vision") == (Segment(0.0, 4.0),)


def test_a_recording_shorter_than_a_sliver_that_nobody_observed_is_a_gap(analysis: Analysis) -> None:
    short = replace(analysis, duration=0.2, coverage=Coverage())
    assert short.not_observed("audio") == (Segment(0.0, 0.2),)


def test_a_retracted_event_does_not_count_for_the_level(analysis: Analysis) -> None:
    assert analysis.max_level() == "critical"
    withdrawn = replace(make_event(), state="retracted")
    both = replace(analysis, events=(withdrawn, make_event(2, level="low")))
    assert both.max_level() == "low"
    assert [event.rank for event in both.standing] == [2]
    assert replace(analysis, events=(withdrawn,)).max_level() is None


def test_a_name_that_is_not_unicode_survives_as_json(tmp_path: Path) -> None:
    from vedette.report.files import write_results

    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    folder = write_results(make_analysis(None, name=name), tmp_path / "out")
    assert json.loads((folder / "events.json").read_text("utf-8"))["source"]["path"] == name
