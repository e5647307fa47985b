"""Where the shots are found and where the false alarms come from: by data set, at thresholds, by sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette_audio.evaluation.measures import Figure, alarm_threshold, auroc, figure, grouped
from vedette_audio.evaluation.scored import Scored
from vedette_base.statistics import rate_interval

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold gives.

    Attributes:
        name: how it was chosen; ``threshold``: clips above it count as shots.
        found, shots, recall: shot clips above it, with the interval of their share over recordings.
        alarms: clips without a shot above it; ``per_hour`` with Garwood's exact interval.
    """

    name: str
    threshold: float
    found: int
    shots: int
    recall: Figure
    alarms: int
    per_hour: Figure


@dataclass(frozen=True, slots=True)
class PositiveSource:
    """Shots of one data set against the sound without shots of all."""

    source: str
    shots: int
    recordings: int
    auroc: Figure
    found_10: int
    """Of ``shots``, at 10 false alarms per hour."""


@dataclass(frozen=True, slots=True)
class NegativeSource:
    """Sound without shots of one data set; ``alarms`` and ``per_hour`` at 10 false alarms per hour of all."""

    source: str
    clips: int
    recordings: int
    hours: float
    alarms: int
    per_hour: Figure


@dataclass(frozen=True, slots=True)
class Heard:
    """One clip and its P(shot)."""

    path: str
    source: str
    fine: str
    probability: float
    seconds: float


def operating_points(
    scored: Scored, samples: int, shipped: float | None = None
) -> tuple[OperatingPoint, ...]:
    """At 10 and 1 false alarms per hour, and at the threshold that ships, if given."""
    rows, hours = detection_rows(scored), scored.negative_hours
    chosen = [
        (f"{rate:g} false alarm{'s' if rate > 1 else ''} per hour", alarm_threshold(rows, rate, hours))
        for rate in (10.0, 1.0)
    ]
    chosen += [] if shipped is None else [("the threshold that ships", shipped)]
    return tuple(_point(scored, name, limit, samples) for name, limit in chosen if not np.isnan(limit))


def _point(scored: Scored, name: str, limit: float, samples: int) -> OperatingPoint:
    shot, hours = scored.shot, scored.negative_hours
    above = scored.scores[:, -1] > limit
    groups = [group for group, is_shot in zip(scored.groups, shot, strict=True) if is_shot]
    recall = figure(grouped(above[shot].astype(float), groups), lambda v: float(v.mean()), samples)
    alarms = int((above & ~shot).sum())
    return OperatingPoint(
        name,
        max(0.0, limit),
        int(above[shot].sum()),
        int(shot.sum()),
        recall,
        alarms,
        _per_hour(alarms, hours),
    )


def positive_sources(scored: Scored, samples: int) -> tuple[PositiveSource, ...]:
    """A row for each data set that holds shots, most shots first."""
    limit = alarm_threshold(detection_rows(scored), 10.0, scored.negative_hours)
    found = []
    for name in _by_size(scored, scored.shot):
        own = _of(scored, name) & scored.shot
        part = scored.only(own | ~scored.shot)
        found.append(
            PositiveSource(
                name,
                int(own.sum()),
                len(set(scored.only(own).groups)),
                figure(grouped(detection_rows(part), part.groups), auroc, samples),
                int((scored.scores[own, -1] > limit).sum()),
            )
        )
    return tuple(found)


def negative_sources(scored: Scored) -> tuple[NegativeSource, ...]:
    """A row for each data set that holds sound without shots, most clips first."""
    limit = alarm_threshold(detection_rows(scored), 10.0, scored.negative_hours)
    found = []
    for name in _by_size(scored, ~scored.shot):
        part = scored.only(_of(scored, name) & ~scored.shot)
        alarms, hours = int((part.scores[:, -1] > limit).sum()), part.negative_hours
        found.append(
            NegativeSource(
                name, len(part.clips), len(set(part.groups)), hours, alarms, _per_hour(alarms, hours)
            )
        )
    return tuple(found)


def worst(scored: Scored, *, shots: bool, most: int = 12) -> tuple[Heard, ...]:
    """The clips that the model is most wrong about: shots it hears least, or other sounds it hears most."""
    index = np.flatnonzero(scored.shot == shots)
    order = np.argsort(scored.scores[index, -1] * (1 if shots else -1), kind="stable")[:most]
    return tuple(
        Heard(clip.path, clip.source, clip.fine, float(scored.scores[i, -1]), float(scored.seconds[i]))
        for i in index[order]
        for clip in (scored.clips[i],)
    )


def detection_rows(scored: Scored) -> Floats:
    """Rows of (holds a shot, P(shot))."""
    return np.stack([scored.shot.astype(float), scored.scores[:, -1]], axis=1)


def _per_hour(alarms: int, hours: float) -> Figure:
    return Figure(alarms / hours, *rate_interval(alarms, hours)) if hours > 0 else Figure(None)


def _of(scored: Scored, source: str) -> Mask:
    return np.array([clip.source == source for clip in scored.clips], bool)


def _by_size(scored: Scored, keep: Mask) -> list[str]:
    names = [clip.source for clip, kept in zip(scored.clips, keep, strict=True) if kept]
    return sorted(set(names), key=lambda name: (-names.count(name), name))
