"""The detection loss, with labels that leave the type open.

A box may say "a firearm, type unknown" (``gun``) or "a weapon" (``weapon``). Such a box trains its place, and
binary cross-entropy on the highest of the classes it may be; it says nothing about any single class.
Regions marked ``ignore`` say nothing at all, regions marked ``maybe_person`` nothing about persons.
"""

from __future__ import annotations

import torch
from torch import nn
from ultralytics.utils.loss import BboxLoss
from ultralytics.utils.tal import TaskAlignedAssigner, dist2bbox, make_anchors

from vedette_vision.labels import LABEL_IDS, OPEN_TYPES, OUTPUTS, PERSON

_OPEN_COLUMNS = {LABEL_IDS[label]: [LABEL_IDS[name] for name in may] for label, may in OPEN_TYPES.items()}
_IGNORE = LABEL_IDS["ignore"]

BOX_GAIN, CLASS_GAIN, DFL_GAIN = 7.5, 0.5, 1.5  # ultralytics' defaults


def with_open_types(scores: torch.Tensor) -> torch.Tensor:
    """Append one column per open type: the highest of the classes it may be. ``(..., 5) -> (..., 7)``."""
    columns = [scores[..., ids].amax(-1, keepdim=True) for _, ids in sorted(_OPEN_COLUMNS.items())]
    return torch.cat([scores, *columns], -1)


class OpenTypeLoss(nn.Module):
    """Box, distribution-focal and class loss of a YOLO head with 5 outputs, for targets with open types."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.stride: torch.Tensor = head.stride  # type: ignore[assignment]
        self.reg_max = int(head.reg_max)  # type: ignore[arg-type]
        self.columns = len(OUTPUTS) + len(OPEN_TYPES)
        self.assigner = TaskAlignedAssigner(
            topk=10, num_classes=self.columns, alpha=0.5, beta=6.0, stride=self.stride.tolist()
        )
        self.box_loss = BboxLoss(self.reg_max)

    def forward(self, outputs: dict[str, torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
        """The three losses (box, class, dfl), gains applied, averaged over the batch, shape ``(3,)``.

        Args:
            outputs: what the network gives in training: ``boxes`` (b, 4*bins, a), ``scores`` (b, 5, a)
                and ``feats``.
            targets: shape ``(n, 6)``: picture number, label id, x1, y1, x2, y2 in input pixels.
        """
        distances = outputs["boxes"].float().permute(0, 2, 1).contiguous()
        logits = with_open_types(outputs["scores"].float().permute(0, 2, 1).contiguous())
        points, strides = make_anchors(outputs["feats"], self.stride, 0.5)  # type: ignore[no-untyped-call]
        points, strides = points.float(), strides.float()
        count, anchors, _ = distances.shape
        bins = torch.arange(self.reg_max, dtype=torch.float32)
        expected = distances.view(count, anchors, 4, self.reg_max).softmax(3).matmul(bins)
        boxes = dist2bbox(expected, points, xywh=False)  # type: ignore[no-untyped-call]

        labels, truth = _padded(targets[targets[:, 1] < _IGNORE], count)
        present = truth.sum(2, keepdim=True).gt(0).float()
        _, aims, aim_scores, chosen, _ = self.assigner(
            logits.detach().sigmoid(), boxes.detach() * strides, points * strides, labels, truth, present
        )
        total = aim_scores.sum().clamp(min=1)
        weights = class_weights(aim_scores, chosen, targets, points * strides)
        entropy = nn.functional.binary_cross_entropy_with_logits(logits, aim_scores, reduction="none")
        size = torch.tensor(outputs["feats"][0].shape[2:]) * self.stride[0]
        place, spread = self.box_loss(
            distances, boxes, points, aims / strides, aim_scores, total, chosen, size, strides
        )
        return torch.stack(
            [place * BOX_GAIN, (entropy * weights).sum() / total * CLASS_GAIN, spread * DFL_GAIN]
        )


def class_weights(
    aim_scores: torch.Tensor, chosen: torch.Tensor, targets: torch.Tensor, points: torch.Tensor
) -> torch.Tensor:
    """Which class terms count, 0 or 1, shape of ``aim_scores`` (b, a, 7).

    Anchors on a box of open type count in that type's column alone; anchors inside ignored regions that are
    not on any box do not count.
    """
    weights = torch.zeros_like(aim_scores)
    weights[..., : len(OUTPUTS)] = 1.0
    for column in _OPEN_COLUMNS:
        own = chosen & (aim_scores[..., column] > 0)
        weights[own] = 0.0
        weights[..., column][own] = 1.0
    for row in targets[targets[:, 1] >= _IGNORE]:
        picture, label = int(row[0]), int(row[1])
        inside = (points > row[2:4]).all(1) & (points < row[4:6]).all(1) & ~chosen[picture]
        if label == _IGNORE:
            weights[picture, inside] = 0.0
        else:
            weights[picture, inside, PERSON] = 0.0
    return weights


def _padded(targets: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets as labels ``(b, most, 1)`` and boxes ``(b, most, 4)``, zero where a picture has fewer."""
    rows = [targets[targets[:, 0] == i, 1:] for i in range(count)]
    most = max((len(r) for r in rows), default=0)
    padded = torch.zeros(count, most, 5)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded[..., :1], padded[..., 1:]
