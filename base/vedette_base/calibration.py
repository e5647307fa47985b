"""Raw network scores to probabilities that mean what they say.

A map is plain numbers in a bundle's card: Platt's (two numbers) or isotonic (a rising line of knots). Each
knows ``base_rate``, the share of positives it was fitted on, so that fusion can take the evidence out of a
probability: ``logit(p) - logit(base_rate)`` is a log-likelihood ratio. ``choose_map`` takes the kind that
does better on recordings it was not fitted on, and the map keeps the losses of both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vedette_base.errors import DataError

Floats = npt.NDArray[np.float64]

EDGE = 1e-6
"""Scores and probabilities are kept this far from 0 and 1, so that their log-odds stay finite."""
Kind = Literal["platt", "isotonic"]
_FOLDS, _DEALS = 5, 4
"""Folds of groups, and how often the groups are dealt anew: with few groups one deal is luck."""


def logit(probability: npt.ArrayLike) -> Floats:
    """Log-odds of probabilities, any shape; values are first kept within ``EDGE`` of 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(p) - np.log1p(-p), np.float64)


def logistic(log_odds: npt.ArrayLike) -> Floats:
    """Probability of log-odds, any shape: ``1 / (1 + exp(-x))`` without overflow."""
    x = np.asarray(log_odds, np.float64)
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)), np.float64)


class HeldOut(BaseModel):
    """What both kinds of map lose on groups (recordings, cameras, scenes) they were not fitted on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    groups: int = Field(ge=2)
    positive_groups: int = Field(ge=2)
    """Groups that hold a positive example."""
    log_loss: dict[Kind, float]
    """Mean negative log-likelihood in nats."""
    brier: dict[Kind, float]
    """Mean squared difference of probability and truth."""


class _Map(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    base_rate: float = Field(gt=0.0, lt=1.0)
    """Share of positives among the examples the map was fitted on."""
    held_out: HeldOut | None = None
    """None: too few groups to choose by."""
    shared: tuple[str, ...] = ()
    """Labels that were fitted together because each has too few groups of its own; none: one label's own."""


class PlattMap(_Map):
    """``p = logistic(slope * logit(raw) + intercept)``."""

    kind: Literal["platt"] = "platt"
    slope: float = Field(gt=0.0)
    intercept: float

    def apply(self, raw: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Calibrated probabilities of raw ones in 0..1, same shape; never nearer than ``EDGE`` to 0 or 1."""
        found = logistic(self.slope * logit(raw) + self.intercept)
        return np.clip(found, EDGE, 1 - EDGE).astype(np.float32)


class IsotonicMap(_Map):
    """A rising line through ``(x, y)``; flat outside its first and last knot."""

    kind: Literal["isotonic"] = "isotonic"
    x: tuple[float, ...] = Field(min_length=1)
    y: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rises(self) -> IsotonicMap:
        if len(self.x) != len(self.y):
            raise ValueError(f"x and y must be of one length, got {len(self.x)} and {len(self.y)}")
        if np.any(np.diff(self.x) <= 0) or np.any(np.diff(self.y) < 0):
            raise ValueError("x must rise and y must not fall")
        if min(self.y) <= 0 or max(self.y) >= 1:
            raise ValueError("y must be between 0 and 1, both excluded")
        return self

    def apply(self, raw: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Calibrated probabilities of raw ones in 0..1, same shape."""
        return np.interp(np.asarray(raw, np.float64), self.x, self.y).astype(np.float32)


CalibrationMap = Annotated[PlattMap | IsotonicMap, Field(discriminator="kind")]
"""Either map, told apart by ``kind``."""


def fit_platt(raw: npt.ArrayLike, truth: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> PlattMap:
    """Platt's map by maximum likelihood, with his smoothed targets (Platt 1999, section 2.2).

    Args:
        raw: shape ``(n,)``, uncalibrated probabilities in 0..1.
        truth: shape ``(n,)``, true for positives.
        weights: shape ``(n,)``, at least 0; all ones if not given.

    Raises:
        DataError: shapes that differ, values outside 0..1, or examples of only one class.
    """
    from scipy.optimize import minimize  # scipy costs 0.1 s, and applying a map does not need it

    r, t, w = _examples(raw, truth, weights)
    positive, negative = float(w[t].sum()), float(w[~t].sum())
    target = np.where(t, (positive + 1) / (positive + 2), 1 / (negative + 2))
    x = logit(r)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        z = parameters[0] * x + parameters[1]
        slope = w * (logistic(z) - target)
        value = float(np.sum(w * (np.logaddexp(0.0, z) - target * z)))
        return value / w.sum(), np.array([np.sum(slope * x), np.sum(slope)]) / w.sum()

    found = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, 20.0), (-50.0, 50.0)]
    )
    return PlattMap(
        slope=float(found.x[0]), intercept=float(found.x[1]), base_rate=positive / (positive + negative)
    )


