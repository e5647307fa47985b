"""How well shots are found in known mixtures: when, how many, how fast, and as which events.

Conventions follow mir_eval: times are compared on one clock in seconds, and what was found is matched to the
truth over a whole mixture at once, never greedily in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from vedette_audio import mixtures as recipe
from vedette_audio.dataset import SoundCache, distinct_sounds, read_manifest
from vedette_audio.mixtures import Mixture
from vedette_audio.scorer import AudioScorer
from vedette_base.bundle import Bundle
from vedette_base.bursts import SUPPORT, UNKNOWN_FIREARM, bursts_of, cadence
from vedette_base.config import AudioConfig
from vedette_base.engine import Backend
from vedette_base.errors import DataError, InputError
from vedette_base.media import AudioBlock
from vedette_base.score import FAMILIES, HeardBurst, Shot
from vedette_base.statistics import TEST, thirds

Pairs = list[tuple[int, int]]
SHOT_COLLAR, EVENT_COLLAR = 0.25, 0.5
"""Seconds by which a found shot, or the first shot of a found event, may be off and still be that one."""


@dataclass(frozen=True, slots=True)
class ShotCounts:
    """Shots of some mixtures: there, found, missed, extra, and how far the found ones are off (ms)."""

    shots: int
    found: int
    missed: int
    extra: int
    onset_median_ms: float | None
    onset_p95_ms: float | None
    within_50_ms: float | None


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Events (bursts) by maximum matching of their first shots: 2 f1 = harmonic mean of both shares."""

    events: int
    found: int
    right: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class BurstFigures:
    """What matched events say about their bursts.

    Attributes:
        bursts: matched events; typed: those whose firearm is known.
        count_exact: share with the true number of shots. count_error: mean of \\|found - true\\|;
            count_bias: of found - true.
        cadence_error: median of \\|found - true\\| / true over bursts of two shots or more;
            cadence_within_10: share within 10 %.
        fire: share rightly called single or automatic fire.
        firearm, family: share of those of known firearm whose best named type, family is right;
            unknown: share of them called ``unknown firearm``.
    """

    bursts: int
    typed: int
    count_exact: float | None
    count_error: float | None
    count_bias: float | None
    cadence_error: float | None
    cadence_within_10: float | None
    fire: float | None
    firearm: float | None
    family: float | None
    unknown: float | None


@dataclass(frozen=True, slots=True)
class ShotReport:
    """All figures; ``by_ratio``, ``by_fire`` and ``by_origin`` hold the shots of parts of the mixtures."""

    part: str
    recipe: int
    mixtures: int
    minutes: float
    sources: int
    shots: ShotCounts
    events: EventCounts
    bursts: BurstFigures
    by_ratio: dict[str, ShotCounts]
    by_fire: dict[str, ShotCounts]
    by_origin: dict[str, ShotCounts]
    events_by_ratio: dict[str, EventCounts]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


Heard = tuple[Mixture, tuple[Shot, ...]]


def evaluate_shots(
    manifest_path: str | Path,
    bundle: Bundle,
    *,
    cache: str | Path,
    part: str = "val",
    backend: Backend = "openvino",
    config: AudioConfig | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ShotReport:
    """Make the known mixtures of a manifest's recordings and measure what a model finds in them.

    Args:
        cache: folder for decoded sound.
        part: ``val``, ``test`` (the third of val that nothing was fitted to) or ``train``.
        on_progress: called with mixtures done and mixtures in all.

    Raises:
        DataError: no such manifest, or no shot with a clear beginning in this part. InputError: unknown part.
    """
    scorer = AudioScorer(bundle, config or AudioConfig(), backend=backend)
    heard: list[Heard] = []
    for number, mixed in enumerate(mixtures_of(manifest_path, cache, part), 1):
        blocks = [*scorer.push(AudioBlock(0.0, mixed.sound)), *scorer.flush()]
        scorer.reset()
        heard.append((mixed, tuple(shot for block in blocks for shot in block.shots)))
        if on_progress is not None:
            on_progress(number, recipe.COUNT)
    return report(heard, part)


def mixtures_of(manifest_path: str | Path, cache: str | Path, part: str) -> Iterable[Mixture]:
    """The recipe's mixtures from one part of a manifest; twins share their names. Raises as above."""
    if part not in ("val", "test", "train"):
        raise InputError(f"part must be val, test or train, got {part!r}")
    manifest = Path(manifest_path)
    clips = read_manifest(manifest)
    sounds = SoundCache.open(manifest.parent, clips, cache)
    clips = distinct_sounds(clips, sounds)
    chosen = [clip for clip in clips if clip.split == ("train" if part == "train" else "val")]
    if part == "test":
        third = thirds([clip.group for clip in chosen])
        chosen = [clip for clip, number in zip(chosen, third, strict=True) if number == TEST]
    return recipe.mixtures(chosen, sounds)


def report(heard: Sequence[Heard], part: str = "") -> ShotReport:
    """Figures of the shots that were found in mixtures.

    Raises:
        DataError: there are no mixtures.
    """
    if not heard:
        raise DataError("there are no mixtures to measure on")

    def split(key: Callable[[Mixture], str]) -> dict[str, list[Heard]]:
        parts: dict[str, list[Heard]] = {}
        for entry in heard:
            parts.setdefault(key(entry[0]), []).append(entry)
        return parts

    ratios = split(lambda m: f"{m.ratio_db:g} dB")
    return ShotReport(
        part=part,
        recipe=recipe.VERSION,
        mixtures=len(heard),
        minutes=round(sum(m.sound.size for m, _ in heard) / 48_000 / 60, 2),
        sources=len({m.origin for m, _ in heard if not m.by_formula}),
        shots=shot_counts(heard),
        events=event_counts(heard),
        bursts=burst_figures(heard),
        by_ratio={name: shot_counts(some) for name, some in ratios.items()},
        by_fire={name: shot_counts(some) for name, some in split(lambda m: m.fire).items()},
        by_origin={
            name: shot_counts(some)
            for name, some in split(lambda m: "formula" if m.by_formula else "recorded").items()
        },
        events_by_ratio={name: event_counts(some) for name, some in ratios.items()},
    )


def match_times(truth: Sequence[float], found: Sequence[float], collar: float) -> Pairs:
    """Pairs (of truth, of found) with the least sum of errors, an unmatched one costing ``collar``."""
    if not len(truth) or not len(found):
        return []
    apart = np.abs(np.subtract.outer(np.asarray(truth), np.asarray(found)))
    rows, columns = linear_sum_assignment(np.minimum(apart, collar))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if apart[i, j] < collar]


