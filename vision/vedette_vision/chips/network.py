"""The chip classifiers in PyTorch: timm's ResNets, or the trunk of a detector, over weapon or not."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vedette_base.errors import DataError
from vedette_base.export import fold_norms
from vedette_vision.chips.cut import LABELS

TRUNK = "yolo11n"
ARCHITECTURES = (TRUNK, "resnet18", "resnet50")
LAYERS, TAPS = 11, (4, 6, 10)
"""Layers of the trunk, and those whose output the head reads: at strides 8, 16 and 32."""
DROPOUT = 0.2


class Trunk(nn.Module):
    """The trunk of a YOLO11n and a linear head: logits ``(n, 2)`` of chips ``(n, 3, 112, 112)``, RGB, 0..1.

    A tenth of a ResNet-18's work, and it starts from weights that know things and weapons. The head reads of
    every channel the mean, the greatest, and the mean of the middle, which is where the box is.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.model = nn.ModuleList(list(network.model)[:LAYERS])
        with torch.no_grad():
            width = self.eval()._read(torch.zeros(1, 3, 64, 64)).shape[1]
        self.drop, self.fc = nn.Dropout(DROPOUT), nn.Linear(width, len(LABELS))

    def forward(self, chips: torch.Tensor) -> torch.Tensor:
        """See the class."""
        logits: torch.Tensor = self.fc(self.drop(self._read(chips)))
        return logits

    def _read(self, x: torch.Tensor) -> torch.Tensor:
        found: list[torch.Tensor] = []
        for number, layer in enumerate(self.model):
            x = layer(x)
            if number in TAPS:
                edge = int(x.shape[-1]) // 4
                middle = x[:, :, edge : int(x.shape[-2]) - edge, edge : int(x.shape[-1]) - edge]
                found += [x.mean((2, 3)), x.amax((2, 3)), middle.mean((2, 3))]
        return torch.cat(found, 1)


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
    if architecture not in ARCHITECTURES:
        raise DataError(f"no chip classifier {architecture!r}", hint=f"known: {', '.join(ARCHITECTURES)}")
    if architecture == TRUNK:
        from vedette_vision.network import build as build_detector

        return Trunk(build_detector(f"{TRUNK}.yaml"))
    import timm

    return timm.create_model(architecture, pretrained=False, num_classes=len(LABELS))


def start(weights: Path, batches: Iterable[torch.Tensor]) -> Trunk:
    """A trunk with the weights of a detector, its norms made real again by the statistics of chips.

    Args:
        weights: bundle folder, folded ``.npz`` or ``.ckpt`` of a YOLO11n.
        batches: chips, each ``(n, 3, 112, 112)``.

    Raises:
        DataError: no such file, or hardly any of it fits. BundleError: the bundle cannot be used.
    """
    from vedette_vision.network import build as build_detector
    from vedette_vision.network import load_folded, reinsert_norms, start_weights

    network = build_detector(f"{TRUNK}.yaml")
    load_folded(network, start_weights(weights))
    trunk = Trunk(network)
    reinsert_norms(trunk, batches)
    return trunk


def inference_network(body: Any) -> ChipNetwork:
    """A trained network as it runs: norms folded, probabilities out."""
    return ChipNetwork(_fused(body) if isinstance(body, Trunk) else fold_norms(body.eval())).eval()


def _fused(body: Trunk) -> Trunk:
    """Ultralytics' layers fold themselves; torch.fx cannot trace them."""
    from ultralytics.nn.modules.conv import Conv
    from ultralytics.utils.torch_utils import fuse_conv_and_bn

    folded = copy.deepcopy(body).eval()
    for layer in folded.modules():
        if isinstance(layer, Conv) and hasattr(layer, "bn"):
            layer.conv = fuse_conv_and_bn(layer.conv, layer.bn)  # type: ignore[no-untyped-call]
            delattr(layer, "bn")
            layer.forward = layer.forward_fuse  # type: ignore[method-assign]
    return folded
