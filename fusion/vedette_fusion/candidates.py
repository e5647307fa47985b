"""Intervals under watch: bursts of shots heard, and stays of weapons seen.

Both come from what a scorer names (shots, confirmed tracks) or, where it names nothing, from a run of its
score curve. They gather evidence while time goes on; `vedette_fusion.events` decides when to tell of it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vedette_base.bursts import bursts_of
from vedette_base.config import FusionConfig
from vedette_base.score import FIREARMS, WEAPONS, HeardBurst, Segment, Shot, ThreatEvent, WeaponTrack
from vedette_fusion.align import Look, Memory
from vedette_fusion.combine import (
    Evidence,
    agreed,
    agreed_by_a_quarter,
    audio_evidence,
    gunshot_in,
    strongest,
    vision_evidence,
    weapon_in,
)
from vedette_fusion.runs import Run

SAME_LOOK = 0.5  # seconds: a score this near to a track's best look tells of its quality
_MOST_TRACKS = 64  # a stay of days keeps its best tracks only
_MOST_LINKS = 256  # and its latest bursts


def event_id(seed: str, family: str, start: float, number: int = 0) -> str:
    """Identity of an event: what it began with, so that later evidence never changes it."""
    return hashlib.sha256(f"{seed}|{family}|{round(start * 1000)}|{number}".encode()).hexdigest()[:16]


class Candidate(ABC):
    """What bursts and stays share: an identity, a span, and what was last told of them."""

    def __init__(self, identity: str, run: Run | None = None) -> None:
        self.id = identity
        self.run = run
        self.claimed = ""  # id of the event that explains this run, or why there is none
        self.told: ThreatEvent | None = None
        self.weighed: object = None  # the news it was last told or passed over with
        self.done = False

    @property
    @abstractmethod
    def span(self) -> Segment:
        """From its first to its last evidence."""

    @property
    @abstractmethod
    def closes(self) -> float:
        """Evidence later than this belongs to another event."""

    @abstractmethod
    def ready(self, clock: float) -> bool:
        """Whether it is a threat event at ``clock`` seconds."""

    @abstractmethod
    def due(self) -> float:
        """Seconds after which nothing can change it."""

    @abstractmethod
    def news(self, clock: float) -> object:
        """What its event would be made of; while this stays equal there is nothing new to tell."""


class Burst(Candidate):
    """Shots that follow one another, or one run of the gunshot curve."""

    def __init__(self, identity: str, config: FusionConfig, start: float, run: Run | None = None) -> None:
        super().__init__(identity, run)
        self._config = config
        self.start = start
        self.shots: list[Shot] = []
        self.stays: dict[str, Stay] = {}
        self.heard: Evidence | None = None
        self._run_types: Mapping[str, float] = {}
        self._settled = False

    @property
    def end(self) -> float:
        """Time of the last shot, or of the run's last score."""
        return self.run.end if self.run else self.shots[-1].time

    @property
    def span(self) -> Segment:  # noqa: D102
        return Segment(self.start, max(self.start, self.end))

    @property
    def closes(self) -> float:  # noqa: D102
        return self.end + (self._config.audio_runs.shortest_off if self.run else self._config.split_gap)

    @property
    def wakes(self) -> float:
        """A run waits this long for a shot that explains it better."""
        return self.start + self._config.audio_reach if self.run else self.start

    def ready(self, clock: float) -> bool:  # noqa: D102
        if self.run is None:
            return True
        return not self.claimed and self.run.long_enough and clock >= self.wakes

    def due(self) -> float:
        """When it has settled and the weapons it is linked to are gone, or `hold` is over."""
        config = self._config
        settled = max(self.closes, self.end + max(config.settle, config.audio_reach))
        stays = max((stay.closes for stay in self.stays.values() if not stay.done), default=settled)
        return max(settled, min(stays, self.end + config.hold))

    def add_shot(self, shot: Shot) -> None:
        """Take a further shot; one that comes late is put in its place."""
        self._settled = False
        self.shots.append(shot)
        self.shots.sort(key=lambda s: s.time)

    def add_look(self, look: Look, before: Look | None) -> None:
        """Take a score of the run, and the one next before it where there is one within half a window.

        Windows overlap: a shot is in several in a row, so what counts is what two neighbours agree on. The
        peak of thousands of windows would grow with the length of a recording.
        """
        evidence = gunshot_in(look, self._config)
        if before is not None:
            evidence = agreed(gunshot_in(before, self._config), evidence, self._config)
        best = strongest((self.heard, evidence))
        if best is evidence:
            self._run_types = {name: p for name, p in look.values.items() if name in FIREARMS}
        self.heard = best

    def news(self, clock: float) -> object:  # noqa: D102
        stays = tuple((s.id, s.seen, s.end if s.run else len(s.weapons)) for s in self.stays.values())
        return self.heard, len(self.shots), stays, self.ready(clock)

    def refresh(self, memory: Memory, clock: float) -> None:
        """Weigh the shots again, with the quality of the sound around each of them."""
        if self.run is None and not self._settled:
            reach = self._config.audio_reach  # so far from the ends of a recording is the nearest centre
            self._settled = clock > self.end + reach
            near = ((shot, memory.nearest(shot.time, reach)) for shot in self.shots)
            self.heard = agreed_by_a_quarter(
                audio_evidence(shot.probability, look.quality if look else 1.0, shot.time, self._config)
                for shot, look in near
            )

    def types(self) -> list[Mapping[str, float]]:
        """What each shot, or the peak of the run, says about the firearm."""
        return [self._run_types] if self.run else [shot.types for shot in self.shots]

    def bursts(self) -> tuple[HeardBurst, ...]:
        """Its shots burst by burst; none of a run."""
        return bursts_of(self.shots, self._config.type_support)

    def window(self) -> Segment:
        """When a weapon must have been in sight to support it: light first, sound later."""
        return Segment(self.start - self._config.weapon_before, self.span.end + self._config.weapon_after)


