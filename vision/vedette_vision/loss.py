"""The detection loss, with labels that leave the type open.

A box may say "a firearm, type unknown" (``gun``) or "a weapon" (``weapon``). Such a box trains its place, and
the class term on the highest of the classes it may be; it says nothing about any single class.
Regions marked ``ignore`` say nothing at all, regions marked ``maybe_person`` nothing about persons.
The terms for small things (``LossConfig``) compose with all of this.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from ultralytics.utils.tal import dist2bbox, make_anchors

from vedette_base.config import AssignerConfig, LossConfig, VisionTrainConfig
from vedette_base.errors import ConfigError
from vedette_vision.labels import LABEL_IDS, OPEN_TYPES, OUTPUTS, PERSON
from vedette_vision.p2.assigner import SmallAssigner
from vedette_vision.p2.box_loss import Assigned, SmallBoxLoss
from vedette_vision.p2.terms import annealed, focal

_OPEN_COLUMNS = {LABEL_IDS[label]: [LABEL_IDS[name] for name in may] for label, may in OPEN_TYPES.items()}
_IGNORE = LABEL_IDS["ignore"]
COLUMNS = len(OUTPUTS) + len(OPEN_TYPES)

BOX_GAIN, CLASS_GAIN, DFL_GAIN = 7.5, 0.5, 1.5  # ultralytics' defaults
MANY_START, MANY_END = 0.8, 0.1
"""YOLO26: weight of the branch with many anchors per box, at start and end; the other has the rest."""
ONE_CANDIDATES = 7
"""YOLO26: anchors of which the one-to-one branch keeps the best."""


def training_loss(network: Any, config: VisionTrainConfig) -> nn.Module:
    """The loss of a network that ``network.build`` made: called with its outputs, targets and the progress.

    Raises:
        ConfigError: a term is switched on that this architecture does not have.
    """
    if not hasattr(network, "stride"):
        from vedette_vision.rcnn import FasterRCNNLoss

        _refuse(_changed(config.loss, "loss") + _changed(config.assigner, "assigner"), config.architecture)
        return FasterRCNNLoss(network)
    head = network.model[-1]
    if head.reg_max == 1:
        _refuse([k for k in _changed(config.loss, "loss") if "dfl" in k], config.architecture)
    if getattr(head, "one2one_cv2", None) is not None:
        return OneToOneLoss(head, config.loss, config.assigner)
    return OpenTypeLoss(head, config.loss, config.assigner)


def _changed(section: LossConfig | AssignerConfig, name: str) -> list[str]:
    """Keys that differ from the default."""
    return [
        f"train.{name}.{k}"
        for k in section.model_fields_set
        if getattr(section, k) != getattr(type(section)(), k)
    ]


def _refuse(keys: list[str], architecture: str) -> None:
    if keys:
        raise ConfigError(
            f"{', '.join(sorted(keys))}: {architecture} has no such term",
            hint="leave these settings out, or choose a YOLO with distributions, such as yolo11n-p2",
        )


def with_open_types(scores: torch.Tensor) -> torch.Tensor:
    """Append one column per open type: the highest of the classes it may be. ``(..., 5) -> (..., 7)``."""
    columns = [scores[..., ids].amax(-1, keepdim=True) for _, ids in sorted(_OPEN_COLUMNS.items())]
    return torch.cat([scores, *columns], -1)


class OpenTypeLoss(nn.Module):
    """Box, class and distribution-focal loss of a YOLO head with 5 outputs, for targets with open types.

    Args:
        head: of the network; any number of strides.
        config: terms; those of plain YOLO11 if not given.
        assigner: settings; the library's own if not given.
        only: keep this many anchors per box.
    """

    def __init__(
        self,
        head: nn.Module,
        config: LossConfig | None = None,
        assigner: AssignerConfig | None = None,
        *,
        only: int | None = None,
    ) -> None:
        super().__init__()
        self.config = config or LossConfig()
        self.stride: torch.Tensor = head.stride  # type: ignore[assignment]
        self.reg_max = int(head.reg_max)  # type: ignore[arg-type]
        self.assigner = SmallAssigner(COLUMNS, self.stride.tolist(), assigner or AssignerConfig(), only=only)
        self.box_loss = SmallBoxLoss(self.reg_max, self.config)

    def forward(self, outputs: dict[str, Any], targets: torch.Tensor, progress: float = 0.0) -> torch.Tensor:
        """The three losses (box, class, dfl), gains applied, averaged over the batch, shape ``(3,)``.

        Args:
            outputs: what the network gives in training: ``boxes`` (b, 4*bins, a), ``scores`` (b, 5, a)
                and ``feats``.
            targets: shape ``(n, 6)``: picture number, label id, x1, y1, x2, y2 in input pixels.
            progress: share of the training that is done, 0..1.
        """
        distances = outputs["boxes"].float().permute(0, 2, 1).contiguous()
        logits = with_open_types(outputs["scores"].float().permute(0, 2, 1).contiguous())
        targets = targets.to(logits.device)
        points, strides = make_anchors(outputs["feats"], self.stride, 0.5)  # type: ignore[no-untyped-call]
        points, strides = points.float(), strides.float()
        boxes = dist2bbox(self._expected(distances), points, xywh=False)  # type: ignore[no-untyped-call]

        labels, truth = _padded(targets[targets[:, 1] < _IGNORE], len(distances))
        aims, aim_scores, chosen = self.assigner.assign(
            logits.detach().sigmoid(), boxes.detach() * strides, points * strides, labels, truth
        )
        total = aim_scores.sum().clamp(min=1)
        weights = class_weights(aim_scores, chosen, targets, points * strides)
        kind = (self._entropy(logits, aim_scores) * weights).sum() / total
        height, width = outputs["feats"][0].shape[2:]
        at = Assigned(
            found=boxes[chosen],
            truth=(aims / strides)[chosen],
            distances=distances[chosen],
            points=points.expand(len(distances), -1, -1)[chosen],
            strides=strides.expand(len(distances), -1, -1)[chosen],
            scores=aim_scores[chosen].sum(-1, keepdim=True),
            total=total,
            finest=float(self.stride.min()),
            size=self.stride[0].to(points) * torch.tensor([height, width]).to(points),
        )
        place, spread = self.box_loss(at, progress)
        return torch.stack([place * BOX_GAIN, kind * CLASS_GAIN, spread * DFL_GAIN])

    def _expected(self, distances: torch.Tensor) -> torch.Tensor:
        """Distances ``(b, a, 4)`` to the sides, in cells: the mean of each distribution."""
        if self.reg_max == 1:
            return distances
        bins = torch.arange(self.reg_max, dtype=torch.float32, device=distances.device)
        return distances.view(*distances.shape[:2], 4, self.reg_max).softmax(3).matmul(bins)

    def _entropy(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if self.config.classification == "focal":
            return focal(logits, wanted, self.config.focal_gamma, self.config.focal_alpha)
        return nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")


class OneToOneLoss(nn.Module):
    """The loss of YOLO26: one branch with many anchors per box, fading out, one with a single one."""

    def __init__(self, head: nn.Module, config: LossConfig, assigner: AssignerConfig) -> None:
        super().__init__()
        self.many = OpenTypeLoss(head, config, assigner)
        few = assigner.model_copy(update={"top_k": ONE_CANDIDATES})
        self.one = OpenTypeLoss(head, config, few, only=1)

    def forward(self, outputs: dict[str, Any], targets: torch.Tensor, progress: float = 0.0) -> torch.Tensor:
        """As of ``OpenTypeLoss``, of both branches."""
        share = annealed(MANY_START, MANY_END, progress)
        many = self.many(outputs["one2many"], targets, progress)
        one = self.one(outputs["one2one"], targets, progress)
        both: torch.Tensor = many * share + one * (1 - share)
        return both


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
    padded = torch.zeros(count, most, 5, device=targets.device)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded[..., :1], padded[..., 1:]
