"""What the terms of an event say to people."""

from __future__ import annotations

from vedette_base.config import FusionConfig
from vedette_base.score import Medium
from vedette_fusion.candidates import Burst, Stay
from vedette_fusion.combine import Evidence

_NAMES = {"long_gun": "long gun"}
_NOTHING: dict[tuple[Medium, bool], str] = {
    ("audio", True): "no shot heard, which does not count against what was seen",
    ("audio", False): "sound not observed",
    ("vision", True): "no weapon seen, which does not count against what was heard",
    ("vision", False): "picture not observed",
}


def prior_text(config: FusionConfig) -> str:
    """The prior in words."""
    return f"site prior: {100 * config.prior:.3g} % of such intervals are threats"


def heard_text(burst: Burst, evidence: Evidence) -> str:
    """What was heard."""
    best = f"{_decimals(evidence.probability)}{_quality(evidence)}"
    if burst.run:
        return f"sounds like gunshots from {burst.start:.2f} s to {burst.end:.2f} s, best {best}"
    if len(burst.shots) == 1:
        return f"a shot heard at {burst.start:.2f} s, probability {best}"
    share = "best" if len(burst.shots) <= 4 else "a quarter of them at least"
    fire = _automatic_fire(burst)
    return (
        f"{len(burst.shots)} shots heard from {burst.start:.2f} s to {burst.end:.2f} s{fire}, {share} {best}"
    )


def seen_text(stay: Stay, evidence: Evidence) -> str:
    """What was seen."""
    name = _NAMES.get(evidence.label, evidence.label)
    best = f"{_decimals(evidence.probability)} at {evidence.time:.1f} s{_quality(evidence)}"
    return f"{name} seen from {stay.start:.1f} s to {stay.end:.1f} s, best {best}"


def look_alike_text(evidence: Evidence) -> str:
    """What speaks against it."""
    return f"at {evidence.time:.1f} s it also looks like a harmless object"


def nothing_text(medium: Medium, observed: bool) -> str:
    """Why a sense brings nothing."""
    return _NOTHING[medium, observed]


def withdrawn_text(medium: Medium, claimed: str) -> str:
    """Why an event was withdrawn."""
    if medium == "audio":
        return f"explained by the shots of event {claimed}"
    return f"explained by {claimed}" if claimed else "closer looks no longer show a weapon"


def coincidence_text(burst: Burst, stay: Stay, config: FusionConfig) -> str:
    """Why both belong together."""
    lead = burst.start - stay.end
    if lead <= config.sound_delay:
        return "weapon in sight when the shot sounded"
    return f"weapon seen {lead:.1f} s before the shot"


def _automatic_fire(burst: Burst) -> str:
    """Cadence of the fastest burst; nothing where shots came one by one."""
    rates = [b.cadence for b in burst.bursts() if b.fire == "burst" and b.cadence is not None]
    return f", automatic fire of about {round(max(rates), -1):.0f} a minute" if rates else ""


def _decimals(probability: float) -> str:
    return f"{min(probability, 0.999):.3g}" if probability > 0.99 else f"{probability:.2f}"


def _quality(evidence: Evidence) -> str:
    return "" if evidence.quality > 0.995 else f" (observed at quality {evidence.quality:.2f})"
