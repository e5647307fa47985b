"""What becomes an event, of which kind and level, and what is linked to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from vedette import fuse
from vedette_base.config import FusionConfig
from vedette_base.score import Coverage, Score, ScoreBlock, Segment, Shot, ThreatEvent, WeaponTrack
from vedette_fusion.events import Fuser

BOX = (10.0, 10.0, 40.0, 40.0)


def track(
    start: float, end: float, p: float = 0.9, label: str = "pistol", number: int = 1, confirmed: bool = True
) -> WeaponTrack:
    return WeaponTrack(number, label, p, start, end, start, BOX, looks=5, confirmed=confirmed)


def shots(*times: float, p: float = 0.9) -> tuple[Shot, ...]:
    return tuple(Shot(time, p) for time in times)


def kinds(events: Sequence[ThreatEvent]) -> list[str]:
    return [event.kind for event in events]


def of_kind(events: Sequence[ThreatEvent], kind: str) -> ThreatEvent:
    (found,) = [event for event in events if event.kind == kind]
    return found


def curve(
    length: float, *bumps: tuple[float, float, float], step: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """A score curve at 0.02 with bumps (start, end, probability)."""
    times = np.arange(0.0, length, step)
    values = np.full(times.shape, 0.02)
    for start, end, p in bumps:
        values[(times >= start - 1e-9) & (times <= end + 1e-9)] = p
    return times, values


def test_a_shot_with_a_pistol_in_sight_is_a_critical_armed_attack() -> None:
    events = fuse(None, None, shots(8.81, 21.57), [track(0.2, 24.6)])
    assert kinds(events) == ["armed_attack", "armed_attack", "visible_weapon"]
    assert [event.level for event in events] == ["critical", "critical", "high"]
    assert sorted(event.start for event in events[:2]) == [8.81, 21.57]
    weapon = events[2]
    assert (weapon.start, weapon.end) == (0.2, 24.6)
    assert set(weapon.related) == {events[0].id, events[1].id}
    assert all(event.related == (weapon.id,) and event.tracks == weapon.tracks for event in events[:2])


def test_a_silent_pistol_is_at_least_elevated() -> None:
    (event,) = fuse(None, None, tracks=[track(0.0, 9.3, p=0.85)])
    assert (event.kind, event.shots, event.firearms) == ("visible_weapon", (), ())
    assert event.level in ("elevated", "high")


def test_a_shooter_off_screen_is_a_gunshot() -> None:
    scores = curve(20.0, step=0.2)
    alone = fuse(None, None, shots(10.0))
    watched = fuse(None, scores, shots(10.0))
    assert kinds(alone) == kinds(watched) == ["gunshot"]
    assert alone[0].probability == watched[0].probability
    assert alone[0].level == "elevated"


def test_a_phone_is_nothing_above_low() -> None:
    times, pistol = curve(20.0, (5.0, 9.0, 0.6), step=0.2)
    phone = np.where(pistol > 0.5, 0.9, 0.02)
    scores = Score(times, np.stack([pistol * 0, pistol * 0, phone, pistol], 1).astype(np.float32), VISION)
    assert all(event.level == "low" for event in fuse(None, scores))
    assert fuse(None, scores, tracks=[track(5.0, 9.0, 0.9, "no_weapon")]) == []


VISION = ("knife", "long_gun", "no_weapon", "pistol")


def test_shots_within_three_seconds_are_one_event_and_a_longer_gap_splits() -> None:
    events = fuse(None, None, shots(1.0, 3.0, 6.0, 9.01, 30.0))
    assert sorted((e.start, e.end, len(e.shots)) for e in events) == [
        (1.0, 6.0, 3),
        (9.01, 9.01, 1),
        (30.0, 30.0, 1),
    ]


@pytest.mark.parametrize(
    ("seen", "shot", "pairs"),
    [
        ((2.0, 4.0), 3.0, True),
        ((2.0, 4.0), 4.9, True),  # 300 m away
        ((2.0, 4.0), 13.9, True),  # put away ten seconds before
        ((2.0, 4.0), 14.1, False),
        ((3.4, 6.0), 3.0, True),  # the next looks after the shot
        ((3.6, 6.0), 3.0, False),  # sound is never before light
        ((20.0, 22.0), 3.0, False),
    ],
)
def test_sound_may_come_after_light_and_never_before(
    seen: tuple[float, float], shot: float, pairs: bool
) -> None:
    events = fuse(None, None, shots(shot), [track(*seen)])
    expected = ["armed_attack", "visible_weapon"] if pairs else ["gunshot", "visible_weapon"]
    assert sorted(kinds(events)) == expected
    assert bool(of_kind(events, "visible_weapon").related) == pairs


def test_a_weapon_in_sight_at_the_shot_counts_more_than_one_put_away_before() -> None:
    together, before = (
        max(event.probability for event in fuse(None, None, shots(10.0), [track(*span)]))
        for span in ((8.0, 12.0), (0.5, 2.0))
    )
    assert together > before


def test_a_stay_in_pieces_is_one_event_and_two_weapons_are_two() -> None:
    pieces = [track(0.0, 3.0, number=1), track(4.5, 6.0, number=2), track(5.0, 9.0, number=3)]
    (event,) = fuse(None, None, tracks=pieces)
    assert (event.start, event.end, len(event.tracks)) == (0.0, 9.0, 3)
    assert len(fuse(None, None, tracks=[track(0.0, 3.0), track(5.5, 8.0, number=2)])) == 2
    assert len(fuse(None, None, tracks=[track(0.0, 3.0), track(1.0, 2.0, label="long_gun", number=2)])) == 2


def test_a_track_that_was_never_confirmed_is_no_event_and_silences_its_curve() -> None:
    flicker = [track(5.0, 6.0, confirmed=False)]
    times, pistol = curve(20.0, (5.0, 6.0, 0.9), step=0.2)
    assert fuse(None, (times, pistol), tracks=flicker) == []
    assert kinds(fuse(None, (times, pistol))) == ["visible_weapon"]


def test_curves_alone_make_events() -> None:
    audio = curve(30.0, (9.5, 10.5, 0.97))
    vision = curve(30.0, (4.0, 12.0, 0.95), step=0.2)
    events = fuse(audio, vision)
    assert [(e.kind, e.level) for e in events] == [("armed_attack", "critical"), ("visible_weapon", "high")]
    assert events[0].start == 9.5
    assert kinds(fuse(audio, None)) == ["gunshot"]
    assert kinds(fuse(None, vision)) == ["visible_weapon"]


def test_one_frame_that_flashes_up_is_no_weapon() -> None:
    assert fuse(None, curve(30.0, (4.0, 4.0, 0.95), step=0.2)) == []


def test_one_window_of_sound_that_its_neighbours_do_not_bear_out_is_nothing_above_low() -> None:
    """Windows of 2 s start every 0.5 s, so a shot is in several: one alone is a slip of the network."""
    (slip,) = fuse(curve(30.0, (9.5, 9.5, 0.97)), None)
    (shot,) = fuse(curve(30.0, (9.5, 10.0, 0.97)), None)
    assert slip.level == "low"
    assert shot.level in ("elevated", "high")
    assert slip.probability < 0.12 < shot.probability


def test_a_jackhammer_is_not_more_probable_for_every_blow() -> None:
    """Of hundreds of blows a few sound like shots; of a magazine, most do."""
    times = [5.0 + 0.2 * i for i in range(120)]
    hammer = [Shot(t, 0.97 if i % 20 == 0 else 0.55) for i, t in enumerate(times)]
    magazine = [Shot(t, 0.97 if i % 3 else 0.55) for i, t in enumerate(times[:30])]
    (noise,), (fire,) = fuse(None, None, hammer), fuse(None, None, magazine)
    assert noise.level == "low"
    assert fire.level in ("high", "critical")
    assert "a quarter of them at least 0.55" in next(r.text for r in noise.reasons if r.term == "audio")


def test_one_shot_among_a_few_sounds_like_it_counts_in_full() -> None:
    (event,) = fuse(None, None, [Shot(5.0, 0.6), Shot(5.4, 0.97), Shot(6.0, 0.55)])
    (alone,) = fuse(None, None, shots(5.4, p=0.97))
    assert event.probability == pytest.approx(alone.probability)


def test_a_clip_of_a_single_window_is_judged_by_it() -> None:
    (event,) = fuse(([1.0], [0.97]), None)
    assert event.level in ("elevated", "high")


def test_a_shot_at_the_ends_of_a_recording_has_the_quality_of_the_window_that_heard_it() -> None:
    """The first window is centred at 1 s: a shot at 0.2 s is heard by no other."""
    times, values = curve(10.0)
    times = times + 1.0
    narrow = Score(times, values[:, None].astype(np.float32), ("gunshot",), np.full(20, 0.4, np.float32))
    for time in (0.2, 11.3):
        (event,) = fuse(narrow, None, shots(time))
        assert "quality 0.40" in next(r.text for r in event.reasons if r.term == "audio")


def test_a_stay_begins_when_its_first_track_began_whichever_was_confirmed_first() -> None:
    fuser = Fuser()
    early = replace(track(3.0, 3.2, number=1, confirmed=False), looks=1)
    blocks = [
        ScoreBlock("vision", 3.5, Score.empty(()), tracks=(early,)),
        ScoreBlock("vision", 6.0, Score.empty(()), tracks=(track(5.0, 5.6, number=2),)),
        ScoreBlock("vision", 6.5, Score.empty(()), tracks=(track(3.0, 6.2, number=1),)),
        ScoreBlock("audio", 6.5, Score.empty(())),
    ]
    events = [event for block in blocks for event in fuser.push(block)]
    (last,) = {e.id: e for e in [*events, *fuser.flush()]}.values()
    assert (last.start, last.end, [t.id for t in last.tracks]) == (3.0, 6.2, [1, 2])


def test_shots_explain_their_own_curve() -> None:
    events = fuse(curve(30.0, (8.0, 9.5, 0.9)), None, shots(8.8))
    assert [(event.start, len(event.shots)) for event in events] == [(8.8, 1)]


def test_scores_outside_coverage_do_not_count() -> None:
    audio = curve(30.0, (9.5, 10.5, 0.97))
    dead = Coverage(audio=(Segment(12.0, 30.0),))
    assert fuse(audio, None, coverage=dead) == []


def test_poor_sound_is_weaker_evidence() -> None:
    times, values = curve(30.0, (9.5, 10.5, 0.97))
    good, poor = (
        fuse(Score(times, values[:, None].astype(np.float32), ("gunshot",), np.full(60, q, np.float32)), None)
        for q in (1.0, 0.4)
    )
    assert poor[0].probability < good[0].probability
    assert "quality 0.40" in next(r.text for r in poor[0].reasons if r.term == "audio")


def push(fuser: Fuser, until: float, *tracks: WeaponTrack, shots: tuple[Shot, ...] = ()) -> list[ThreatEvent]:
    told = list(fuser.push(ScoreBlock("audio", until, Score.empty(("gunshot",)), shots=shots)))
    return told + list(fuser.push(ScoreBlock("vision", until, Score.empty(VISION), tracks=tracks)))


def test_an_alert_whose_weapon_turns_out_to_be_a_phone_is_retracted() -> None:
    fuser = Fuser()
    (alert,) = push(fuser, 2.1, track(1.0, 2.0))
    assert (alert.state, alert.level) == ("open", "elevated")
    (withdrawn,) = push(fuser, 4.1, track(1.0, 4.0, label="no_weapon"))
    assert (withdrawn.id, withdrawn.revision, withdrawn.state) == (alert.id, 2, "retracted")
    assert withdrawn.probability < alert.probability
    assert list(fuser.flush()) == []


def test_an_attack_falls_back_to_a_gunshot_when_its_weapon_is_withdrawn() -> None:
    fuser = Fuser()
    told = push(fuser, 3.1, track(1.0, 3.0), shots=shots(2.5))
    (attack,) = [event for event in told if event.shots]
    assert attack.kind == "armed_attack"
    again = [e for e in push(fuser, 5.1, track(1.0, 5.0, label="no_weapon")) if e.id == attack.id]
    assert [event.kind for event in again] == ["gunshot"]
    assert again[0].revision == attack.revision + 1


def test_a_weapon_seen_again_after_its_stay_was_told_is_a_new_event() -> None:
    fuser = Fuser()
    first = push(fuser, 2.0, track(0.0, 1.0))[0]
    finals = push(fuser, 40.0)
    assert [(event.id, event.state) for event in finals] == [(first.id, "final")]
    again = push(fuser, 42.0, track(0.0, 41.0))
    assert again[0].id != first.id
    assert again[0].start == 41.0


def test_runs_can_be_left_to_the_scorers() -> None:
    config = FusionConfig()
    config = config.model_copy(update={"audio_runs": config.audio_runs.model_copy(update={"use": False})})
    assert fuse(curve(30.0, (9.5, 10.5, 0.97)), None, config=config) == []
