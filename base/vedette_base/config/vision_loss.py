"""Settings of the detector's loss and assigner; every term for small things can be switched off."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from vedette_base.config.section import Count, Probability, Section

CapSchedule = tuple[tuple[Probability, float], ...]
"""Pairs of (share of the training from which it holds, cap); before the first pair there is none."""


class AssignerConfig(Section):
    """Which anchors learn a box: the best by ``score^alpha * IoU^beta`` among those inside it."""

    top_k: Count = 10
    """Anchors per box at most. For small things: 25."""
    alpha: float = Field(default=0.5, ge=0.0, le=10.0)
    beta: float = Field(default=6.0, ge=0.0, le=20.0)
    """For small things, whose IoU is poor: 4.0."""
    least_side: float = Field(default=16.0, ge=0.0, le=512.0)
    """Sides shorter than this (pixels of the network's picture) count as this long when anchors inside are
    looked for. Ultralytics takes the second stride of the head, which a P2 head would change from 16 to 8."""


class LossConfig(Section):
    """Terms of the loss. The defaults are those of YOLO11 without any of the terms for small things."""

    classification: Literal["bce", "focal"] = "bce"
    focal_gamma: float = Field(default=1.5, ge=0.0, le=10.0)
    focal_alpha: Probability = 0.25
    """Weight of positives, against ``1 - focal_alpha`` of negatives; 0: neither is weighted."""
    area_weight: Probability = 0.0
    """Alpha of the box weight ``alpha / area + (1 - alpha) * score``; 0: the score alone."""
    area_weight_end: Probability = 0.0
    """Alpha at the end of the training; in between it moves evenly."""
    area_root: bool = False
    """Take the square root of the area."""
    centre: float = Field(default=0.0, ge=0.0, le=100.0)
    """Weight of the distance between centres, in cells, for small truth; 0: off."""
    centre_end: float = Field(default=0.0, ge=0.0, le=100.0)
    """The same at the end of the training."""
    small_side: float = Field(default=24.0, gt=0.0, le=512.0)
    """Truth with less than the area of a square with this side (pixels of the network's picture) is small."""
    dfl_small: float = Field(default=0.0, ge=0.0, le=10.0)
    """Extra weight of the distribution-focal term: full for the tiniest truth, none from ``small_side``."""
    iou_caps: CapSchedule = ()
    """Caps on the mean IoU term over the training: above, its gradient is scaled down; (): none."""
    dfl_caps: CapSchedule = ()
    """The same for the distribution-focal term."""

    @field_validator("iou_caps", "dfl_caps")
    @classmethod
    def _caps_are_a_schedule(cls, value: CapSchedule) -> CapSchedule:
        if any(cap <= 0 for _, cap in value):
            raise ValueError("a cap must be above 0")
        starts = [start for start, _ in value]
        if starts != sorted(set(starts)):
            raise ValueError("the shares from which caps hold must rise")
        return value
