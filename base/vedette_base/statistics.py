"""Honest splits and intervals: the unit is always the group (recording, camera, scene), never the clip."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette_base.errors import DataError, InputError

CALIBRATION, FUSION, TEST = 0, 1, 2
"""The three thirds of ``val``: calibration maps, fusion weights and thresholds, and what is quoted."""

Interval = tuple[float, float]


def thirds(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Third of each entry, shape ``(n,)``: ``CALIBRATION``, ``FUSION`` or ``TEST``.

    Taken from the SHA-256 of the group's name alone, so a group is in the same third in every list,
    on every machine and whatever else is in the list.
    """
    numbers = {
        g: int.from_bytes(hashlib.sha256(g.encode(errors="surrogateescape")).digest()[:8], "big") % 3
        for g in set(groups)
    }
    return np.array([numbers[g] for g in groups], np.int64)


def bootstrap_interval(
    values_by_group: Mapping[str, npt.ArrayLike],
    statistic: Callable[[npt.NDArray[Any]], float],
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap over groups: (low, high).

    Args:
        values_by_group: rows of each group, shape ``(k,)`` or ``(k, columns)``; two columns, one per model,
            make the comparison of two models paired.
        statistic: number of all rows put together; NaN where it is undefined (no positive in the sample),
            and such samples are left out.
        n: samples. seed: of the random draw. level: share of samples inside the interval.

    Returns:
        ``(nan, nan)`` where fewer than half of the samples have a statistic.

    Raises:
        DataError: there is no group. InputError: ``n`` or ``level`` out of range.
    """
    _check_level(level)
    if n < 1:
        raise InputError(f"bootstrap needs at least one sample, got n={n}")
    rows = [np.asarray(values_by_group[name]) for name in sorted(values_by_group)]
    if not rows:
        raise DataError("bootstrap needs at least one group, got none")
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(rows), (n, len(rows)))
    found = np.array([statistic(np.concatenate([rows[i] for i in sample])) for sample in drawn], np.float64)
    found = found[~np.isnan(found)]
    if found.size * 2 < n:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def rate_interval(count: int, exposure: float, level: float = 0.95) -> Interval:
    """Exact Poisson interval (Garwood 1936) of a rate: ``count`` events in ``exposure`` hours.

    None in three hours does not mean none in a year: ``rate_interval(0, 3.0)`` is ``(0.0, 1.23)`` per hour.
    """
    from scipy.stats import chi2

    _check_level(level)
    if count < 0 or not exposure > 0:
        raise InputError(f"a rate needs count >= 0 and exposure > 0, got {count} and {exposure}")
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    return float(low / exposure), float(chi2.ppf(1 - tail, 2 * count + 2) / 2 / exposure)


def share_interval(successes: int, total: int, level: float = 0.95) -> Interval:
    """Wilson's interval (1927) of a share: ``successes`` of ``total`` independent trials."""
    from scipy.stats import norm

    _check_level(level)
    if not 0 <= successes <= total or total == 0:
        raise InputError(f"a share needs 0 <= successes <= total > 0, got {successes} of {total}")
    z = float(norm.ppf((1 + level) / 2))
    p, factor = successes / total, 1 / (1 + z * z / total)
    centre = factor * (p + z * z / (2 * total))
    half = factor * z * float(np.sqrt(p * (1 - p) / total + z * z / (4 * total * total)))
    return max(0.0, centre - half), min(1.0, centre + half)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, got {level}")
