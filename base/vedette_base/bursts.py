"""What a burst of shots says: how many, how fast, single shots or automatic fire, and of which firearm.

Everything follows from the shots alone, in time order, so it is the same however the sound came in blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median, median_low

from vedette_base.score import FAMILIES, HeardBurst, Ranked, Shot

UNKNOWN_FIREARM = "unknown firearm"
GAP = 1.0
"""Seconds without a shot that end a burst where its shots carry no number of their own."""
AUTOMATIC = 0.15
"""Greatest interval of automatic fire, seconds: slow submachine guns fire 400 a minute, no finger does."""
FEWEST = 3
"""Shots needed to call it a burst: an echo makes two of one."""
SUPPORT = 0.3
"""Pooled probability from which a type is named, where no configuration says otherwise."""
_FLOOR = 1e-4  # one shot that is sure of a type, or rules it out, must not decide for the whole burst
_MENTION = 0.02  # shares below this are not worth a line
_EVEN = 0.25  # how far from a whole multiple an interval of automatic fire may be


def bursts_of(shots: Iterable[Shot], support: float) -> tuple[HeardBurst, ...]:
    """The bursts among ``shots`` (in any order), in order of time.

    Args:
        shots: a new burst begins where ``Shot.burst`` changes or ``GAP`` passes without a shot.
        support: pooled probability that a type needs to be named, see ``rank_firearms``.
    """
    return tuple(_described(group, support) for group in _groups(shots))


def cadence(times: Sequence[float]) -> float | None:
    """Rounds per minute of shots at ``times`` (ascending, seconds); None for fewer than two.

    From the median interval. Automatic fire is even: an interval of two or three times the median is one in
    which shots were missed, and one far shorter an echo, so the mean is taken over what fits the beat.
    """
    gaps = [later - earlier for earlier, later in pairwise(times) if later - earlier > 1e-3]
    if not gaps:
        return None
    beat = median_low(gaps)
    if beat > AUTOMATIC:
        return 60.0 / median(gaps)
    counted = [(gap, max(1, round(gap / beat))) for gap in gaps]
    even = [(gap, n) for gap, n in counted if abs(gap / beat - n) <= _EVEN and n <= 3]
    return 60.0 * sum(n for _, n in even) / math.fsum(gap for gap, _ in even)


def rank_firearms(types: Sequence[Mapping[str, float]], support: float) -> tuple[Ranked, ...]:
    """Rank the firearms that the shots of a burst, pooled, may have come from.

    What no type explains, the product of ``1 - p``, is the share of ``unknown firearm``; shares add up to 1
    before small ones are left out.

    Args:
        types: per shot, probability of each type; types are not exclusive (twins such as M4 and M16 share).
        support: pooled probability that at least one type needs; else the firearm is simply unknown.
    """
    pooled = pool_types(types)
    return _ranked(pooled, _unexplained(pooled), support)


def rank_families(types: Sequence[Mapping[str, float]], support: float) -> tuple[Ranked, ...]:
    """Rank the families (``FAMILIES``) likewise: a family is as likely as the likeliest of its types.

    Of 26 recordings of ``val`` 0.66 got their family right like this, 0.60 by the sum over its types.
    """
    pooled = pool_types(types)
    families: dict[str, float] = {}
    for name, p in pooled.items():
        family = FAMILIES.get(name, UNKNOWN_FIREARM)
        families[family] = max(p, families.get(family, 0.0))
    return _ranked(families, _unexplained(pooled), support)


def pool_types(types: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Pool what each shot says about the firearm; shots without types say nothing.

    Mean of log-odds: shots of a burst come from one firearm but are not independent, so their evidence is
    averaged and not added up. Of ways to pool four clips of a recording of ``val`` it was right most often:
    0.74; mean 0.73, median 0.72, geometric mean 0.72, greatest 0.66, one clip alone 0.63.
    """
    given = [t for t in types if t]
    names = sorted({name for t in given for name in t})
    pooled = {}
    for name in names:
        odds = math.fsum(_log_odds(t.get(name, 0.0)) for t in given) / len(given)
        pooled[name] = 1.0 / (1.0 + math.exp(-odds))
    return pooled


def _log_odds(p: float) -> float:
    p = min(max(p, _FLOOR), 1.0 - _FLOOR)
    return math.log(p / (1.0 - p))


def _unexplained(pooled: Mapping[str, float]) -> float:
    return math.prod(1.0 - p for p in pooled.values())


def _ranked(weights: Mapping[str, float], unexplained: float, support: float) -> tuple[Ranked, ...]:
    if not weights or max(weights.values()) < support:
        return (Ranked(UNKNOWN_FIREARM, 1.0),)
    every = {**weights, UNKNOWN_FIREARM: unexplained + weights.get(UNKNOWN_FIREARM, 0.0)}
    whole = math.fsum(every.values())
    worth = (Ranked(name, w / whole) for name, w in every.items() if w / whole >= _MENTION)
    return tuple(sorted(worth, key=lambda r: (-r.probability, r.label)))


def _groups(shots: Iterable[Shot]) -> Iterator[list[Shot]]:
    group: list[Shot] = []
    for shot in sorted(shots, key=lambda s: (s.time, s.burst)):
        if group and (shot.burst != group[-1].burst or shot.time - group[-1].time > GAP):
            yield group
            group = []
        group.append(shot)
    if group:
        yield group


def _described(shots: Sequence[Shot], support: float) -> HeardBurst:
    times = [shot.time for shot in shots]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    automatic = len(shots) >= FEWEST and median_low(gaps) <= AUTOMATIC
    types = [shot.types for shot in shots]
    return HeardBurst(
        start=times[0],
        end=times[-1],
        shots=len(shots),
        fire="burst" if automatic else "single",
        cadence=cadence(times),
        firearms=rank_firearms(types, support) if any(types) else (),
        families=rank_families(types, support) if any(types) else (),
    )