def fit_isotonic(
    raw: npt.ArrayLike,
    truth: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    groups: Sequence[str] | None = None,
) -> IsotonicMap:
    """Isotonic map: one knot per pool of the pool-adjacent-violators algorithm, joined by lines.

    Each pool counts one more example at the base rate, and no value claims more than the groups can show:
    where none of n groups was a positive, the next one may be with odds of 1 to n + 1 (Laplace). Beyond the
    outer pools the line still rises a little, by half of what is left, so that scores keep their order.

    Args:
        groups: the recording, camera or scene of each example; each example is its own if not given.
        raw, truth, weights: and errors, as for ``fit_platt``.
    """
    from scipy.optimize import isotonic_regression

    r, t, w = _examples(raw, truth, weights)
    base_rate = float(w[t].sum() / w.sum())
    low, high = _bounds(t, w, groups)
    # equal scores first become one example: a pool must not split them
    x, where = np.unique(r, return_inverse=True)
    total = np.bincount(where, w)
    positive = np.bincount(where, w * t)
    known = total > 0
    x, total, positive = x[known], total[known], positive[known]
    blocks = isotonic_regression(positive / total, weights=total).blocks
    knots, values = [], []
    for start, stop in itertools.pairwise(blocks):
        size = total[start:stop].sum()
        knots.append(float(np.average(x[start:stop], weights=total[start:stop])))
        values.append(float((positive[start:stop].sum() + base_rate) / (size + 1)))
    rising = [float(v) for v in np.clip(np.maximum.accumulate(values), low, high)]
    if knots[0] > 0:
        knots, rising = [0.0, *knots], [rising[0] / 2, *rising]
    if knots[-1] < 1:
        knots, rising = [*knots, 1.0], [*rising, (1 + rising[-1]) / 2]
    return IsotonicMap(x=tuple(knots), y=tuple(rising), base_rate=base_rate)


