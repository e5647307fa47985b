"""The terms of the loss for small things, each a plain function of tensors.

``progress`` is the share of the training that is done, 0..1. Boxes and areas say in what they are measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


def annealed(start: float, end: float, progress: float) -> float:
    """From ``start`` evenly to ``end``."""
    return start + (end - start) * min(1.0, max(0.0, progress))


def cap_at(schedule: Sequence[tuple[float, float]], progress: float) -> float | None:
    """The cap that holds: the last one whose share of the training is reached; None before the first."""
    reached = [cap for start, cap in schedule if start <= progress]
    return reached[-1] if reached else None


def capped(term: torch.Tensor, cap: float | None) -> torch.Tensor:
    """A term brought down to its cap. Its gradient is scaled along, where clamping would leave none."""
    if cap is None:
        return term
    return term * (cap / term.detach().clamp(min=cap))


def box_areas(boxes: torch.Tensor) -> torch.Tensor:
    """Areas of boxes ``(..., 4)`` as x1 y1 x2 y2, in the square of their unit, shape ``(..., 1)``."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1, keepdim=True)


def is_small(boxes: torch.Tensor, strides: torch.Tensor, side: float) -> torch.Tensor:
    """Whether truth is small: its area in cells is below ``(side / stride)^2``.

    Args:
        boxes: truth per anchor in cells of the anchor's stride, shape ``(n, 4)``.
        strides: pixels per cell, shape ``(n, 1)``.
        side: pixels.

    Returns:
        Bools, shape ``(n, 1)``.
    """
    return box_areas(boxes) < (side / strides).square()


def area_weights(
    scores: torch.Tensor, areas: torch.Tensor, alpha: float, *, root: bool = False
) -> torch.Tensor:
    """Weights of the IoU term: ``alpha / area + (1 - alpha) * score``, scaled to the sum of the scores.

    Args:
        scores: what the assigner wants of each anchor, shape ``(n, 1)``: the weight without this term.
        areas: of the truth in cells of the finest head, so that a thing weighs the same on every head;
            below 1 they count as 1. Shape ``(n, 1)``.
        alpha: 0..1.
        root: take the square root of the area.
    """
    areas = areas.clamp(min=1.0)
    raw = alpha / (areas.sqrt() if root else areas) + (1 - alpha) * scores
    return raw * (scores.sum() / raw.sum().clamp(min=1e-9))


def dfl_weights(boxes: torch.Tensor, strides: torch.Tensor, side: float, gain: float) -> torch.Tensor:
    """Factors of the distribution-focal term: 1 from ``side`` on, rising to ``1 + gain`` for no size at all.

    Arguments as of ``is_small``; the size is the root of the area. Shape ``(n, 1)``.
    """
    size = box_areas(boxes).sqrt() * strides
    return 1 + gain * (1 - size / side).clamp(min=0)


def centre_distances(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean of the distances in x and in y between the centres of boxes ``(n, 4)``, shape ``(n, 1)``."""
    apart = (found[:, :2] + found[:, 2:] - truth[:, :2] - truth[:, 2:]) / 2
    return apart.abs().mean(1, keepdim=True)


def focal(logits: torch.Tensor, wanted: torch.Tensor, gamma: float, alpha: float) -> torch.Tensor:
    """Focal loss (Lin et al. 2017, https://arxiv.org/abs/1708.02002) with soft targets 0..1, per element.

    Cross-entropy times ``|t - p|^gamma``, which is ``(1 - p_t)^gamma`` for targets of 0 and 1, and for those
    between makes ``p = t`` the best answer (Li et al. 2020, https://arxiv.org/abs/2006.04388). With
    ``p_t = t p + (1 - t)(1 - p)`` a target below a half, which is all that tiny boxes get at first, would be
    pushed towards 0. Times ``alpha`` for positives and ``1 - alpha`` for negatives, or, with ``alpha`` 0,
    neither.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    apart = (wanted - logits.sigmoid()).abs()
    entropy = entropy * apart.clamp(min=1e-9).pow(gamma)  # the root of 0 has no gradient
    if alpha == 0:
        return entropy
    return entropy * (wanted * alpha + (1 - wanted) * (1 - alpha))
