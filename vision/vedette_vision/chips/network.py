"""The chip classifier in PyTorch: timm's ResNet with a softmax over weapon or not."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from vedette_base.errors import DataError
from vedette_base.export import fold_norms
from vedette_vision.chips.cut import LABELS

ARCHITECTURES = ("resnet18", "resnet50")


class ChipNetwork(nn.Module):
    """Probabilities of ``LABELS``, shape ``(n, 2)``, of chips ``(n, 3, 112, 112)``, RGB, 0..1."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, chips: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return torch.softmax(self.body(chips), dim=1)


def build(architecture: str) -> Any:
    """A network with random weights that gives logits ``(n, 2)``. Raises DataError for an unknown name."""
    import timm

    if architecture not in ARCHITECTURES:
        raise DataError(f"no chip classifier {architecture!r}", hint=f"known: {', '.join(ARCHITECTURES)}")
    return timm.create_model(architecture, pretrained=False, num_classes=len(LABELS))


def inference_network(body: Any) -> ChipNetwork:
    """A trained network as it runs: norms folded, probabilities out."""
    return ChipNetwork(fold_norms(body.eval())).eval()
