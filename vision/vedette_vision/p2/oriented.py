"""Oriented boxes: Ultralytics' loss for them, with focal classification and the assigner's settings said."""

from __future__ import annotations

import torch
from torch import nn
from ultralytics.utils import IterableSimpleNamespace
from ultralytics.utils.loss import v8OBBLoss

from vedette_base.config import AssignerConfig, LossConfig
from vedette_vision.p2.terms import focal

GAINS = {"box": 7.5, "cls": 0.5, "dfl": 1.5, "angle": 1.0}
"""Ultralytics' defaults."""


class FocalEntropy(nn.Module):
    """Focal loss per element in place of ``BCEWithLogitsLoss(reduction="none")``."""

    def __init__(self, gamma: float, alpha: float) -> None:
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def forward(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """See ``focal``."""
        return focal(logits, wanted, self.gamma, self.alpha)


class OrientedLoss(v8OBBLoss):
    """The loss of a ``yolo*-obb`` model; called as ``loss(outputs, batch)`` as Ultralytics does.

    Args:
        model: an ``OBBModel``; gets Ultralytics' gains where it has none.
        loss: ``classification`` and its focal settings count; the other terms are for upright boxes.
        assigner: all of it counts.
    """

    def __init__(
        self, model: nn.Module, loss: LossConfig | None = None, assigner: AssignerConfig | None = None
    ) -> None:
        loss, assigner = loss or LossConfig(), assigner or AssignerConfig()
        if not isinstance(getattr(model, "args", None), IterableSimpleNamespace):
            model.args = IterableSimpleNamespace(**GAINS)  # type: ignore[assignment]
        super().__init__(model, tal_topk=assigner.top_k)
        self.assigner.alpha, self.assigner.beta = assigner.alpha, assigner.beta
        self.assigner.stride_val = assigner.least_side
        if loss.classification == "focal":
            self.bce = FocalEntropy(loss.focal_gamma, loss.focal_alpha)  # type: ignore[assignment]
