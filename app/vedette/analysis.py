"""What `vedette analyze` found in one recording: the value that every report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from vedette_base.media import SourceInfo
from vedette_base.score import (
    LEVELS,
    Box,
    Coverage,
    HeardBurst,
    Level,
    Medium,
    Ranked,
    Score,
    Segment,
    Shot,
    ThreatEvent,
    WeaponTrack,
    merge_segments,
)

SCHEMA = 1
"""Version of the layout of ``events.json``; raised when a reader of the old one would misread the new."""

TIME_DECIMALS = 6  # a microsecond: below the clock of any medium, and free of 8.600000000000001


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Everything found in one recording, and everything that could not be observed.

    Attributes:
        source: what is known of the recording.
        path: where it lies, or None when it was not a file; pictures of a report are cut from it.
        sha256: hex digest of the recording, empty when there is none to take.
        models: sense -> "name version" of the model that looked or listened.
        complete: False when the work was stopped before the end of the recording.
        events: ranked, gravest first.
        shots, tracks: everything heard and seen, in time order, also what led to no event.
        coverage: the spans each sense could observe. Outside them nothing is known.
        audio_scores, vision_scores: the score timelines.
        warnings: what went wrong without ending the work, one line each.
        elapsed: seconds the work took.
        duration: seconds of the recording.
        looks: track id -> (time, box) of each look that agreed, in time order, where they were kept.
    """

    source: SourceInfo
    path: Path | None
    sha256: str
    models: Mapping[str, str]
    complete: bool
    events: tuple[ThreatEvent, ...]
    shots: tuple[Shot, ...]
    tracks: tuple[WeaponTrack, ...]
    coverage: Coverage
    audio_scores: Score
    vision_scores: Score
    warnings: tuple[str, ...] = ()
    elapsed: float = 0.0
    duration: float = 0.0
    looks: Mapping[int, tuple[tuple[float, Box], ...]] = field(default_factory=dict)

    @property
    def standing(self) -> tuple[ThreatEvent, ...]:
        """The events that were not retracted, gravest first."""
        return tuple(event for event in self.events if event.state != "retracted")

    def max_level(self) -> Level | None:
        """The gravest level of all standing events, or None without any."""
        levels = [event.level for event in self.standing]
        return max(levels, key=LEVELS.index) if levels else None

    def wall_clock(self, seconds: float) -> datetime | None:
        """Wall-clock time, with its zone, of ``seconds`` on the medium's clock; None when not known."""
        if self.source.recorded_at is None:
            return None
        return datetime.fromisoformat(self.source.recorded_at) + timedelta(seconds=seconds)

    def not_observed(self, medium: Medium, *, at_least: float = 0.5) -> tuple[Segment, ...]:
        """The spans of the recording that a sense could not observe.

        Spans below ``at_least`` seconds are left out: the tracks of a file rarely end on the same sample.
        """
        gaps: list[Segment] = []
        reached = 0.0
        for seen in merge_segments(self.coverage.of(medium)):
            if seen.start - reached >= at_least:
                gaps.append(Segment(reached, seen.start))
            reached = max(reached, seen.end)
        if self.duration - reached >= min(at_least, self.duration) and self.duration > reached:
            gaps.append(Segment(reached, self.duration))
        return tuple(gaps)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``events.json``: plain values only, times in seconds, boxes in whole pixels."""
        return {
            "schema": SCHEMA,
            "source": {
                "path": self.source.name,
                "sha256": self.sha256,
                "duration": _seconds(self.duration),
                "recorded_at": self.source.recorded_at,
            },
            "models": dict(self.models),
            "complete": self.complete,
            "coverage": {
                "audio": [[_seconds(s.start), _seconds(s.end)] for s in self.coverage.audio],
                "vision": [[_seconds(s.start), _seconds(s.end)] for s in self.coverage.vision],
            },
            "warnings": list(self.warnings),
            "events": [self._event(event) for event in self.events],
        }

    def _event(self, event: ThreatEvent) -> dict[str, Any]:
        start, end = self.wall_clock(event.start), self.wall_clock(event.end)
        clock = {"start_time": start.isoformat(), "end_time": end.isoformat()} if start and end else {}
        return {
            "id": event.id,
            "revision": event.revision,
            "state": event.state,
            "rank": event.rank,
            "kind": event.kind,
            "level": event.level,
            "probability": float(event.probability),
            "start": _seconds(event.start),
            "end": _seconds(event.end),
            **clock,
            "shots": [{"time": _seconds(s.time), "probability": float(s.probability)} for s in event.shots],
            "firearms": _ranking(event.firearms),
            "families": _ranking(event.families),
            "bursts": [_burst(burst) for burst in event.bursts],
            "related": list(event.related),
            "tracks": [_track(track) for track in event.tracks],
            # Not rounded: the terms sum to the log-odds to 1e-6, for whoever checks.
            "reasons": [
                {"term": r.term, "log_odds": float(r.log_odds), **({"text": r.text} if r.text else {})}
                for r in event.reasons
            ],
        }


def _burst(burst: HeardBurst) -> dict[str, Any]:
    return {
        "start": _seconds(burst.start),
        "end": _seconds(burst.end),
        "shots": burst.shots,
        "fire": burst.fire,
        "cadence": None if burst.cadence is None else round(burst.cadence, 1),
        "firearms": _ranking(burst.firearms),
        "families": _ranking(burst.families),
    }


def _ranking(entries: Sequence[Ranked]) -> list[dict[str, Any]]:
    return [{"label": entry.label, "probability": float(entry.probability)} for entry in entries]


def _track(track: WeaponTrack) -> dict[str, Any]:
    return {
        "label": track.label,
        "probability": float(track.probability),
        "start": _seconds(track.start),
        "end": _seconds(track.end),
        "peak_time": _seconds(track.peak_time),
        "peak_box": [round(value) for value in track.peak_box],
    }


def _seconds(value: float) -> float:
    return round(float(value), TIME_DECIMALS)
