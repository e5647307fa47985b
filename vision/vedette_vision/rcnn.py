"""torchvision's Faster R-CNN with ResNet-50 and FPN, as a detector like the others: the classic.

It tells classes apart by a softmax that one of them must win, so a box of open type teaches its place to the
proposal network alone; in the second stage what lies on such a box, or on an ignored region, is left out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection.image_list import ImageList

from vedette_vision.labels import LABEL_IDS, OUTPUTS

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, as torchvision normalises."""
MOST = 300
"""Boxes per picture."""
LEAST_SCORE = 0.005
LEFT_OUT = -1
"""A label that torchvision's sampler never draws."""
BOX_GAIN, CLASS_GAIN = 1.0, 1.0


class FasterRCNN(nn.Module):
    """The network. Input: ``(n, 3, h, w)``, RGB, 0..1.

    In training it gives features for ``FasterRCNNLoss``. Otherwise a tuple of one tensor ``(n, 4 + classes,
    300)``: centre x, centre y, width, height in input pixels and a probability per class, of which a box has
    one; boxes that are not there are zeros.
    """

    def __init__(self, classes: int = len(OUTPUTS)) -> None:
        super().__init__()
        self.classes = classes
        self.parts = fasterrcnn_resnet50_fpn(
            weights=None,
            weights_backbone=None,
            num_classes=1 + classes,
            box_score_thresh=LEAST_SCORE,
            box_detections_per_img=MOST,
        )
        self.parts.transform = nn.Identity()  # sizes are the caller's business

    def forward(self, x: torch.Tensor) -> dict[str, Any] | tuple[torch.Tensor]:
        """See the class."""
        mean, deviation = (x.new_tensor(v).view(3, 1, 1) for v in (MEAN, DEVIATION))
        images = (x - mean) / deviation
        features = {name: f.float() for name, f in self.parts.backbone(images).items()}
        listed = ImageList(images.float(), [(int(x.shape[2]), int(x.shape[3]))] * len(x))
        if self.training:
            return {"images": listed, "features": features}
        with torch.autocast(x.device.type, enabled=False):
            proposals, _ = self.parts.rpn(listed, features)
            found, _ = self.parts.roi_heads(features, proposals, listed.image_sizes)
        return (torch.stack([self._rows(one) for one in found]),)

    def _rows(self, found: dict[str, torch.Tensor]) -> torch.Tensor:
        """One picture's boxes in the layout of the other detectors."""
        rows = found["boxes"].new_zeros(4 + self.classes, MOST)
        count = len(found["scores"])
        low, high = found["boxes"][:, :2].T, found["boxes"][:, 2:].T
        rows[:2, :count], rows[2:4, :count] = (low + high) / 2, high - low
        rows[3 + found["labels"], torch.arange(count, device=rows.device)] = found["scores"]
        return rows


class FasterRCNNLoss(nn.Module):
    """Both stages' losses, in the order of the YOLO losses: box, class, and 0 where those have a third."""

    def __init__(self, network: FasterRCNN) -> None:
        super().__init__()
        self._network = [network]  # in a list: its parameters are not this module's

    def forward(self, outputs: dict[str, Any], targets: torch.Tensor, progress: float = 0.0) -> torch.Tensor:
        """Shape ``(3,)``. Targets as of ``OpenTypeLoss``; the schedule does not matter here."""
        parts = self._network[0].parts
        images, features = outputs["images"], outputs["features"]
        count = len(images.tensors)
        first, second = [], []
        for number in range(count):
            rows = targets[targets[:, 0] == number].to(images.tensors.device)
            boxes, labels = rows[:, 2:].contiguous(), second_stage_labels(rows[:, 1])
            real = rows[:, 1] < LABEL_IDS["ignore"]
            first.append({"boxes": boxes[real], "labels": labels[real]})
            known = rows[:, 1] != LABEL_IDS["maybe_person"]
            second.append({"boxes": boxes[known], "labels": labels[known]})
        proposals, rpn = parts.rpn(images, features, first)
        _, roi = parts.roi_heads(features, proposals, images.image_sizes, second)
        box = (rpn["loss_rpn_box_reg"] + roi["loss_box_reg"]) * BOX_GAIN
        kind = (rpn["loss_objectness"] + roi["loss_classifier"]) * CLASS_GAIN
        return torch.stack([box, kind, torch.zeros_like(box)])


def second_stage_labels(ids: torch.Tensor) -> torch.Tensor:
    """Label ids as the second stage counts: 1 on for our classes, -1 for what it is not to learn."""
    labels = ids.long() + 1
    return torch.where(ids < len(OUTPUTS), labels, torch.full_like(labels, LEFT_OUT))
