"""Ultralytics' task-aligned assigner, with every setting said."""

from __future__ import annotations

import torch
from ultralytics.utils.tal import TaskAlignedAssigner

from vedette_base.config import AssignerConfig


class SmallAssigner(TaskAlignedAssigner):
    """Assigns anchors to truth by ``score^alpha * IoU^beta``.

    Args:
        columns: classes, open types among them.
        strides: of the head, finest first.
        config: settings. ``least_side`` is what the library derives from the second stride.
        only: of the anchors found, keep this many per box (YOLO26's one-to-one branch: 1).
    """

    def __init__(
        self, columns: int, strides: list[float], config: AssignerConfig, *, only: int | None = None
    ) -> None:
        super().__init__(
            topk=config.top_k,
            num_classes=columns,
            alpha=config.alpha,
            beta=config.beta,
            stride=strides,
            topk2=only,
        )
        self.stride_val = config.least_side
        self._wanted = self.topk, self.topk2

    def fit(self, anchors: int) -> SmallAssigner:
        """Never look for more anchors than there are (small pictures on coarse heads)."""
        self.topk, self.topk2 = (min(wanted, anchors) for wanted in self._wanted)
        return self

    def assign(
        self,
        scores: torch.Tensor,
        boxes: torch.Tensor,
        points: torch.Tensor,
        labels: torch.Tensor,
        truth: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Truth per anchor.

        Args:
            scores: probabilities, shape ``(b, a, columns)``.
            boxes: found, in pixels, shape ``(b, a, 4)``.
            points: anchors in pixels, shape ``(a, 2)``.
            labels: columns, shape ``(b, most, 1)``.
            truth: in pixels, shape ``(b, most, 4)``, zeros where there is none.

        Returns:
            The box each anchor is to find ``(b, a, 4)``, the scores it is to give ``(b, a, columns)``, and
            whether it has any ``(b, a)``.
        """
        present = truth.sum(2, keepdim=True).gt(0).float()
        self.fit(len(points))
        _, aims, aim_scores, chosen, _ = self(scores, boxes, points, labels, truth, present)
        return aims, aim_scores, chosen
