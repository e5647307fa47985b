"""Fusion alone, on timelines of your own: the same code that a recording or a live stream goes through.

>>> import numpy as np
>>> times = np.arange(0.0, 10.0, 0.5)
>>> heard = np.where(abs(times - 5.0) < 1.0, 0.97, 0.02)
>>> seen = np.where(times > 3.0, 0.9, 0.05)
>>> [(e.kind, e.level) for e in fuse((times, heard), (times, seen))]
[('armed_attack', 'critical'), ('visible_weapon', 'high')]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from vedette_base.config import FusionConfig
from vedette_base.errors import InputError
from vedette_base.score import (
    AUDIO_LABELS,
    GUNSHOT,
    VISION_LABELS,
    Coverage,
    Medium,
    Score,
    ScoreBlock,
    Segment,
    Shot,
    ThreatEvent,
    WeaponTrack,
)
from vedette_fusion.events import Fuser, rank_events

__all__ = ["Fuser", "Timeline", "fuse"]

Timeline: TypeAlias = Score | tuple[npt.ArrayLike, npt.ArrayLike] | None
"""A `Score`, or (times ``(n,)`` in seconds, probabilities ``(n,)`` or ``(n, classes)``), or None."""

_LABELS: dict[Medium, tuple[str, ...]] = {"audio": AUDIO_LABELS, "vision": VISION_LABELS}
_SINGLE: dict[Medium, str] = {"audio": GUNSHOT, "vision": "weapon"}


def fuse(
    audio_scores: Timeline,
    vision_scores: Timeline,
    shots: Sequence[Shot] = (),
    tracks: Sequence[WeaponTrack] = (),
    coverage: Coverage | None = None,
    config: FusionConfig | None = None,
) -> list[ThreatEvent]:
    """Fuse what was heard with what was seen into ranked threat events.

    Args:
        audio_scores: calibrated gunshot probabilities on the medium's clock: a `Score`; or plain arrays,
            times ``(n,)`` and probabilities ``(n,)`` of a gunshot or ``(n, 10)`` in the order of
            ``AUDIO_LABELS``; or None.
        vision_scores: the same for weapons: ``(n,)`` of any weapon or ``(n, 4)`` in the order of
            ``VISION_LABELS``; or None.
        shots: shots by onset. Without them intervals come from the score curve.
        tracks: weapons followed over time; the same. Only confirmed ones make events.
        coverage: what each sense observed; scores outside it do not count. None: from the first score to the
            last.
        config: prior, weights, pairing in time, levels; None takes the defaults.

    Returns:
        Final events, gravest first, ``rank`` from 1: empty if there is nothing to tell.

    Raises:
        InputError: shapes that do not fit, times that do not ascend, probabilities outside 0..1 or NaN.
    """
    fuser = Fuser(config)
    heard = as_score("audio", audio_scores)
    seen = as_score("vision", vision_scores)
    if coverage is None:
        audio_times = [*heard.times.tolist(), *(shot.time for shot in shots)]
        track_times = [time for track in tracks for time in (track.start, track.end)]
        coverage = Coverage(_extent(audio_times), _extent([*seen.times.tolist(), *track_times]))
    in_order = tuple(sorted(shots, key=lambda shot: shot.time))
    by_start = tuple(sorted(tracks, key=lambda track: (track.start, track.id)))
    blocks = (
        _block("audio", heard, coverage, shots=in_order),
        _block("vision", seen, coverage, tracks=by_start),
    )
    events = [event for block in blocks for event in fuser.push(block)]
    return rank_events([*events, *fuser.flush()])


def as_score(medium: Medium, timeline: Timeline) -> Score:
    """A timeline in any of the accepted forms as a `Score`. Raises InputError if it is none of them."""
    labels = _LABELS[medium]
    if timeline is None:
        return Score.empty(labels)
    if isinstance(timeline, Score):
        return timeline
    if not isinstance(timeline, tuple) or len(timeline) != 2:
        raise InputError(
            f"{medium}_scores must be a Score, a pair (times, probabilities) or None, "
            f"got {type(timeline).__name__}"
        )
    times, probabilities = _array(medium, timeline[0]), _array(medium, timeline[1])
    if probabilities.ndim == 1:
        return Score(times, probabilities[:, None].astype(np.float32), (_SINGLE[medium],))
    if probabilities.ndim != 2 or probabilities.shape[1] != len(labels):
        raise InputError(
            f"{medium} probabilities must have shape (n,) or (n, {len(labels)}), got {probabilities.shape}",
            hint=f"the {len(labels)} columns are {', '.join(labels)}; give a Score for others",
        )
    return Score(times, probabilities.astype(np.float32), labels)


def _array(medium: Medium, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{medium}_scores must hold numbers: {error}") from error


def _extent(times: Iterable[float]) -> tuple[Segment, ...]:
    known = list(times)
    return (Segment(min(known), max(known)),) if known else ()


def _block(
    medium: Medium,
    scores: Score,
    coverage: Coverage,
    *,
    shots: tuple[Shot, ...] = (),
    tracks: tuple[WeaponTrack, ...] = (),
) -> ScoreBlock:
    """The whole of one sense as one block; scores that its coverage does not hold get quality 0."""
    spans = coverage.of(medium)
    inside = np.zeros(len(scores), bool)
    for span in spans:
        inside |= (scores.times >= span.start - 1e-6) & (scores.times <= span.end + 1e-6)
    scores = replace(scores, quality=np.where(inside, scores.quality, 0.0).astype(np.float32))
    until = float(scores.times[-1]) if len(scores) else 0.0
    return ScoreBlock(medium, until, scores, shots=shots, tracks=tracks, observed=spans)
