"""Settings of the chip classifier: how it is trained, and how it verifies tracks (DESIGN section 4)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vedette_base.config.section import Count, OpenProbability, Probability, Section

ChipArchitecture = Literal["resnet18", "resnet50"]


class VerifierConfig(Section):
    """A second opinion on tracks: a classifier looks at what the detector found."""

    model: str | None = None
    """Name of a chip bundle, or a bundle folder; None: no second opinion."""
    threshold: Probability = 0.5
    """Least mean probability over the looks at a track for it to be confirmed."""


class ChipConfig(Section):
    """Settings of ``vedette train chips``."""

    architecture: ChipArchitecture = "resnet18"
    """``resnet18`` for edges, ``resnet50`` for servers; both start at random."""
    seed: int = 0
    least_score: OpenProbability = 0.01
    """Uncalibrated score from which the detector's false boxes are taken as negatives."""
    steps: Count = 3000
    """Batches in all."""
    minutes: float = Field(default=0.0, ge=0.0)
    """Ends the training by the clock, with the schedule fitted to it; 0: by ``steps`` alone."""
    batch: Count = 64
    """Chips per batch; half are weapons."""
    bf16: bool = True
    """Forward pass in bfloat16."""
    learning_rate: float = Field(default=2e-3, gt=0.0, le=1.0)
    weight_decay: float = Field(default=0.05, ge=0.0, le=1.0)
    warmup_steps: int = Field(default=50, ge=0)
    smoothing: Probability = 0.05
    """Of the labels: 0.05 teaches 0.975 instead of 1."""
    average_decay: Probability = 0.995
    """Of the moving average of the weights, which is what is kept."""
    epoch_steps: Count = 200
    """Batches between two measurements on ``val``."""
    save_steps: Count = 100
    log_steps: Count = 20