def _bounds(
    truth: npt.NDArray[np.bool_], weights: Floats, groups: Sequence[str] | None
) -> tuple[float, float]:
    """Least and greatest probability that so many groups without, and with, a positive can show."""
    if groups is None:
        without, holding = float(weights[~truth].sum()), float(weights[truth].sum())
    else:
        names = _members(groups, truth.size)
        holding = float(np.unique(names[truth & (weights > 0)]).size)
        without = float(np.unique(names[~truth & (weights > 0)]).size)
    return 1 / (without + 2), 1 - 1 / (holding + 2)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A map with how it was chosen.

    Attributes:
        map: fitted on all examples; ``map.held_out`` has the losses of both kinds.
        held_out: shape ``(n,)``, the probability of each example by a map of this kind that saw nothing of
            its group (the mean over deals of the folds); None where there are too few groups.
    """

    map: PlattMap | IsotonicMap
    held_out: Floats | None


def choose_map(
    raw: npt.ArrayLike,
    truth: npt.ArrayLike,
    groups: Sequence[str],
    *,
    weights: npt.ArrayLike | None = None,
) -> Choice:
    """The kind of map that loses less when whole groups are held out: isotonic only where both its log-loss
    and its Brier score are lower, else Platt's, which has two numbers to learn.

    Args:
        raw, truth, weights: and errors, as for ``fit_platt``.
        groups: the recording, camera or scene of each example; never on both sides of a fold.
    """
    r, t, w = _examples(raw, truth, weights)
    member = _members(groups, r.size)
    holding, without = np.unique(member[t]).size, np.unique(member[~t]).size
    if holding < 2 or without < 2:
        return Choice(fit_platt(r, t, weights=w), None)
    fits: dict[Kind, Callable[..., PlattMap | IsotonicMap]] = {"platt": _platt, "isotonic": fit_isotonic}
    found = {kind: np.zeros(r.size) for kind in fits}
    for fold in _deals(member, t):
        for held in (fold == k for k in np.unique(fold)):
            rest = ~held
            if not (w[rest & t].any() and w[rest & ~t].any()):
                return Choice(fit_platt(r, t, weights=w), None)
            names = [groups[int(i)] for i in np.flatnonzero(rest)]
            for kind, fit in fits.items():
                found[kind][held] += fit(r[rest], t[rest], weights=w[rest], groups=names).apply(r[held])
    found = {kind: p / _DEALS for kind, p in found.items()}
    losses = HeldOut(
        groups=int(member.max()) + 1,
        positive_groups=holding,
        log_loss={kind: _mean(_log_loss(p, t), w) for kind, p in found.items()},
        brier={kind: _mean(np.square(p - t), w) for kind, p in found.items()},
    )
    better = all(loss["isotonic"] < loss["platt"] for loss in (losses.log_loss, losses.brier))
    best: Kind = "isotonic" if better else "platt"
    fitted = fits[best](r, t, weights=w, groups=list(groups))
    return Choice(fitted.model_copy(update={"held_out": losses}), found[best])


def _platt(raw: Floats, truth: npt.NDArray[np.bool_], *, weights: Floats, groups: Sequence[str]) -> PlattMap:
    return fit_platt(raw, truth, weights=weights)  # two numbers need no bound by groups


def _members(groups: Sequence[str], size: int) -> npt.NDArray[np.int64]:
    if len(groups) != size:
        raise DataError(f"calibration needs one group per example, got {len(groups)} for {size}")
    return np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)


def _deals(member: npt.NDArray[np.int64], truth: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.int64]]:
    """Fold of each example, dealt several times; groups with positives and those without are dealt apart, so
    that no fold takes all of either."""
    count = int(member.max()) + 1
    holding = np.bincount(member[truth], minlength=count) > 0
    random = np.random.default_rng(0)
    for _ in range(_DEALS):
        fold = np.empty(count, np.int64)
        for kind in (np.flatnonzero(holding), np.flatnonzero(~holding)):
            fold[kind] = random.permutation(kind.size) % _FOLDS
        yield fold[member]


def _mean(loss: Floats, weights: Floats) -> float:
    return round(float(np.average(loss, weights=weights)), 6)


def calibration_error(probability: npt.ArrayLike, truth: npt.ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error: mean of |mean probability - share of positives| over equal-width bins,
    weighted by how many examples each bin holds. 0 is perfect.
    """
    p, t, _ = _examples(probability, truth, None, both=False)
    where = np.minimum((p * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(where, p - t, bins)).sum() / p.size)


def _log_loss(p: npt.ArrayLike, truth: npt.NDArray[np.bool_]) -> Floats:
    p = np.clip(np.asarray(p, np.float64), EDGE, 1 - EDGE)
    return np.asarray(-np.where(truth, np.log(p), np.log1p(-p)), np.float64)


def _examples(
    raw: npt.ArrayLike, truth: npt.ArrayLike, weights: npt.ArrayLike | None, *, both: bool = True
) -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
    """Checked examples; ``both`` asks for positives and negatives."""
    r, t = np.asarray(raw, np.float64), np.asarray(truth).astype(bool)
    w = np.ones(r.shape) if weights is None else np.asarray(weights, np.float64)
    if r.ndim != 1 or r.shape != t.shape or r.shape != w.shape:
        raise DataError(f"calibration needs equal shapes (n,), got {r.shape}, {t.shape} and {w.shape}")
    if not np.all((r >= 0) & (r <= 1)):
        raise DataError("raw scores must be within 0..1 and not NaN")
    if not np.all((w >= 0) & np.isfinite(w)):
        raise DataError("weights must be finite and at least 0")
    if r.size == 0 or (both and (w[t].sum() == 0 or w[~t].sum() == 0)):
        raise DataError(f"calibration needs positives and negatives, got {int(t.sum())} of {r.size} positive")
    return r, t, w
