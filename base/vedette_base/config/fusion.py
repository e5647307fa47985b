"""Settings of fusion: prior, weights, pairing in time, levels (DESIGN section 5).

The weights here are reasoned, not fitted: ``docs/adr/0002-first-fusion-weights.md`` says how.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from vedette_base.config.section import Delay, OpenProbability, Probability, Seconds, Section
from vedette_base.errors import InputError

Sensitivity = Literal["low", "normal", "high"]


class LevelConfig(Section):
    """Fused probability from which an event has each level; below all of them it is ``low``.

    One sense alone never makes an event critical below ``critical_alone``; a visible weapon alone never does.
    """

    elevated: OpenProbability = 0.25
    high: OpenProbability = 0.6
    critical: OpenProbability = 0.85
    critical_alone: OpenProbability = 0.98

    @model_validator(mode="after")
    def _levels_rise(self) -> LevelConfig:
        if not self.elevated < self.high < self.critical <= self.critical_alone:
            raise ValueError(
                f"levels must rise, got {self.elevated}, {self.high}, {self.critical}, {self.critical_alone}"
            )
        return self


class SensitivityConfig(Section):
    """Log-odds added to every event, per preset."""

    low: float = Field(default=-1.5, ge=-20.0, le=20.0)
    normal: float = Field(default=0.0, ge=-20.0, le=20.0)
    high: float = Field(default=1.5, ge=-20.0, le=20.0)


class RunConfig(Section):
    """When a score curve makes an interval: hysteresis, with short pauses bridged and short runs dropped.

    Used only where no shot and no track explains the curve: their word counts more than a curve's.
    """

    use: bool = True
    """False: only shots and tracks make events."""
    onset: OpenProbability = 0.5
    """Probability from which a run begins."""
    offset: Probability = 0.3
    """Probability below which it ends."""
    shortest_on: Delay = 0.0
    """Runs shorter than this, from first to last entry, are dropped."""
    shortest_off: Delay = 1.0
    """Pauses up to this long do not end a run."""

    @model_validator(mode="after")
    def _offset_below_onset(self) -> RunConfig:
        if not self.offset <= self.onset:
            raise ValueError(f"offset must be at most onset {self.onset}, got {self.offset}")
        return self


class FusionConfig(Section):
    """Settings of the fuser. Times in seconds, weights and terms in log-odds (nats)."""

    prior: OpenProbability = 0.03
    """Probability of a threat in a candidate interval at this site, before any evidence."""
    audio_weight: float = Field(default=1.0, ge=0.0, le=10.0)
    vision_weight: float = Field(default=1.0, ge=0.0, le=10.0)
    clip: float = Field(default=8.0, gt=0.0, le=50.0)
    """Largest log-likelihood ratio one sense may bring, either way."""
    coincidence: float = Field(default=3.0, ge=0.0, le=20.0)
    """Added in full when both senses are sure, and in proportion when less."""
    audio_base_rate: OpenProbability = 0.2
    """Share of positives in the calibration set of the sound model; set from its card."""
    vision_base_rates: dict[str, OpenProbability] = Field(
        default_factory=lambda: {"knife": 0.2, "long_gun": 0.2, "no_weapon": 0.2, "pistol": 0.2}
    )
    """The same per class of the picture model; set from its card."""
    sound_delay: Delay = 1.0
    """Sound may come this much later than light (343 m): within it a weapon is in sight at the shot."""
    weapon_before: Delay = 10.0
    """A weapon seen up to this long before a shot supports it."""
    weapon_after: Delay = 0.5
    """A weapon first seen this long after a shot still supports it: light is never late, but looks are."""
    split_gap: Seconds = 3.0
    """Shots farther apart than this are separate events."""
    longest_burst: Seconds = 120.0
    """A burst that lasts longer goes on as a new event."""
    track_gap: Delay = 2.0
    """Tracks of one label at most this far apart are one visible stay."""
    audio_reach: Delay = 1.0
    """How far from its time a sound score listens: half a window."""
    settle: Delay = 5.0
    """An event stays open at least this long, so that slow looks can still confirm a weapon."""
    hold: Seconds = 60.0
    """An event is final this long after its end at the latest, whatever it is linked to."""
    audio_runs: RunConfig = RunConfig()
    vision_runs: RunConfig = RunConfig(shortest_on=0.4, shortest_off=2.5)
    type_support: Probability = 0.3
    """Pooled probability a firearm type needs to be named; below it the firearm is unknown."""
    levels: LevelConfig = LevelConfig()
    sensitivity: Sensitivity = "normal"
    sensitivity_shift: SensitivityConfig = SensitivityConfig()

    def with_sensitivity(self, sensitivity: Sensitivity) -> FusionConfig:
        """This configuration with another preset. Raises InputError for an unknown one."""
        if sensitivity not in SensitivityConfig.model_fields:
            known = ", ".join(SensitivityConfig.model_fields)
            raise InputError(f"sensitivity must be one of {known}, got {sensitivity!r}")
        return self.model_copy(update={"sensitivity": sensitivity})
