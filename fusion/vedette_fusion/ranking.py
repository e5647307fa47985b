"""What comes of a probability: the level of an event, the order of events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vedette_base.config import FusionConfig
from vedette_base.score import LEVELS, Kind, Level, ThreatEvent


def level_of(probability: float, kind: Kind, config: FusionConfig) -> Level:
    """Level of a fused probability.

    ``critical`` takes both senses, or shots beyond doubt; a visible weapon alone is at most ``high``.
    """
    levels = config.levels
    if kind == "armed_attack" and probability >= levels.critical:
        return "critical"
    if kind == "gunshot" and probability >= levels.critical_alone:
        return "critical"
    if probability >= levels.high:
        return "high"
    return "elevated" if probability >= levels.elevated else "low"


def rank_events(events: Iterable[ThreatEvent]) -> list[ThreatEvent]:
    """The last revision of each event, gravest first: by level, then probability, then time.

    Retracted events are left out. ``rank`` counts from 1.
    """
    last: dict[str, ThreatEvent] = {}
    for event in events:
        if event.id not in last or event.revision >= last[event.id].revision:
            last[event.id] = event
    standing = [event for event in last.values() if event.state != "retracted"]
    standing.sort(key=lambda e: (-LEVELS.index(e.level), -e.probability, e.start, e.id))
    return [replace(event, rank=place) for place, event in enumerate(standing, start=1)]
