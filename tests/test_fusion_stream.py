"""The fuser as a stream: only the order of time counts, and no event is told twice differently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette_base.config import FusionConfig
from vedette_base.errors import InputError
from vedette_base.score import Medium, Score, ScoreBlock, Segment, Shot, ThreatEvent, WeaponTrack
from vedette_fusion.events import Fuser

LENGTH = 30.0
AUDIO, VISION = ("AK-47", "gunshot"), ("knife", "long_gun", "no_weapon", "pistol")


@dataclass(frozen=True)
class World:
    """What both scorers would report of one recording, entry by entry."""

    heard: tuple[tuple[float, float], ...]  # time, gunshot probability
    seen: tuple[tuple[float, float, float], ...]  # time, pistol, no_weapon
    shots: tuple[Shot, ...]
    tracks: tuple[WeaponTrack, ...]  # every version, in order of its end

    def block(self, medium: Medium, start: float, end: float) -> ScoreBlock:
        """What one sense reports of ``start <= time < end``."""
        if medium == "audio":
            entries = [(t, (0.2 * p, p)) for t, p in self.heard if start <= t < end]
            score = timeline(entries, AUDIO)
            shots = tuple(s for s in self.shots if start <= s.time < end)
            return ScoreBlock(medium, end, score, shots=shots, observed=(Segment(start, end),))
        entries = [(t, (0.01, 0.02, no, p)) for t, p, no in self.seen if start <= t < end]
        tracks = tuple(t for t in self.tracks if start <= t.end < end)
        return ScoreBlock(
            medium, end, timeline(entries, VISION), tracks=tracks, observed=(Segment(start, end),)
        )

    def blocks(self, medium: Medium, cuts: Iterable[float]) -> list[ScoreBlock]:
        edges = sorted({0.0, *cuts, LENGTH + 1.0})
        return [self.block(medium, a, b) for a, b in pairwise(edges)]


def timeline(entries: Sequence[tuple[float, tuple[float, ...]]], labels: tuple[str, ...]) -> Score:
    times = np.array([t for t, _ in entries], np.float64)
    values = np.array([p for _, p in entries], np.float32).reshape(len(entries), len(labels))
    return Score(times, values, labels)


def grown(number: int, label: str, start: float, end: float, p: float, turns: str = "") -> list[WeaponTrack]:
    """Versions of a track seen five times a second, confirmed at the third; ``turns`` is its last label."""
    times = np.round(np.arange(start, end + 1e-9, 0.2), 3).tolist()
    box = (10.0, 10.0, 30.0, 30.0)
    made = []
    for looks, time in enumerate(times, start=1):
        name = turns if turns and looks > len(times) // 2 else label
        made.append(WeaponTrack(number, name, p, times[0], time, times[0], box, looks, confirmed=looks >= 3))
    return made


def run(blocks: Iterable[ScoreBlock], config: FusionConfig | None = None) -> list[ThreatEvent]:
    fuser = Fuser(config, seed="test")
    told = [event for block in blocks for event in fuser.push(block)]
    return [*told, *fuser.flush()]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds with peaks in either sense, with and without shots and tracks, look-alikes, turned tracks."""
    chance = st.sampled_from([0.01, 0.05, 0.35, 0.55, 0.8, 0.97])
    peaks = draw(st.lists(st.tuples(st.integers(0, 59), st.integers(1, 6), chance), max_size=4))
    loud = [0.02] * 60
    for at, width, p in peaks:
        loud[at : at + width] = [p] * len(loud[at : at + width])
    heard = tuple((0.5 * i, p) for i, p in enumerate(loud))
    sights = draw(st.lists(st.tuples(st.integers(0, 149), st.integers(1, 40), chance, chance), max_size=3))
    bright, harmless = [0.03] * 150, [0.02] * 150
    for at, width, p, no in sights:
        bright[at : at + width] = [p] * len(bright[at : at + width])
        harmless[at : at + width] = [no] * len(harmless[at : at + width])
    seen = tuple((0.2 * i, p, n) for i, (p, n) in enumerate(zip(bright, harmless, strict=True)))
    shots = [
        Shot(t / 100, p, {"AK-47": q})
        for t, p, q in draw(st.lists(st.tuples(st.integers(0, 2900), chance, chance)))
    ]
    tracks: list[WeaponTrack] = []
    kinds = st.sampled_from(["pistol", "long_gun", "no_weapon"])
    spans = st.tuples(
        kinds, st.integers(0, 140), st.integers(0, 60), chance, st.sampled_from(["", "no_weapon"])
    )
    for number, (label, start, looks, p, turns) in enumerate(draw(st.lists(spans, max_size=4))):
        tracks += grown(number, label, 0.2 * start, min(0.2 * (start + looks), 29.8), p, turns)
    return World(
        heard,
        seen,
        tuple(sorted(shots, key=lambda s: s.time)),
        tuple(sorted(tracks, key=lambda t: (t.end, t.id))),
    )


def interleaved(world: World, draw: st.DataObject) -> list[ScoreBlock]:
    cuts = st.lists(st.floats(0.1, LENGTH), max_size=12)
    waiting = [world.blocks("audio", draw.draw(cuts)), world.blocks("vision", draw.draw(cuts))]
    order: list[ScoreBlock] = []
    while all(waiting):
        order.append(waiting[draw.draw(st.integers(0, 1))].pop(0))
    return [*order, *waiting[0], *waiting[1]]


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(worlds(), st.data())
def test_how_a_stream_is_cut_and_interleaved_changes_nothing(world: World, data: st.DataObject) -> None:
    whole = run([world.block("audio", 0.0, LENGTH + 1), world.block("vision", 0.0, LENGTH + 1)])
    assert run(interleaved(world, data)) == whole