class Stay(Candidate):
    """One weapon's whole visible stay: tracks of one label, or one run of the weapon curves."""

    def __init__(self, identity: str, config: FusionConfig, start: float, run: Run | None = None) -> None:
        super().__init__(identity, run)
        self._config = config
        self._first = start
        self._last = start
        self._weighed: dict[int, _Weighed] = {}
        self._folded: Burst | None = None
        self.tracks: dict[int, WeaponTrack] = {}
        self.bursts: dict[str, Burst] = {}
        self.seen: Evidence | None = None

    @property
    def weapons(self) -> list[WeaponTrack]:
        """Its tracks that are confirmed weapons, in order of time."""
        found = (t for t in self.tracks.values() if t.confirmed and t.label in WEAPONS)
        return sorted(found, key=lambda t: (t.start, t.id))

    @property
    def label(self) -> str:
        """Weapon class of its best look."""
        if self.seen is not None:
            return self.seen.label
        return max(self.weapons, key=lambda t: t.probability).label if self.weapons else ""

    @property
    def start(self) -> float:
        """When it was first seen."""
        return self._first

    @property
    def end(self) -> float:
        """When it was last seen."""
        if self.run:
            return self.run.end
        return max((track.end for track in self.weapons), default=self._last)

    @property
    def span(self) -> Segment:  # noqa: D102
        return Segment(self.start, max(self.start, self.end))

    @property
    def closes(self) -> float:  # noqa: D102
        return self.end + (self._config.vision_runs.shortest_off if self.run else self._config.track_gap)

    def ready(self, clock: float) -> bool:  # noqa: D102
        if self.run is None:
            return bool(self.weapons)
        return not self.claimed and self.run.long_enough

    def due(self) -> float:
        """When no later shot can pair with it and its bursts are over, or `hold` is."""
        config = self._config
        late = self.end + config.weapon_before + config.audio_reach
        bursts = max((burst.closes for burst in self.bursts.values() if not burst.done), default=late)
        return max(self.closes, late, min(bursts, self.end + config.hold))

    def reach_back(self, start: float) -> None:
        """It has been in sight since ``start``: a track that began earlier was confirmed later."""
        self._first = min(self._first, start)

    def add_track(self, track: WeaponTrack) -> None:
        """Take a new or a longer version of one of its tracks."""
        self.tracks[track.id] = track
        if track.confirmed and track.label in WEAPONS:
            self._last = max(self._last, track.end)
        if len(self.tracks) > _MOST_TRACKS:
            weakest = min(self.tracks.values(), key=lambda t: (t.probability, t.id))
            del self.tracks[weakest.id]
            self._weighed.pop(weakest.id, None)

    def add_look(self, look: Look) -> None:
        """Take a score of the run."""
        self.seen = strongest((self.seen, weapon_in(look, self._config)))

    def news(self, clock: float) -> object:  # noqa: D102
        weapons = tuple((track.id, track.label) for track in self.weapons)
        return self.seen, weapons, self.heard(), len(self.bursts), self.ready(clock)

    def refresh(self, memory: Memory, clock: float) -> None:
        """Weigh the tracks again, with the quality of the picture at each one's best look."""
        if self.run is not None:
            return
        for track in self.weapons:
            best_look = (track.label, track.probability, track.peak_time)
            known = self._weighed.get(track.id)
            if known is None or not known.settled or known.best_look != best_look:
                evidence = _weigh(track, memory.nearest(track.peak_time, SAME_LOOK), self._config)
                self._weighed[track.id] = _Weighed(best_look, evidence, clock > track.peak_time + SAME_LOOK)
        self.seen = strongest(self._weighed[track.id].evidence for track in self.weapons)

    def seen_in(self, window: Segment, memory: Memory) -> Evidence | None:
        """Its evidence for a burst: of tracks in sight within ``window``, or the peak of the run there."""
        if self.run is not None:
            near = memory.between(max(window.start, self.start), min(window.end, self.end))
            return strongest(weapon_in(look, self._config) for look in near)
        inside = [t for t in self.weapons if t.end >= window.start and t.start <= window.end]
        return strongest(self._weighed[t.id].evidence for t in inside if t.id in self._weighed)

    def nearness(self, burst: Burst) -> float:
        """1 with the weapon in sight at the shot, down to a half at the far end of the pairing window.

        In sight at the shot means up to the travel time of sound before it was heard.
        """
        config = self._config
        lead = max(0.0, burst.start - self.end - config.sound_delay)
        room = config.weapon_before - config.sound_delay
        return 1.0 - 0.5 * min(1.0, lead / room) if room > 0 else 1.0

    def pairs(self, burst: Burst) -> bool:
        """Whether it was in sight within the pairing window of ``burst``."""
        window = burst.window()
        return self.start <= window.end and self.end >= window.start

    def link(self, burst: Burst) -> None:
        """Remember a burst; of very many the latest."""
        self.bursts[burst.id] = burst
        if len(self.bursts) > _MOST_LINKS:
            del self.bursts[next(iter(self.bursts))]

    def fold(self, burst: Burst) -> None:
        """A linked burst is over: of all those only the strongest still counts."""
        self._folded = self._stronger([b for b in (self._folded, burst) if b is not None])

    def heard(self) -> tuple[Evidence, Burst] | None:
        """The strongest sound among its bursts."""
        going = [b for b in self.bursts.values() if not b.done]
        best = self._stronger([*going, *([self._folded] if self._folded else [])])
        return (best.heard, best) if best and best.heard else None

    def _stronger(self, bursts: Sequence[Burst]) -> Burst | None:
        heard = [
            (-b.heard.net * self.nearness(b), b.start, b.id, b) for b in bursts if b.heard and not b.claimed
        ]
        return min(heard, key=lambda h: h[:3])[3] if heard else None


def _weigh(track: WeaponTrack, look: Look | None, config: FusionConfig) -> Evidence:
    look = look or Look(track.peak_time, 1.0, {})  # not scored there: as the tracker says
    return vision_evidence(track.label, track.probability, look, track.peak_time, config)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Evidence of one track; settled once every score near its best look is in."""

    best_look: tuple[str, float, float]
    evidence: Evidence
    settled: bool
