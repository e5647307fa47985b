"""Raw network scores to probabilities that mean what they say.

A map is plain numbers in a bundle's card: Platt's (two numbers) or isotonic (a rising line of knots). Each
knows ``base_rate``, the share of positives it was fitted on, so that fusion can take the evidence out of a
probability: ``logit(p) - logit(base_rate)`` is a log-likelihood ratio.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vedette_base.errors import DataError

Floats = npt.NDArray[np.float64]

EDGE = 1e-6
"""Raw scores are kept this far from 0 and 1, so that their log-odds stay finite."""
_FOLDS = 5


def logit(probability: npt.ArrayLike) -> Floats:
    """Log-odds of probabilities, any shape; values are first kept within ``EDGE`` of 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(p) - np.log1p(-p), np.float64)


def logistic(log_odds: npt.ArrayLike) -> Floats:
    """Probability of log-odds, any shape: ``1 / (1 + exp(-x))`` without overflow."""
    x = np.asarray(log_odds, np.float64)
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)), np.float64)


class _Map(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    base_rate: float = Field(gt=0.0, lt=1.0)
    """Share of positives among the examples the map was fitted on."""


class PlattMap(_Map):
    """``p = logistic(slope * logit(raw) + intercept)``."""

    kind: Literal["platt"] = "platt"
    slope: float = Field(gt=0.0)
    intercept: float

    def apply(self, raw: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Calibrated probabilities of raw ones in 0..1, same shape."""
        return logistic(self.slope * logit(raw) + self.intercept).astype(np.float32)


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
    raw: npt.ArrayLike, truth: npt.ArrayLike, *, weights: npt.ArrayLike | None = None
) -> IsotonicMap:
    """Isotonic map: one knot per pool of the pool-adjacent-violators algorithm, joined by lines.

    Each pool counts one more example at the base rate, so that no pool claims 0 or 1.
    Arguments and errors are those of ``fit_platt``.
    """
    from scipy.optimize import isotonic_regression

    r, t, w = _examples(raw, truth, weights)
    base_rate = float(w[t].sum() / w.sum())
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
    rising = np.maximum.accumulate(values)
    return IsotonicMap(x=tuple(knots), y=tuple(float(v) for v in rising), base_rate=base_rate)


def best_map(raw: npt.ArrayLike, truth: npt.ArrayLike, groups: Sequence[str]) -> PlattMap | IsotonicMap:
    """The map with the lower log-loss when whole groups are held out; Platt's where they tie.

    Args:
        raw, truth: as for ``fit_platt``.
        groups: the recording, camera or scene of each example; never on both sides of a fold.
    """
    r, t, _ = _examples(raw, truth, None)
    if len(groups) != r.size:
        raise DataError(f"calibration needs one group per example, got {len(groups)} for {r.size}")
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    fold = np.random.default_rng(0).permutation(names.size)[member] % _FOLDS
    loss = {"platt": 0.0, "isotonic": 0.0}
    for k in range(min(_FOLDS, names.size)):
        held = fold == k
        if t[~held].all() or not t[~held].any():
            return fit_platt(r, t)  # too few groups to choose by
        for name, fit in (("platt", fit_platt), ("isotonic", fit_isotonic)):
            loss[name] += float(np.sum(_log_loss(fit(r[~held], t[~held]).apply(r[held]), t[held])))
    return fit_isotonic(r, t) if loss["isotonic"] < loss["platt"] else fit_platt(r, t)


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
