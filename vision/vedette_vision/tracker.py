"""Follows weapons from look to look: stable numbers, votes on the class, and when to believe it."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vedette_base.calibration import logistic, logit
from vedette_base.config import TrackerConfig
from vedette_base.score import VISION_LABELS, WEAPONS, Box, WeaponTrack
from vedette_vision.boxes import Floats, containment, overlap
from vedette_vision.detector import Detection

SAME_THING, PART_OF_IT = 0.5, 0.75
"""Boxes that overlap by this IoU, or of which one lies in the other by this share, are one thing."""
SPEED_MEMORY = 0.5
"""Share of the newest displacement in the speed estimate."""
AGREED_SHARE = 0.1
"""Share of all looks at a track that must agree on its probability. The best few of hundreds are high by
chance: what counts must not grow with the length of a stay."""

LASTING, MOST_LASTING = 0.18, 1.4
"""Log-odds for every further look that agrees, and in all. False boxes come and go: on streets and at parties
a third at most lived on for a second (five looks), of real weapons four in five: ln 2.4 a second. Bounded,
because what stands still looks the same in every look: the bound alone makes no event of a faint thing."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One thing in one look: its best box, and the best probability of every class for it.

    Attributes:
        box: x1, y1, x2, y2 in full-size pixels, shape ``(4,)``.
        chances: shape ``(4,)``, calibrated, in the order of ``VISION_LABELS``.
    """

    box: Floats
    chances: Floats

    @property
    def weapon(self) -> float:
        """The best probability among weapons."""
        return float(self.chances[_WEAPON_COLUMNS].max())


_WEAPON_COLUMNS = [VISION_LABELS.index(name) for name in WEAPONS]
_NO_WEAPON = VISION_LABELS.index("no_weapon")


def sightings(detections: Sequence[Detection], least: float = 0.0) -> list[Sighting]:
    """Join boxes of all classes on the same thing, and on parts of it; most probable first.

    Things whose best box has a probability below ``least`` are left out.
    """
    left = sorted(detections, key=lambda d: -d.probability)
    things = []
    while left and left[0].probability >= least:
        box = np.asarray(left[0].box, np.float32)
        boxes = np.asarray([d.box for d in left], np.float32)
        near = (overlap(box[None], boxes)[0] >= SAME_THING) | (containment(box, boxes) >= PART_OF_IT)
        near[0] = True  # a box of no area overlaps nothing, not even itself
        chances = np.zeros(len(VISION_LABELS), np.float32)
        for detection, same in zip(left, near, strict=True):
            if same:
                column = VISION_LABELS.index(detection.label)
                chances[column] = max(chances[column], detection.probability)
        things.append(Sighting(box, chances))
        left = [d for d, same in zip(left, near, strict=True) if not same]
    return things


@dataclass(slots=True, eq=False)
class _Track:
    """A thing followed over time."""

    id: int
    box: Floats
    seen: float
    start: float
    votes: Floats
    speed: Floats = field(default_factory=lambda: np.zeros(4, np.float32))
    peaks: dict[str, tuple[float, float, Floats]] = field(default_factory=dict)
    looks: dict[str, list[float]] = field(default_factory=dict)  # per class, rising
    looked: int = 0  # looks at it until it was last seen, those that missed it included
    missed: int = 0  # looks since then
    told: bool = False

    def expected(self, time: float) -> Floats:
        """Where it should be, at constant speed of its centre and sides."""
        moved: Floats = self.box + self.speed * np.float32(time - self.seen)
        return moved

    def see(self, thing: Sighting, time: float, threshold: float) -> None:
        """Take in a look."""
        if time > self.seen:
            step = (thing.box - self.box) / np.float32(time - self.seen)
            self.speed = SPEED_MEMORY * step + (1 - SPEED_MEMORY) * self.speed
        self.box, self.seen = thing.box, time
        self.looked, self.missed = self.looked + self.missed + 1, 0
        self.votes = self.votes + thing.chances
        for column in _WEAPON_COLUMNS:
            name, chance = VISION_LABELS[column], float(thing.chances[column])
            if chance >= threshold:
                insort(self.looks.setdefault(name, []), chance)
            if chance > self.peaks.get(name, (0.0,))[0]:
                self.peaks[name] = (chance, time, thing.box)

    @property
    def label(self) -> str:
        """The class with most votes: a weapon only if it outweighs ``no_weapon``."""
        best = _WEAPON_COLUMNS[int(np.argmax(self.votes[_WEAPON_COLUMNS]))]
        return "no_weapon" if self.votes[_NO_WEAPON] >= self.votes[best] else VISION_LABELS[best]


class Tracker:
    """Joins the detections of successive looks into tracks.

    A sighting starts a track when a weapon's probability on it reaches that class's threshold;
    down to ``keep_probability`` it continues one. A track is confirmed when ``confirm_looks`` looks
    agree, that is, support its class and reach ``keep_probability``.
    """

    def __init__(self, config: TrackerConfig, births: dict[str, float]) -> None:
        self._config = config
        self._births = np.array([births[name] for name in VISION_LABELS], np.float32)
        self._alive: list[_Track] = []
        self._told_until = float("-inf")
        self._next = 1

    @property
    def undecided(self) -> bool:
        """Whether something is followed that is not yet confirmed or was just missed: worth every frame."""
        return any(t.label != "no_weapon" and (t.missed or not self._confirmed(t)) for t in self._alive)

    def update(
        self, time: float, detections: Sequence[Detection], *, still: bool = False
    ) -> list[WeaponTrack]:
        """Take in a look at ``time``; called for every look, also when nothing was found.

        Returns:
            Tracks that are new or have grown. One that turned out to be ``no_weapon`` is given under that
            label. ``still`` confirms at once: a still picture has no second look.
        """
        self._alive = [t for t in self._alive if time - t.seen <= self._config.max_gap + 1e-6]
        self._told_until = time
        things = sightings(detections, self._config.keep_probability)
        changed = []
        for track, thing in self._pairs(things, time):
            track.see(thing, time, self._config.keep_probability)
            changed.append(track)
        for track in self._alive:
            track.missed += track not in changed
        taken = {id(thing) for thing in (t.box for t in changed)}
        for thing in things:
            weapons = thing.chances >= self._births
            weapons[_NO_WEAPON] = False
            if id(thing.box) not in taken and weapons.any():
                track = _Track(self._next, thing.box, time, time, np.zeros(len(VISION_LABELS), np.float32))
                self._next += 1
                track.see(thing, time, self._config.keep_probability)
                self._alive.append(track)
                changed.append(track)
        return [told for track in changed if (told := self._tell(track, still)) is not None]

    def hold(self, time: float) -> list[WeaponTrack]:
        """Nothing moved since the last look: what was seen in it is still there."""
        held = [t for t in self._alive if t.seen == self._told_until]
        self._told_until = time
        for track in held:
            track.seen = time
            track.speed = np.zeros(4, np.float32)
        return [told for track in held if (told := self._tell(track, False)) is not None]

    def _pairs(self, things: Sequence[Sighting], time: float) -> list[tuple[_Track, Sighting]]:
        """Best pairs first, by overlap and nearness, each track and each sighting once."""
        if not self._alive or not things:
            return []
        expected = np.stack([t.expected(time) for t in self._alive])
        boxes = np.stack([s.box for s in things])
        shared = overlap(expected, boxes)
        size = np.sqrt(np.maximum(_area(expected)[:, None], _area(boxes)[None]))
        apart = np.linalg.norm(_centre(expected)[:, None] - _centre(boxes)[None], axis=2)
        near = 1 - apart / np.maximum(size * self._config.match_distance, 1e-6)
        alike = np.minimum(_area(expected)[:, None], _area(boxes)[None]) / np.maximum(size**2, 1e-6)
        value = np.where(shared >= self._config.match_iou, 1 + shared, np.where(alike > 0.2, near, -1.0))
        pairs = []
        for flat in np.argsort(-value, axis=None, kind="stable"):
            row, column = divmod(int(flat), len(things))
            if value[row, column] <= 0:
                break
            pairs.append((self._alive[row], things[column]))
            value_row_used, value_column_used = value[row], value[:, column]
            value_row_used[:] = -1.0
            value_column_used[:] = -1.0
        return pairs

    def _confirmed(self, track: _Track) -> bool:
        return len(track.looks.get(track.label, ())) >= self._config.confirm_looks

    def _tell(self, track: _Track, still: bool) -> WeaponTrack | None:
        label = track.label
        if label == "no_weapon":
            if not track.told:
                return None
            best = max(track.peaks.values(), key=lambda peak: peak[0])
            return self._issue(track, label, float(track.votes[_NO_WEAPON] / track.votes.sum()), best, False)
        track.told = True
        confirmed = still or self._confirmed(track)
        peak = track.peaks[label]
        return self._issue(track, label, self._agreed(track) if confirmed else peak[0], peak, confirmed)

    def _agreed(self, track: _Track) -> float:
        """What ``confirm_looks`` looks agree on, and a quarter of all; more the longer it lasts."""
        rising = track.looks.get(track.label) or [track.peaks[track.label][0]]
        agreeing = max(self._config.confirm_looks, math.ceil(AGREED_SHARE * track.looked))
        further = max(0, len(rising) - self._config.confirm_looks)
        lasting = min(MOST_LASTING, further * LASTING)
        return float(logistic(logit(rising[-min(agreeing, len(rising))]) + lasting))

    @staticmethod
    def _issue(
        track: _Track, label: str, probability: float, peak: tuple[float, float, Floats], confirmed: bool
    ) -> WeaponTrack:
        return WeaponTrack(
            id=track.id,
            label=label,
            probability=probability,
            start=track.start,
            end=track.seen,
            peak_time=peak[1],
            peak_box=_box(peak[2]),
            looks=len(track.looks.get(label, ())),
            confirmed=confirmed,
            box=_box(track.box),
        )


def _box(corners: Floats) -> Box:
    x1, y1, x2, y2 = (float(v) for v in corners)
    return (x1, y1, x2, y2)


def _area(boxes: Floats) -> Floats:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], np.float32(1))
    product: Floats = sides[:, 0] * sides[:, 1]
    return product


def _centre(boxes: Floats) -> Floats:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float32)