@QUICK
@given(worlds())
def test_revisions_rise_by_one_and_nothing_follows_the_last_word(world: World) -> None:
    by_id: dict[str, list[ThreatEvent]] = {}
    for event in run([world.block("audio", 0.0, LENGTH + 1), world.block("vision", 0.0, LENGTH + 1)]):
        by_id.setdefault(event.id, []).append(event)
    for told in by_id.values():
        assert [event.revision for event in told] == list(range(1, len(told) + 1))
        assert all(event.state == "open" for event in told[:-1])
        assert told[-1].state in ("final", "retracted")


@QUICK
@given(worlds())
def test_reasons_add_up_to_the_probability(world: World) -> None:
    for event in run([world.block("audio", 0.0, LENGTH + 1), world.block("vision", 0.0, LENGTH + 1)]):
        log_odds = sum(reason.log_odds for reason in event.reasons)
        assert event.probability == pytest.approx(1.0 / (1.0 + np.exp(-log_odds)), abs=1e-9)
        assert all(reason.text for reason in event.reasons)


def test_ids_depend_on_the_seed_and_on_nothing_that_comes_later() -> None:
    short = World((), (), (Shot(3.0, 0.9),), ())
    longer = World((), (), (Shot(3.0, 0.9), Shot(4.0, 0.99)), tuple(grown(7, "pistol", 1.0, 9.0, 0.9)))
    told = [run(w.blocks("audio", ()) + w.blocks("vision", ())) for w in (short, longer)]
    ids = [next(event.id for event in events if event.shots) for events in told]
    assert ids[0] == ids[1]
    other = Fuser(seed="another recording")
    moved = [e for b in short.blocks("audio", ()) + short.blocks("vision", ()) for e in other.push(b)]
    assert moved[0].id != ids[0]


def test_a_long_stream_keeps_little() -> None:
    fuser = Fuser()
    most, finals = 0, 0
    for minute in range(60):
        base = 60.0 * minute
        for step in range(6):
            start, end = base + 10.0 * step, base + 10.0 * (step + 1)
            heard = timeline([(start + 0.5 * i, (0.1, 0.9 if i < 4 else 0.05)) for i in range(20)], AUDIO)
            seen = timeline([(start + 0.2 * i, (0.0, 0.0, 0.0, 0.6)) for i in range(50)], VISION)
            shots = tuple(Shot(start + 0.3 * i, 0.9) for i in range(3))
            tracks = tuple(grown(6 * minute + step, "pistol", start, start + 6.0, 0.9))
            observed = (Segment(start, end),)
            for block in (
                ScoreBlock("audio", end, heard, shots=shots, observed=observed),
                ScoreBlock("vision", end, seen, tracks=tracks, observed=observed),
            ):
                finals += sum(event.state == "final" for event in fuser.push(block))
        most = max(most, fuser.held)
        if minute == 5:
            early = most
    assert finals > 300
    assert most <= 1.5 * early


def test_a_weapon_in_sight_for_an_hour_among_shots_keeps_little() -> None:
    fuser = Fuser()
    sizes = []
    for step in range(720):
        start, end = 5.0 * step, 5.0 * (step + 1)
        track = WeaponTrack(1, "pistol", 0.9, 0.0, end - 0.2, 0.0, (1, 1, 9, 9), 3 + step)
        seen = timeline([(start + 0.2 * i, (0.0, 0.0, 0.0, 0.6)) for i in range(25)], VISION)
        list(fuser.push(ScoreBlock("audio", end, timeline([], AUDIO), shots=(Shot(start, 0.9),))))
        list(fuser.push(ScoreBlock("vision", end, seen, tracks=(track,))))
        sizes.append(fuser.held)
    assert max(sizes[360:]) <= 1.5 * max(sizes[:360])
    finals = [event for event in fuser.flush() if event.kind == "visible_weapon"]
    assert [event.end for event in finals] == [3599.8]


def test_a_sense_that_stalls_is_moved_on_by_empty_blocks() -> None:
    fuser = Fuser()
    shot = ScoreBlock(
        "audio", 9.0, timeline([], AUDIO), shots=(Shot(5.0, 0.95),), observed=(Segment(0.0, 9.0),)
    )
    assert list(fuser.push(shot)) == []  # the camera may still tell of this time
    told = list(fuser.push(ScoreBlock("vision", 9.0, timeline([], VISION))))
    assert [event.kind for event in told] == ["gunshot"]
    texts = {reason.term: reason.text for reason in told[0].reasons}
    assert texts["vision"] == "picture not observed"


def test_a_fuser_for_one_sense_waits_for_no_other() -> None:
    fuser = Fuser(media=("audio",))
    block = ScoreBlock("audio", 9.0, timeline([], AUDIO), shots=(Shot(5.0, 0.95),))
    assert [event.kind for event in fuser.push(block)] == ["gunshot"]
    with pytest.raises(InputError, match="only audio was announced"):
        list(fuser.push(ScoreBlock("vision", 9.0, timeline([], VISION))))


@pytest.mark.parametrize("until", [4.0, float("nan")])
def test_a_watermark_that_falls_is_refused(until: float) -> None:
    fuser = Fuser()
    list(fuser.push(ScoreBlock("audio", 5.0, timeline([], AUDIO))))
    with pytest.raises(InputError, match="must not fall"):
        list(fuser.push(ScoreBlock("audio", until, timeline([], AUDIO))))
