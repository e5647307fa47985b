"""Where boxes are: IoU, centre and distribution-focal terms, with what favours small things."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from ultralytics.utils.loss import BboxLoss
from ultralytics.utils.metrics import bbox_iou
from ultralytics.utils.tal import bbox2dist

from vedette_base.config import LossConfig
from vedette_vision.p2.terms import (
    annealed,
    area_weights,
    box_areas,
    cap_at,
    capped,
    centre_distances,
    dfl_weights,
    is_small,
)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What the box loss looks at: the anchors of a batch that have truth.

    Attributes:
        found: their boxes in cells of their stride, shape ``(n, 4)``.
        truth: what they are to be, likewise.
        distances: their distributions (or, without bins, distances), shape ``(n, 4 * bins)``.
        points: in cells, shape ``(n, 2)``.
        strides: pixels per cell, shape ``(n, 1)``.
        scores: what the assigner wants of them, shape ``(n, 1)``.
        total: sum of all wanted scores, at least 1: the divisor.
        finest: pixels per cell of the finest head.
        size: (height, width) of the input in pixels, shape ``(2,)``.
    """

    found: torch.Tensor
    truth: torch.Tensor
    distances: torch.Tensor
    points: torch.Tensor
    strides: torch.Tensor
    scores: torch.Tensor
    total: torch.Tensor
    finest: float
    size: torch.Tensor


class SmallBoxLoss(BboxLoss):
    """Ultralytics' box loss with the terms of ``LossConfig``; with all of them off, equal to it.

    Args:
        reg_max: bins per side; 1: none, and the distances are compared as they are.
    """

    def __init__(self, reg_max: int, config: LossConfig) -> None:
        super().__init__(reg_max)
        self.config = config
        self.bins = reg_max

    def forward(self, at: Assigned, progress: float) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        """The place term (IoU, and centres of small things) and the spread term, without gains."""
        config = self.config
        overlap = bbox_iou(at.found, at.truth, xywh=False, CIoU=True)
        weights = at.scores
        if alpha := annealed(config.area_weight, config.area_weight_end, progress):
            areas = box_areas(at.truth) * (at.strides / at.finest).square()
            weights = area_weights(at.scores, areas, alpha, root=config.area_root)
        place = capped(((1 - overlap) * weights).sum() / at.total, cap_at(config.iou_caps, progress))
        if weight := annealed(config.centre, config.centre_end, progress):
            small = is_small(at.truth, at.strides, config.small_side)
            apart = centre_distances(at.found, at.truth) * weights * small
            place = place + weight * apart.sum() / at.total
        return place, self._spread(at, progress)

    def _spread(self, at: Assigned, progress: float) -> torch.Tensor:
        if self.dfl_loss is None:
            return self._distance(at)
        sides = bbox2dist(at.points, at.truth, self.bins - 1)
        terms = self.dfl_loss(at.distances.view(-1, self.bins), sides) * at.scores
        if self.config.dfl_small:
            terms = terms * dfl_weights(at.truth, at.strides, self.config.small_side, self.config.dfl_small)
        return capped(terms.sum() / at.total, cap_at(self.config.dfl_caps, progress))

    def _distance(self, at: Assigned) -> torch.Tensor:
        """What YOLO26 has in place of a distribution: the distances themselves, as shares of the input."""
        sides = bbox2dist(at.points, at.truth)
        share = at.strides / at.size[[1, 0, 1, 0]]
        apart = ((at.distances - sides) * share).abs().mean(-1, keepdim=True)
        return (apart * at.scores).sum() / at.total
