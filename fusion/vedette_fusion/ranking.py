"""What comes of a probability: the level of an event, the ranking of firearms, the order of events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vedette_base.config import FusionConfig
from vedette_base.score import LEVELS, Kind, Level, Ranked, ThreatEvent

UNKNOWN_FIREARM = "unknown firearm"
_FLOOR = 1e-4  # one shot that rules a type out must not rule it out for the whole burst
_MENTION = 0.02  # shares below this are not worth a line


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


def rank_firearms(types: Sequence[Mapping[str, float]], support: float) -> tuple[Ranked, ...]:
    """Pool what each shot of a burst says about the firearm.

    Geometric mean over shots (mean of log probabilities: shots of a burst come from one firearm, but are not
    independent, so their evidence is averaged and not multiplied). What no type explains, the product of
    ``1 - p``, is the share of ``unknown firearm``; shares add up to 1 before small ones are left out.

    Args:
        types: per shot, probability of each type; types are not exclusive (twins such as M4 and M16 share).
        support: pooled probability that at least one type needs; else the firearm is simply unknown.
    """
    given = [t for t in types if t]
    names = sorted({name for t in given for name in t})
    pooled = {
        name: math.exp(math.fsum(math.log(max(t.get(name, 0.0), _FLOOR)) for t in given) / len(given))
        for name in names
    }
    if not pooled or max(pooled.values()) < support:
        return (Ranked(UNKNOWN_FIREARM, 1.0),)
    pooled[UNKNOWN_FIREARM] = math.prod(1.0 - p for p in pooled.values())
    whole = math.fsum(pooled.values())
    ranked = (Ranked(name, p / whole) for name, p in pooled.items() if p / whole >= _MENTION)
    return tuple(sorted(ranked, key=lambda r: (-r.probability, r.label)))


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
