"""Settings of the chip classifier: how it is trained, and how it verifies tracks (DESIGN section 4)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vedette_base.config.section import Count, OpenProbability, Probability, Section

ChipArchitecture = Literal["yolo11n", "resnet18", "resnet50"]


class VerifierConfig(Section):
    """A second opinion on tracks: a classifier looks at what the detector found."""

    model: str | None = "chips"
    """Name of a chip bundle, or a bundle folder; None: no second opinion."""
    threshold: Probability = 0.3
    """Least mean probability over the looks at a track for it to be confirmed: the shipped classifier gives
    99 % of the detector's true boxes more on ``val`` (``vedette evaluate chips``)."""
    weight: float = Field(default=0.5, ge=0.0, le=4.0)
    """Of its log-odds when they are added to those of a small box that the detector found; 0: scores stay."""
    small: Probability = 0.15
    """Longest side of such a box, as a share of the picture's."""
    least: Probability = 0.01
    """Uncalibrated score below which nobody is asked."""


class ChipConfig(Section):
    """Settings of ``vedette train chips``."""

    architecture: ChipArchitecture = "yolo11n"
    """``yolo11n``: the trunk of the detector, and its weights to start from; ``resnet18`` for edges and
    ``resnet50`` for servers start at random and take ten times the work."""
    weights: str = "detector"
    """What the trunk of ``yolo11n`` starts from: ``detector`` is the one whose false boxes are learnt from;
    else the file or bundle folder of another YOLO11n, or ``none``."""
    trunk_rate: Probability = 0.3
    """Share of the learning rate for that trunk; the head is new and learns at the whole."""
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
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
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
