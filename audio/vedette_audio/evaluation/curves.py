"""Curves: ROC, detection trade-off, reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette_audio.evaluation.firearms import Merged
from vedette_audio.evaluation.scored import Scored
from vedette_base.statistics import share_interval

Floats = npt.NDArray[np.float64]
BINS = 15  # as in ``calibration_error``


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """What every threshold gives, strictest first; a step curve.

    Attributes:
        false_alarms: clips without a shot above the threshold, per hour; ``false_share``: of all such clips.
        missed: share of shots that are not above it.
    """

    false_alarms: tuple[float, ...]
    false_share: tuple[float, ...]
    missed: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """Outputs that said about the same.

    Attributes:
        said: their mean probability; ``true``: share of them that were so, with Wilson's interval.
        count: how many.
    """

    said: float
    true: float
    low: float
    high: float
    count: int


def tradeoff(scored: Scored) -> Tradeoff:
    """The curve of P(shot); empty without shots or without other sound."""
    shot, score, hours = scored.shot, scored.scores[:, -1], scored.negative_hours
    if not shot.any() or shot.all():
        return Tradeoff((), (), ())
    values, where = np.unique(-score, return_inverse=True)
    alarms = np.concatenate([[0], np.cumsum(np.bincount(where, ~shot, values.size))])
    found = np.concatenate([[0], np.cumsum(np.bincount(where, shot, values.size))])
    keep = np.ones(alarms.size, bool)  # the corners of the steps only
    keep[1:-1] = (np.diff(alarms)[:-1] > 0) | (np.diff(alarms)[1:] > 0)
    alarms, found = alarms[keep], found[keep]
    return Tradeoff(
        tuple(float(v) for v in alarms / hours),
        tuple(float(v) for v in alarms / alarms[-1]),
        tuple(float(v) for v in 1 - found / found[-1]),
    )


def reliability(said: Floats, true: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Bins of equal width that hold something."""
    where = np.minimum((said * BINS).astype(int), BINS - 1)
    found = []
    for number in sorted(set(where.tolist())):
        inside = where == number
        count, right = int(inside.sum()), int(true[inside].sum())
        low, high = share_interval(right, count)
        found.append(Bin(float(said[inside].mean()), right / count, low, high, count))
    return tuple(found)


def reliability_of_types(eight: Merged) -> tuple[Bin, ...]:
    """Every type output of every typed shot: how often a type that is given such a probability is right."""
    if not len(eight.truth):
        return ()
    true = np.arange(len(eight.names)) == eight.truth[:, None]
    return reliability(eight.scores.ravel(), true.ravel())
