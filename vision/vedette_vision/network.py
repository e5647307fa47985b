"""The detector as a PyTorch network: YOLO11n with five outputs, started from folded COCO weights.

Training, export and the torch engine use it; the run-time path with OpenVINO never imports this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from ultralytics.nn.tasks import DetectionModel

from vedette_base.bundle import load_bundle
from vedette_base.engine import ir_weights
from vedette_base.errors import DataError
from vedette_vision.labels import OUTPUTS

COCO_CLASSES = 80
COCO_ROWS: Mapping[str, int] = {"knife": 43, "no_weapon": 67, "person": 0}
"""COCO classes that start a row of ours: knife, cell phone, person. Firearms start from the knife row."""

NORM_EPSILON = 1e-3  # what ultralytics sets on every batch norm


def build(architecture: str = "yolo11n.yaml", classes: int = len(OUTPUTS)) -> DetectionModel:
    """A detector with ``classes`` outputs whose hidden layers have the shapes of the COCO checkpoint.

    The head is built for 80 classes first: its hidden width depends on the class count, and the COCO
    weights fit only the 80-class width.
    """
    network = DetectionModel(architecture, ch=3, nc=COCO_CLASSES, verbose=False)  # type: ignore[no-untyped-call]
    if classes != COCO_CLASSES:
        head = head_of(network)
        for branch in head.cv3:
            branch[-1] = nn.Conv2d(branch[-1].in_channels, classes, 1)
        head.nc = classes
        head.no = classes + 4 * head.reg_max
        network.nc = classes  # type: ignore[assignment]
    return network


def head_of(network: nn.Module) -> Any:
    """The detection head: the last layer."""
    layers: Any = network.model
    return layers[-1]


def identity_norms(network: nn.Module) -> None:
    """Make every batch norm pass its input through plus its bias: the form of folded weights."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = NORM_EPSILON
            with torch.no_grad():
                module.weight.fill_(1.0)
                module.bias.zero_()
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.zero_()
                module.running_var.fill_(1.0 - NORM_EPSILON)


def load_folded(network: DetectionModel, weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Load weights whose norms are folded (``x.conv.weight``, ``x.conv.bias``); norms become identity.

    Weights of an 80-class checkpoint are mapped onto our outputs by ``COCO_ROWS``.

    Raises:
        DataError: a layer is missing or has another shape.
    """
    identity_norms(network)
    state = network.state_dict()
    head = f"model.{head_of(network).i}.cv3."
    for name, value in weights.items():
        tensor = torch.from_numpy(np.asarray(value, np.float32))
        target = name
        if name not in state and name.endswith(".conv.bias"):
            target = name.removesuffix("conv.bias") + "bn.bias"
        if target in state and name.startswith(head) and tensor.shape != state[target].shape:
            tensor = _our_rows(tensor)
        if target not in state or state[target].shape != tensor.shape:
            raise DataError(f"weights do not fit the network: {name} {tuple(tensor.shape)}")
        state[target] = tensor
    network.load_state_dict(state)


def start_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Folded weights to start from: a ``.npz`` file (no pickle) or a bundle folder.

    Raises:
        DataError: there is no such file. BundleError: the bundle cannot be used.
    """
    if path.is_dir():
        return ir_weights(load_bundle(path))
    if not path.is_file():
        raise DataError(f"no start weights at {path}", hint="train.weights names a folded .npz, or a bundle")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name], np.float32) for name in arrays.files}


def classes_of(weights: Mapping[str, npt.NDArray[Any]]) -> int:
    """How many classes the weights of a detector tell apart."""
    last = [name for name in weights if ".cv3.0." in name and name.endswith(".weight")]
    return int(weights[max(last)].shape[0]) if last else 0


def _our_rows(coco: torch.Tensor) -> torch.Tensor:
    """The class rows of our outputs, from an 80-class last layer."""
    knife = coco[COCO_ROWS["knife"]]
    return torch.stack([coco[COCO_ROWS[name]] if name in COCO_ROWS else knife for name in OUTPUTS])


@torch.no_grad()
def reinsert_norms(network: DetectionModel, batches: Iterable[torch.Tensor]) -> None:
    """Turn identity norms into real ones without changing the function.

    The mean and variance of every norm's input over ``batches`` become its running statistics, and its scale
    and offset undo them; from there it trains like a network that never lost its norms.
    """
    sums: dict[str, list[torch.Tensor]] = {}
    hooks = []
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for name, norm in norms.items():

        def remember(_: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
            x = inputs[0].float()
            sums.setdefault(name, []).append(torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]))

        hooks.append(norm.register_forward_pre_hook(remember))
    network.eval()
    for batch in batches:
        network(batch)
    for hook in hooks:
        hook.remove()
    for name, norm in norms.items():
        mean, square = torch.stack(sums[name]).mean(0)
        variance = (square - mean.square()).clamp(min=1e-4)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        offset = norm.bias - norm.running_mean * scale
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * torch.sqrt(variance + norm.eps))
        norm.bias.copy_(offset + mean * scale)


def inference_network(architecture: str) -> DetectionModel:
    """The network as a bundle's weights fit it: norms folded away, decoding its own output.

    It takes ``(n, 3, h, w)`` of any height and width that are multiples of 32, and gives ``(n, 4 + classes,
    anchors)``: centre x, centre y, width, height in input pixels, then probabilities.
    """
    return folded(build(architecture))


def folded(network: DetectionModel) -> DetectionModel:
    """Fold the norms of a network into its convolutions, in place, and let it decode its own output."""
    network.eval().fuse(verbose=False)  # type: ignore[no-untyped-call]
    head = head_of(network)
    head.export = head.dynamic = True
    return network
