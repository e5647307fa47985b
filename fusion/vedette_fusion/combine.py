"""From evidence to a probability, with the reasons that add up to it.

log-odds = site prior + sum over senses of ``weight * quality * clip(LLR)`` + coincidence

where ``LLR = logit(p) - logit(base rate of the calibration set)``: a calibrated probability holds the share
of positives it was calibrated on, and evidence is what it says beyond that. Two rules keep it honest:

* a sense that heard or saw nothing adds 0 to the other's evidence, never less: a shooter may stand off
  screen, a pistol may stay silent;
* what a sense takes for a look-alike counts against what that same sense found, down to nothing, and never
  against the other sense.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vedette_base.config import FusionConfig
from vedette_base.score import GUNSHOT, Medium, Reason
from vedette_fusion.align import Look

NO_WEAPON = "no_weapon"
_EDGE = 1e-6  # calibrated probabilities of exactly 0 or 1 claim more than any calibration set can show


def logit(probability: float) -> float:
    """Log-odds of a probability, finite at 0 and 1 too."""
    p = min(max(probability, _EDGE), 1.0 - _EDGE)
    return math.log(p / (1.0 - p))


def logistic(log_odds: float) -> float:
    """Probability of log-odds, without overflow."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    return math.exp(log_odds) / (1.0 + math.exp(log_odds))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one sense brings to an interval, at the interval's peak.

    Attributes:
        medium, label, time, probability, quality: the look it comes from.
        support: weighted log-likelihood ratio of the threat; below 0 when less likely than the base rate.
        look_alike: how much of it a recognised look-alike takes back; 0 or less.
    """

    medium: Medium
    label: str
    time: float
    probability: float
    quality: float
    support: float
    look_alike: float = 0.0

    @property
    def net(self) -> float:
        """What is left of the support."""
        return self.support + self.look_alike


def audio_evidence(probability: float, quality: float, time: float, config: FusionConfig) -> Evidence:
    """Evidence of a gunshot of calibrated ``probability`` heard at ``time``."""
    ratio = _clipped(probability, config.audio_base_rate, config)
    return Evidence("audio", GUNSHOT, time, probability, quality, config.audio_weight * quality * ratio)


def vision_evidence(
    label: str, probability: float, look: Look, time: float, config: FusionConfig
) -> Evidence:
    """Evidence of a weapon ``label`` seen at ``time``; ``look`` knows the frame's quality and look-alikes."""
    weight = config.vision_weight * look.quality
    support = weight * _clipped(probability, base_rate(label, config), config)
    # Recognised means more likely than not; a faint doubt is no reason to doubt a clear weapon.
    recognised = max(0.5, base_rate(NO_WEAPON, config))
    against = weight * _clipped(look.values.get(NO_WEAPON, 0.0), recognised, config)
    taken = min(max(support, 0.0), max(against, 0.0))
    return Evidence("vision", label, time, probability, look.quality, support, -taken if taken else 0.0)


def weapon_in(look: Look, config: FusionConfig) -> Evidence | None:
    """The strongest weapon evidence among all weapon classes of one frame; None where it has none."""
    return strongest(
        vision_evidence(label, p, look, look.time, config)
        for label, p in look.values.items()
        if label != NO_WEAPON
    )


def gunshot_in(look: Look, config: FusionConfig) -> Evidence:
    """Gunshot evidence of one sound score: its gunshot column, or its best column where it has none."""
    probability = look.values[GUNSHOT] if GUNSHOT in look.values else max(look.values.values(), default=0.0)
    return audio_evidence(probability, look.quality, look.time, config)


def agreed(before: Evidence, now: Evidence, config: FusionConfig) -> Evidence:
    """What two neighbouring sound scores agree on: their mean, at the time of the more probable one."""
    time = before.time if before.probability > now.probability else now.time
    probability, quality = (before.probability + now.probability) / 2, (before.quality + now.quality) / 2
    return audio_evidence(probability, quality, time, config)


def agreed_by_a_quarter(shots: Iterable[Evidence]) -> Evidence | None:
    """Evidence that the best quarter of the shots of a burst have at least: of up to four, the best one.

    A jackhammer is a burst of hundreds; the best of hundreds is high by chance.
    """
    ranked = sorted(shots, key=lambda e: (-e.net, e.time))
    return ranked[(len(ranked) - 1) // 4] if ranked else None


def strongest(evidence: Iterable[Evidence | None]) -> Evidence | None:
    """The peak: the entry with the most net evidence, the earliest of equals."""
    found = [e for e in evidence if e is not None]
    return min(found, key=lambda e: (-e.net, e.time, e.label)) if found else None


def base_rate(label: str, config: FusionConfig) -> float:
    """Base rate of a picture class; for one that is not given ("weapon") the mean of the weapons' rates."""
    rates = config.vision_base_rates
    if label in rates:
        return rates[label]
    known = [rate for name, rate in rates.items() if name != NO_WEAPON]
    return sum(known) / len(known) if known else 0.5


def coincidence(first: Evidence, second: Evidence, nearness: float, config: FusionConfig) -> float:
    """Log-odds for both senses agreeing in time: in full when both are sure, in proportion when less.

    Two independent false alarms rarely meet; two true ones must. ``nearness`` in 0..1 is 1 for a weapon in
    sight at the shot. The less sure sense decides; one that is no better than its base rate brings 0.
    """
    sure = min(2.0 * logistic(e.net) - 1.0 for e in (first, second))
    return config.coincidence * nearness * max(0.0, sure)


def combine(
    own: Evidence, other: Evidence | None, nearness: float, texts: dict[str, str], config: FusionConfig
) -> tuple[float, tuple[Reason, ...]]:
    """Fuse the evidence of an interval.

    Args:
        own: evidence of the sense the interval comes from; may be below zero.
        other: evidence of the other sense within the pairing window, or None; never counts below zero, and
            only for something: where the own sense found nothing (a phone), the other one has its own event.
        nearness: 0..1, how close in time both are.
        texts: what each term says to people, by term.

    Returns:
        Probability of a threat, and its terms: the probability is the logistic of their sum.
    """
    terms = [("prior", logit(config.prior))]
    shift = getattr(config.sensitivity_shift, config.sensitivity)
    if shift:
        terms.append(("sensitivity", shift))
    helps = other if other is not None and other.net > 0 and own.net > 0 else None
    for medium in ("audio", "vision"):
        evidence = own if own.medium == medium else helps
        terms.append((medium, evidence.support if evidence else 0.0))
        if evidence and evidence.look_alike:
            terms.append(("look_alike", evidence.look_alike))
    if helps is not None:
        terms.append(("coincidence", coincidence(own, helps, nearness, config)))
    reasons = tuple(Reason(term, value, texts.get(term, "")) for term, value in terms)
    return logistic(math.fsum(value for _, value in terms)), reasons


def total(reasons: Sequence[Reason]) -> float:
    """Log-odds of an event: the sum of its terms."""
    return math.fsum(reason.log_odds for reason in reasons)


def _clipped(probability: float, base: float, config: FusionConfig) -> float:
    ratio = logit(probability) - logit(base)
    return min(max(ratio, -config.clip), config.clip)
