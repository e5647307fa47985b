"""The vocabulary that crosses every border in Vedette: frozen values that carry their own clock.

All times are seconds from the start of the medium (its own PTS, not frame counts); all boxes are pixels
``(x1, y1, x2, y2)`` of the full-size picture; all probabilities are in 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from vedette_base.errors import InputError

Medium = Literal["audio", "vision"]
Level = Literal["low", "elevated", "high", "critical"]
Kind = Literal["gunshot", "visible_weapon", "armed_attack", "sensor_lost"]
State = Literal["open", "final", "retracted"]
Fire = Literal["single", "burst"]
Box = tuple[float, float, float, float]

LEVELS: tuple[Level, ...] = ("low", "elevated", "high", "critical")
"""Threat levels, lowest first."""

FIREARMS: tuple[str, ...] = (
    "AK-12",
    "AK-47",
    "IMI Desert Eagle",
    "M16",
    "M249",
    "M4",
    "MG-42",
    "MP5",
    "Zastava M92",
)
"""The nine firearm types, spelt as everywhere in Vedette."""

FAMILIES: Mapping[str, str] = {
    "AK-12": "rifle",
    "AK-47": "rifle",
    "IMI Desert Eagle": "pistol",
    "M16": "rifle",
    "M249": "machine gun",
    "M4": "rifle",
    "MG-42": "machine gun",
    "MP5": "submachine gun",
    "Zastava M92": "rifle",
}
"""Family of each firearm type."""

GUNSHOT = "gunshot"
"""Label of the output that says "a shot, of whatever firearm"."""

AUDIO_LABELS: tuple[str, ...] = (*FIREARMS, GUNSHOT)
"""Columns of every sound score timeline, in order."""

WEAPONS: tuple[str, ...] = ("knife", "long_gun", "pistol")
"""Picture classes that may raise an alert."""

VISION_LABELS: tuple[str, ...] = ("knife", "long_gun", "no_weapon", "pistol")
"""Columns of every picture score timeline, in order. ``no_weapon`` is evidence against."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A span of time ``[start, end]`` in seconds; ``end >= start``."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.end >= self.start:  # also refuses NaN
            raise InputError(f"segment must end at or after its start, got [{self.start}, {self.end}]")

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        return self.end - self.start

    def overlap(self, other: Segment) -> float:
        """Seconds that both spans share; 0.0 where they do not touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def gap(self, other: Segment) -> float:
        """Seconds between the two spans; 0.0 where they touch or overlap."""
        return max(0.0, other.start - self.end, self.start - other.end)


def merge_segments(segments: Sequence[Segment], *, join: float = 0.0) -> tuple[Segment, ...]:
    """Union of ``segments`` in time order; spans at most ``join`` seconds apart become one."""
    merged: list[Segment] = []
    for segment in sorted(segments):
        if merged and segment.start - merged[-1].end <= join:
            merged[-1] = Segment(merged[-1].start, max(merged[-1].end, segment.end))
        else:
            merged.append(segment)
    return tuple(merged)


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A timeline of calibrated class probabilities.

    Attributes:
        times: shape ``(n,)``, float64, ascending; the centre of each window, or the time of each frame.
        probabilities: shape ``(n, classes)``, float32, each in 0..1; classes are not exclusive.
        labels: one name per column.
        quality: shape ``(n,)``, float32 in 0..1: how well the sense could observe; all ones if not given.

    Raises:
        InputError: shapes that do not fit, times that do not ascend, values outside 0..1 or NaN.
    """

    times: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    quality: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))

    def __post_init__(self) -> None:
        times = np.asarray(self.times, np.float64)
        probabilities = np.asarray(self.probabilities, np.float32)
        quality = np.asarray(self.quality, np.float32)
        if quality.size == 0:
            quality = np.ones(times.shape, np.float32)
        if times.ndim != 1 or probabilities.shape != (times.size, len(self.labels)):
            raise InputError(
                f"scores need times (n,) and probabilities (n, {len(self.labels)}), "
                f"got {times.shape} and {probabilities.shape}"
            )
        if quality.shape != times.shape:
            raise InputError(f"quality must have shape {times.shape}, got {quality.shape}")
        if not np.all(np.isfinite(times)) or np.any(np.diff(times) < 0):
            raise InputError("score times must be finite and ascending")
        for name, values in (("probabilities", probabilities), ("quality", quality)):
            if not np.all((values >= 0) & (values <= 1)):
                raise InputError(f"{name} must be within 0..1 and not NaN")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "probabilities", probabilities)
        object.__setattr__(self, "quality", quality)
        object.__setattr__(self, "labels", tuple(self.labels))

    def __len__(self) -> int:
        return int(self.times.size)

    def column(self, label: str) -> npt.NDArray[np.float32]:
        """Probabilities of one class, shape ``(n,)``. Raises InputError for an unknown label."""
        if label not in self.labels:
            raise InputError(f"no class {label!r} in these scores; classes are {', '.join(self.labels)}")
        return self.probabilities[:, self.labels.index(label)]

    @classmethod
    def empty(cls, labels: Sequence[str]) -> Score:
        """A timeline of no entries."""
        return cls(np.empty(0), np.empty((0, len(labels)), np.float32), tuple(labels))

    @classmethod
    def join(cls, scores: Sequence[Score], labels: Sequence[str] = ()) -> Score:
        """Put timelines of the same labels behind one another. ``labels`` is used when there are none."""
        if not scores:
            return cls.empty(labels)
        return cls(
            np.concatenate([s.times for s in scores]),
            np.concatenate([s.probabilities for s in scores]),
            scores[0].labels,
            np.concatenate([s.quality for s in scores]),
        )


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot heard.

    Attributes:
        time: onset of the muzzle blast at the microphone, seconds.
        probability: calibrated probability that it is a shot.
        types: probability of each firearm type; empty when types were not looked at.
        burst: number of the burst it belongs to, from 0; shots of a burst follow within a second.
    """

    time: float
    probability: float
    types: Mapping[str, float] = field(default_factory=dict)
    burst: int = 0


@dataclass(frozen=True, slots=True)
class WeaponTrack:
    """One weapon followed over time; re-issued with a growing ``end`` while it lives.

    Attributes:
        id: number of the track within its recording, stable while the track lives.
        label: one of the picture classes.
        probability: calibrated probability that it is such a weapon, from the looks that agree.
        start, end: first and last time it was seen, seconds.
        peak_time: time of the best look; ``peak_box`` is its box in full-size pixels.
        looks: how many frames agreed.
        confirmed: True after enough agreeing looks (three by default), or for a still picture.
        box: where it is at ``end``; None where that was not kept.
    """

    id: int
    label: str
    probability: float
    start: float
    end: float
    peak_time: float
    peak_box: Box
    looks: int = 1
    confirmed: bool = True
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What each sense could observe. Time outside these spans is "not observed", never "nothing there"."""

    audio: tuple[Segment, ...] = ()
    vision: tuple[Segment, ...] = ()

    def of(self, medium: Medium) -> tuple[Segment, ...]:
        """The spans of one sense."""
        return self.audio if medium == "audio" else self.vision


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """What a scorer tells the fuser at a time: everything new, and how far it has come.

    Attributes:
        medium: which sense.
        until: the sense's watermark, seconds: nothing earlier will be reported or changed by a later block
            (a track's growing ``end`` excepted). Never falls.
        scores: new score entries; may be empty.
        shots: new shots, sound only.
        tracks: tracks that are new or have grown, picture only.
        observed: spans newly observed. A block without any moves ``until`` on and says "not observed".
    """

    medium: Medium
    until: float
    scores: Score
    shots: tuple[Shot, ...] = ()
    tracks: tuple[WeaponTrack, ...] = ()
    observed: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One term of an event's log-odds. The terms of an event sum to its log-odds to 1e-6."""

    term: str
    log_odds: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One entry of a ranking: a firearm label with its probability."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class HeardBurst:
    """Shots that follow one another, and what they say together.

    Attributes:
        start, end: first and last shot, seconds.
        shots: how many were heard.
        fire: ``burst`` for automatic fire; ``single`` for one shot, or shots fired one by one.
        cadence: rounds per minute; None for one shot.
        firearms: types ranked, best first; ``unknown firearm`` where none is supported; empty where types
            were not looked at. families: the same of ``FAMILIES``.
    """

    start: float
    end: float
    shots: int
    fire: Fire
    cadence: float | None = None
    firearms: tuple[Ranked, ...] = ()
    families: tuple[Ranked, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreatEvent:
    """One revision of a threat: same ``id``, rising ``revision``; the last one of a file is ``final``.

    Attributes:
        id: deterministic: the same input, models and configuration give the same id.
        revision: from 1.
        state: ``open`` while it may change, then ``final``, or ``retracted``.
        kind: ``gunshot``, ``visible_weapon``, ``armed_attack`` (both senses agree) or ``sensor_lost``.
        level: ``low`` to ``critical``.
        probability: fused probability of a threat, equal to the logistic of the sum of ``reasons``.
        start, end: seconds.
        shots, firearms, tracks: the evidence; ``firearms`` is ranked, best first.
        related: ids of linked events (a weapon's stay and the bursts within it).
        reasons: the terms of the log-odds.
        rank: 1 for the gravest of a recording; 0 while events still come.
        bursts: its shots burst by burst: count, cadence, single or automatic, firearm and family.
        families: firearm families over all its shots, ranked, best first.
    """

    id: str
    revision: int
    state: State
    kind: Kind
    level: Level
    probability: float
    start: float
    end: float
    shots: tuple[Shot, ...] = ()
    firearms: tuple[Ranked, ...] = ()
    tracks: tuple[WeaponTrack, ...] = ()
    related: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    rank: int = 0
    bursts: tuple[HeardBurst, ...] = ()
    families: tuple[Ranked, ...] = ()
