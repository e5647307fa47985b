"""`vedette.fuse`: plain arrays or timelines in, ranked events out; the same code as the stream."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vedette
from vedette import AUDIO_LABELS, VISION_LABELS, Score, ScoreBlock, Segment, Shot, WeaponTrack
from vedette_fusion.events import rank_events

TIMES = np.arange(0.0, 20.0, 0.5)
HEARD = np.where(abs(TIMES - 8.0) < 0.8, 0.95, 0.03)
SEEN = np.where(abs(TIMES - 9.0) < 4.0, 0.92, 0.03)
BOX = (1.0, 2.0, 30.0, 40.0)


def columns(values: np.ndarray, label: str, labels: tuple[str, ...]) -> np.ndarray:
    table = np.full((values.size, len(labels)), 0.01)
    table[:, labels.index(label)] = values
    return table


def test_arrays_lists_tables_and_scores_say_the_same() -> None:
    tables = columns(HEARD, "gunshot", AUDIO_LABELS), columns(SEEN, "pistol", VISION_LABELS)
    scores = [
        Score(TIMES, table.astype(np.float32), labels)
        for table, labels in zip(tables, (AUDIO_LABELS, VISION_LABELS), strict=True)
    ]
    forms = [
        vedette.fuse((TIMES, HEARD), (TIMES, SEEN)),
        vedette.fuse((TIMES.tolist(), HEARD.tolist()), (TIMES.tolist(), SEEN.tolist())),
        vedette.fuse((TIMES, tables[0]), (TIMES, tables[1])),
        vedette.fuse(scores[0], scores[1]),
    ]
    gists = [[(e.id, e.kind, e.level, round(e.probability, 6), e.rank) for e in events] for events in forms]
    assert all(gist == gists[0] for gist in gists)
    assert [(kind, level) for _, kind, level, _, _ in gists[0]] == [
        ("armed_attack", "critical"),
        ("visible_weapon", "high"),
    ]


def test_nothing_in_gives_nothing_out() -> None:
    assert vedette.fuse(None, None) == []
    assert vedette.fuse(([], []), None) == []
    assert vedette.fuse((TIMES, HEARD * 0), (TIMES, SEEN * 0)) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.1, 19.9), max_size=8), st.lists(st.floats(0.1, 19.9), max_size=8))
def test_fusing_whole_timelines_is_the_stream_in_one_piece(audio: list[float], vision: list[float]) -> None:
    shots = (Shot(8.1, 0.9, {"AK-47": 0.8}), Shot(8.5, 0.7, {"AK-47": 0.6}))
    tracks = (WeaponTrack(1, "pistol", 0.92, 5.5, 12.5, 9.0, BOX, looks=15),)
    fuser = vedette.Fuser()
    blocks = []
    for cuts, medium, values in ((audio, "audio", HEARD), (vision, "vision", SEEN)):
        edges = sorted({0.0, *cuts, 20.0})
        label = "gunshot" if medium == "audio" else "weapon"
        for start, end in pairwise(edges):
            inside = (start <= TIMES) & (end > TIMES)
            score = Score(TIMES[inside], values[inside, None].astype(np.float32), (label,))
            blocks.append(
                ScoreBlock(
                    medium,  # type: ignore[arg-type]
                    end,
                    score,
                    shots=tuple(s for s in shots if medium == "audio" and start <= s.time < end),
                    tracks=tuple(t for t in tracks if medium == "vision" and start <= t.start < end),
                    observed=(Segment(start, end),),
                )
            )
    blocks.sort(key=lambda block: block.until)
    told = [event for block in blocks for event in fuser.push(block)]
    ranked = vedette.fuse((TIMES, HEARD), (TIMES, SEEN), shots, tracks)
    assert [e.id for e in ranked] == [e.id for e in rank_events([*told, *fuser.flush()])]


@st.composite
def curves(draw: st.DrawFn) -> np.ndarray:
    """Twenty seconds of probabilities at two a second, in stretches."""
    stretches = st.tuples(st.sampled_from([0.02, 0.25, 0.45, 0.6, 0.9]), st.integers(1, 12))
    values = [p for p, n in draw(st.lists(stretches, min_size=1, max_size=12)) for _ in range(n)]
    return np.resize(np.array(values), TIMES.size)


def gravest(audio: np.ndarray | None, vision: np.ndarray | None) -> float:
    events = vedette.fuse(
        None if audio is None else (TIMES, audio), None if vision is None else (TIMES, vision)
    )
    return max((event.probability for event in events), default=0.0)


@settings(max_examples=60, deadline=None)
@given(curves(), curves(), curves(), curves())
def test_louder_or_clearer_is_never_less_of_a_threat(
    audio: np.ndarray, vision: np.ndarray, more_audio: np.ndarray, more_vision: np.ndarray
) -> None:
    before = gravest(audio, vision)
    after = gravest(np.maximum(audio, more_audio), np.maximum(vision, more_vision))
    assert after >= before - 1e-9


@settings(max_examples=40, deadline=None)
@given(curves(), curves())
def test_a_second_sense_never_takes_away_from_the_first(audio: np.ndarray, vision: np.ndarray) -> None:
    both = gravest(audio, vision)
    assert both >= gravest(audio, None) - 1e-9
    assert both >= gravest(None, vision) - 1e-9


def test_every_event_is_final_and_explains_itself() -> None:
    shots = [Shot(8.1, 0.9, {"AK-47": 0.8, "MP5": 0.1}), Shot(8.4, 0.8, {"AK-47": 0.7, "MP5": 0.2})]
    (event,) = vedette.fuse((TIMES, HEARD), None, shots=shots)
    assert (event.state, event.rank, event.firearms[0].label) == ("final", 1, "AK-47")
    assert [reason.term for reason in event.reasons] == ["prior", "audio", "vision"]
    assert event.reasons[1].text == "2 shots heard from 8.10 s to 8.40 s, best 0.90"
    assert event.reasons[2].text == "picture not observed"


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (HEARD, "must be a Score, a pair"),
        ((TIMES, HEARD[:-1]), "scores need times"),
        ((TIMES, HEARD * 2), "within 0..1"),
        ((TIMES, HEARD * np.nan), "within 0..1 and not NaN"),
        ((TIMES[::-1], HEARD), "ascending"),
        ((TIMES, np.zeros((TIMES.size, 3))), r"\(n,\) or \(n, 10\)"),
        ((TIMES, ["loud"] * TIMES.size), "must hold numbers"),
    ],
)
def test_wrong_timelines_are_refused_in_words(audio: Any, message: str) -> None:
    with pytest.raises(vedette.InputError, match=message):
        vedette.fuse(audio, None)