def match_events(truth: Sequence[float], found: Sequence[float], collar: float = EVENT_COLLAR) -> Pairs:
    """As many pairs (of truth, of found) as can be made whose onsets are at most ``collar`` apart."""
    if not len(truth) or not len(found):
        return []
    near = np.abs(np.subtract.outer(np.asarray(truth), np.asarray(found))) <= collar
    of_truth = maximum_bipartite_matching(csr_array(near), perm_type="column")
    return [(i, int(j)) for i, j in enumerate(of_truth) if j >= 0]


def shot_counts(heard: Sequence[Heard]) -> ShotCounts:
    """Shots found, missed and extra, and onset errors of those found."""
    shots = sum(len(m.times) for m, _ in heard)
    errors: list[float] = []
    for mixed, found in heard:
        times = [shot.time for shot in found]
        errors += [abs(mixed.times[i] - times[j]) for i, j in match_times(mixed.times, times, SHOT_COLLAR)]
    total = sum(len(found) for _, found in heard)
    off = 1000 * np.array(errors)
    return ShotCounts(
        shots=shots,
        found=len(errors),
        missed=shots - len(errors),
        extra=total - len(errors),
        onset_median_ms=_round(np.median(off)) if errors else None,
        onset_p95_ms=_round(np.quantile(off, 0.95)) if errors else None,
        within_50_ms=_mean(off < 50),
    )


def event_counts(heard: Sequence[Heard]) -> EventCounts:
    """Precision, recall and F1 of events with an onset collar of half a second."""
    events = found = right = 0
    for mixed, shots in heard:
        truth = [times[0] for times in _true_bursts(mixed)]
        starts = [burst.start for burst in bursts_of(shots, SUPPORT)]
        events, found = events + len(truth), found + len(starts)
        right += len(match_events(truth, starts))
    precision, recall = right / max(found, 1), right / max(events, 1)
    f1 = 2 * right / max(events + found, 1)
    return EventCounts(events, found, right, _round(precision), _round(recall), _round(f1))


def burst_figures(heard: Sequence[Heard]) -> BurstFigures:
    """Counts, cadence, kind of fire and firearm of the events that were found."""
    counts, cadences, fires, firearms, families, unknown = [], [], [], [], [], []
    for mixed, shots in heard:
        truth, found = _true_bursts(mixed), bursts_of(shots, SUPPORT)
        for i, j in match_events([times[0] for times in truth], [burst.start for burst in found]):
            counts.append(found[j].shots - len(truth[i]))
            fires.append((found[j].fire == "burst") == (_automatic(truth[i])))
            cadences += _cadence_error(truth[i], found[j])
            if mixed.types and found[j].firearms:
                best = found[j].firearms[0].label
                unknown.append(best == UNKNOWN_FIREARM)
                firearms.append(best in mixed.types)
                families.append(found[j].families[0].label == FAMILIES[mixed.types[0]])
    off = np.array(cadences)
    return BurstFigures(
        bursts=len(counts),
        typed=len(firearms),
        count_exact=_mean(np.array(counts) == 0),
        count_error=_mean(np.abs(counts)),
        count_bias=_mean(counts),
        cadence_error=_round(np.median(off)) if off.size else None,
        cadence_within_10=_mean(off <= 0.1),
        fire=_mean(fires),
        firearm=_mean(firearms),
        family=_mean(families),
        unknown=_mean(unknown),
    )


def _true_bursts(mixed: Mixture) -> list[list[float]]:
    numbers = sorted(set(mixed.bursts))
    return [[t for t, b in zip(mixed.times, mixed.bursts, strict=True) if b == n] for n in numbers]


def _automatic(times: Sequence[float]) -> bool:
    return len(times) > 2 and times[-1] - times[0] < 0.15 * (len(times) - 1)


def _cadence_error(times: Sequence[float], found: HeardBurst) -> list[float]:
    true = cadence(times)
    return [] if true is None or found.cadence is None else [abs(found.cadence - true) / true]


def _mean(values: npt.ArrayLike) -> float | None:
    given = np.asarray(values, np.float64)
    return _round(given.mean()) if given.size else None


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)
