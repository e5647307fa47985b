"""From both senses' timelines to revisions of threat events.

An event is born with a shot heard, a weapon confirmed, or a run of a score curve that neither explains. It
is told again when something material changes, and one last time as ``final`` when nothing can change it any
more; or it is withdrawn as ``retracted`` when its support vanished. What is told depends on the order of time
alone (see `vedette_fusion.align`), never on how the stream was cut into blocks.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

from vedette_base.config import FusionConfig
from vedette_base.score import WEAPONS, Medium, ScoreBlock, Segment, Shot, ThreatEvent, WeaponTrack
from vedette_fusion.align import Aligner, Look, Memory, Moment
from vedette_fusion.candidates import Burst, Candidate, Stay, event_id
from vedette_fusion.combine import gunshot_in, weapon_in
from vedette_fusion.ranking import rank_events
from vedette_fusion.runs import Binarize
from vedette_fusion.telling import Teller

__all__ = ["Fuser", "rank_events"]

_NEWS = 0.05  # a change of probability worth a revision of its own
_MOST_ENDED = 1024  # tracks remembered after their stay ended


class Fuser:
    """Blocks of scores in, revisions of threat events out.

    Args:
        config: prior, weights, pairing, levels; the defaults if None.
        seed: goes into every event id; the same input, seed and configuration give the same ids.
        media: the senses that will send blocks. Time goes on as far as all of them have come, so name only
            those that will: with a sense that never sends a block nothing is told before `flush`.

    Memory does not grow with the length of the stream, as long as both watermarks move.
    """

    def __init__(
        self,
        config: FusionConfig | None = None,
        *,
        seed: str = "",
        media: Sequence[Medium] = ("audio", "vision"),
    ) -> None:
        self.config = config or FusionConfig()
        self._seed = seed
        self._aligner = Aligner(media)
        self._heard, self._seen = Memory(), Memory()
        self._teller = Teller(self.config, self._aligner, self._seen)
        self._clock = -math.inf
        self._audio_runs = Binarize(self.config.audio_runs)
        self._vision_runs = Binarize(self.config.vision_runs)
        self._bursts: list[Burst] = []
        self._stays: list[Stay] = []
        self._tracks: dict[int, WeaponTrack] = {}
        self._stay_of: dict[int, Stay] = {}
        self._ended: dict[int, None] = {}
        self._shots: deque[tuple[float, str]] = deque()
        self._room = 16  # tracks to hold before the past ones are dropped

    def push(self, block: ScoreBlock) -> Iterator[ThreatEvent]:
        """Take one block; yield the event revisions it brings about.

        Raises:
            InputError: a sense that was not announced, or a watermark that falls.
        """
        for moment in self._aligner.push(block):
            yield from self._live(moment)
        yield from self._settle_before(self._aligner.horizon)

    def flush(self) -> Iterator[ThreatEvent]:
        """The stream has ended: yield what it leaves, every open event as ``final``."""
        for moment in self._aligner.flush():
            yield from self._live(moment)
        yield from self._settle_before(math.inf)

    @property
    def held(self) -> int:
        """How many values are kept just now; bounded however long the stream is (tested)."""
        kept = (self._heard, self._seen, self._bursts, self._stays, self._tracks, self._stay_of, self._shots)
        return self._aligner.waiting + sum(len(k) for k in kept) + sum(len(b.shots) for b in self._bursts)

    # One moment: settle what was due before it, take it in, tell what changed, forget what is past.

    def _live(self, moment: Moment) -> Iterator[ThreatEvent]:
        yield from self._settle_before(moment.time)
        self._clock = max(self._clock, moment.time)
        for track in moment.tracks:
            self._take_track(track)
        for shot in moment.shots:
            self._take_shot(shot)
        for look in moment.heard:
            self._take_heard(look)
        for look in moment.seen:
            self._take_seen(look)
        self._claim_runs()
        yield from self._tell(self._open())
        self._forget()

    def _settle_before(self, time: float) -> Iterator[ThreatEvent]:
        """Do what falls due before ``time``, in order of when it is due: wake waiting runs, end events."""
        while True:
            waking = ((b.wakes, 0, b.id, b) for b in self._bursts if b.run and b.wakes > self._clock)
            ending = ((c.due(), 1, c.id, c) for c in self._open())
            due = min((*waking, *ending), key=lambda d: d[:3], default=None)
            if due is None or due[0] >= time:
                return
            self._clock = max(self._clock, due[0])
            if due[1] == 0:
                yield from self._tell(self._open())
            else:
                yield from self._finish(due[3])

    # Taking in

    def _take_shot(self, shot: Shot) -> None:
        config = self.config
        burst = next((b for b in reversed(self._bursts) if not b.run), None)
        if burst and (shot.time > burst.closes or shot.time - burst.start > config.longest_burst):
            burst = None
        if burst is None:
            burst = Burst(event_id(self._seed, "shots", shot.time), config, shot.time)
            self._bursts.append(burst)
        burst.add_shot(shot)
        self._shots.append((shot.time, burst.id))

    def _take_track(self, track: WeaponTrack) -> None:
        self._tracks[track.id] = track
        stay = self._stay_of.get(track.id)
        if stay is None and track.confirmed and track.label in WEAPONS:
            # A track that comes back after its stay was told to the end begins a stay of its own, from now.
            start = self._clock if track.id in self._ended else track.start
            stay = self._stay_near(track, start) or self._new_stay(track, start)
            stay.reach_back(start)
            self._stay_of[track.id] = stay
        if stay is not None:
            stay.add_track(track)

    def _stay_near(self, track: WeaponTrack, start: float) -> Stay | None:
        span = Segment(start, max(start, track.end))
        for stay in self._stays:
            alike = not stay.run and stay.weapons and stay.label == track.label
            if alike and stay.span.gap(span) <= self.config.track_gap:
                return stay
        return None

    def _new_stay(self, track: WeaponTrack, start: float) -> Stay:
        stay = Stay(event_id(self._seed, "track", start, track.id), self.config, start)
        self._stays.append(stay)
        return stay

    def _take_heard(self, look: Look) -> None:
        self._heard.add(look)
        if not (self.config.audio_runs.use and look.quality > 0):
            return
        known = self._audio_runs.run
        if known and look.time - known.start > self.config.longest_burst:
            self._audio_runs.run = None
        run = self._audio_runs.push(look.time, gunshot_in(look, self.config).probability)
        if run is None:
            return
        burst = next((b for b in self._bursts if b.run is run), None)
        if burst is None:
            burst = Burst(event_id(self._seed, "sound", run.start), self.config, run.start, run)
            self._bursts.append(burst)
        near = self._heard.between(look.time - self.config.audio_reach, look.time)
        burst.add_look(look, near[-2] if len(near) > 1 else None)

    def _take_seen(self, look: Look) -> None:
        self._seen.add(look)
        weapon = weapon_in(look, self.config)
        if weapon is None or not (self.config.vision_runs.use and look.quality > 0):
            return
        run = self._vision_runs.push(look.time, max(p for n, p in look.values.items() if n != "no_weapon"))
        if run is None:
            return
        stay = next((s for s in self._stays if s.run is run), None)
        if stay is None:
            stay = Stay(event_id(self._seed, "picture", run.start), self.config, run.start, run)
            self._stays.append(stay)
        stay.add_look(look)

    def _claim_runs(self) -> None:
        """Where a scorer named a shot or followed a track, its word counts and the curve's does not."""
        reach = self.config.audio_reach
        for burst in self._bursts:
            if burst.run and not burst.claimed:
                near = (i for t, i in self._shots if burst.start - reach <= t <= burst.end + reach)
                burst.claimed = next(near, "")
        for stay in self._stays:
            if stay.run and not stay.claimed:
                for track in self._tracks.values():
                    if stay.span.gap(Segment(track.start, track.end)) <= self.config.track_gap:
                        known = self._stay_of.get(track.id)
                        stay.claimed = known.id if known else f"track {track.id}"
                        break

    # Telling

    def _open(self) -> list[Candidate]:
        return [*self._bursts, *self._stays]

    def _tell(self, candidates: Sequence[Candidate]) -> Iterator[ThreatEvent]:
        """Revisions of what changed: bursts first, because stays count on what was heard."""
        self._link()
        for candidate in candidates:
            if not candidate.ready(self._clock):
                if candidate.told is not None:
                    yield self._teller.retraction(candidate, candidate.told)
                    self._drop(candidate)
                continue
            news = candidate.news(self._clock)
            if news == candidate.weighed:
                continue
            candidate.weighed = news
            event = self._teller.event(candidate, "open", self._clock)
            if candidate.told is None or _material(candidate.told, event):
                candidate.told = event
                yield event

    def _finish(self, candidate: Candidate) -> Iterator[ThreatEvent]:
        self._link()
        if candidate.ready(self._clock):
            candidate.told = self._teller.event(candidate, "final", self._clock)
            yield candidate.told
        self._drop(candidate)

    def _link(self) -> None:
        for burst in self._bursts:
            burst.refresh(self._heard, self._clock)
        for stay in self._stays:
            stay.refresh(self._seen, self._clock)
        stays = [s for s in self._stays if s.ready(self._clock)]
        for burst in self._bursts:
            for stay in stays:
                if stay.id not in burst.stays and burst.ready(self._clock) and stay.pairs(burst):
                    burst.stays[stay.id] = stay
                    stay.link(burst)

    # Forgetting

    def _drop(self, candidate: Candidate) -> None:
        candidate.done = True
        self._bursts = [b for b in self._bursts if b is not candidate]
        self._stays = [s for s in self._stays if s is not candidate]
        if isinstance(candidate, Burst):
            for stay in candidate.stays.values():
                stay.fold(candidate)
        elif isinstance(candidate, Stay):
            for number in [n for n, stay in self._stay_of.items() if stay is candidate]:
                del self._stay_of[number]
                self._ended[number] = None
            while len(self._ended) > _MOST_ENDED:
                del self._ended[next(iter(self._ended))]

    def _forget(self) -> None:
        """Keep what an open or a future event can still need: the pairing window before it."""
        config = self.config
        window = max(config.weapon_before, 2.0 * config.audio_reach, config.track_gap) + 1.0
        before = min((b.start for b in self._bursts), default=self._clock) - window
        self._seen.forget(before)
        self._heard.forget(before)
        self._aligner.forget(before)
        while self._shots and self._shots[0][0] < before:
            self._shots.popleft()
        if len(self._tracks) > self._room:
            past = self._clock - window  # a run is compared with tracks at every moment: older ones were
            kept = {n for n, t in self._tracks.items() if t.end >= past}
            kept |= {n for n, stay in self._stay_of.items() if n in stay.tracks}
            self._tracks = {n: t for n, t in self._tracks.items() if n in kept}
            self._stay_of = {n: stay for n, stay in self._stay_of.items() if n in kept}
            self._room = 2 * len(kept) + 16


def _material(told: ThreatEvent, now: ThreatEvent) -> bool:
    """Whether the new state is worth telling: not every frame by which a weapon's stay grows."""
    if abs(told.probability - now.probability) >= _NEWS:
        return True
    return _gist(told) != _gist(now)


def _gist(event: ThreatEvent) -> tuple[object, ...]:
    tracks = tuple((track.id, track.label) for track in event.tracks)
    return event.kind, event.level, len(event.shots), tracks, event.related
