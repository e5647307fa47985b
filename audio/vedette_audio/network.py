"""The sound network: a timm classifier over one-channel mel pictures, one sigmoid output per label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from vedette_base.errors import ConfigError, InputError
from vedette_base.score import AUDIO_LABELS


def build_network(
    architecture: str = "resnet50",
    *,
    outputs: int = len(AUDIO_LABELS),
    weights: str | Path | None = None,
    pooling: str = "avg",
    dropout: float = 0.0,
) -> nn.Module:
    """A timm network with one input channel and ``outputs`` logits; ``pooling`` as timm's ``global_pool``.

    Nothing is fetched: ``weights`` is a ``.safetensors`` state dict (a run's, or ImageNet's: a three-channel
    first layer is summed to one channel, a classifier of another size is left out).

    Raises:
        ConfigError: an architecture timm does not know, or weights that are missing or do not fit.
    """
    if not timm.is_model(architecture):
        raise ConfigError(f"unknown architecture {architecture!r}", hint="any name of timm.list_models()")
    network: nn.Module = timm.create_model(
        architecture,
        pretrained=False,
        in_chans=1,
        num_classes=outputs,
        global_pool=pooling,
        drop_rate=dropout,
    )
    if weights is not None:
        _load(network, Path(weights))
    return network


def initial_weights(pretrained: bool, weights: str | None) -> str | None:
    """The file to start from, or None. ``pretrained`` without a file is refused: nothing is downloaded."""
    if pretrained and not weights:
        raise ConfigError(
            "train.pretrained is true but train.weights names no file",
            hint="save timm's ImageNet weights as .safetensors and name the file, or set pretrained: false",
        )
    return weights


def _load(network: nn.Module, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path}: not a readable .safetensors file: {error}") from error
    wanted = network.state_dict()
    fitted = {}
    for name, value in found.items():
        target = wanted.get(name)
        if target is None:
            continue
        if value.ndim == 4 and value.shape[1] == 3 and target.shape[1] == 1:
            value = value.sum(dim=1, keepdim=True)
        if value.shape == target.shape:
            fitted[name] = value
    missing = [name for name in wanted if name not in fitted and not name.startswith(("fc.", "classifier."))]
    if missing:
        raise ConfigError(f"{path}: {len(missing)} parameters missing, first {missing[0]}")
    network.load_state_dict(fitted, strict=False)


class Student(nn.Module):
    """A network with helper heads that only training sees: fine sound classes and a teacher's outputs."""

    def __init__(
        self, backbone: Any, fine_classes: int, teacher_classes: int = 0, teacher_width: int = 0
    ) -> None:
        super().__init__()
        width = getattr(backbone.get_classifier(), "in_features", None)
        if not isinstance(width, int):
            raise InputError(f"network has no plain feature width, got {width!r}")
        self.backbone = backbone
        self.fine = nn.Linear(width, fine_classes)
        self.tags = nn.Linear(width, teacher_classes) if teacher_classes else None
        self.embedding = nn.Linear(width, teacher_width) if teacher_width else None

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Logits of labels, fine classes, teacher classes and the teacher's embedding."""
        features = self.backbone.forward_head(self.backbone.forward_features(pictures), pre_logits=True)
        logits = self.backbone.get_classifier()(features)
        tags = self.tags(features) if self.tags is not None else None
        embedding = self.embedding(features) if self.embedding is not None else None
        return logits, self.fine(features), tags, embedding


@torch.no_grad()
def probabilities(network: nn.Module, pictures: Tensor, *, batch: int = 32) -> Tensor:
    """Sigmoid outputs ``(n, labels)`` of pictures ``(n, 1, MELS, frames)``, in float32 and in batches."""
    network.eval()
    return torch.cat([torch.sigmoid(network(part).float()) for part in torch.split(pictures, batch)])


def fold_norms(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """``network`` in evaluation mode with every batch norm folded into the convolution before it, in place.

    Which convolution feeds which norm is seen by running one input of ``shape`` through it, so any timm
    network goes. Raises InputError where a norm follows something else.
    """
    pairs = convolutions_before_norms(network, shape)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            _fold(network, name, module, pairs[name])
    return network


def convolutions_before_norms(network: nn.Module, shape: tuple[int, ...]) -> dict[str, nn.Conv2d]:
    """Name of each batch norm and the convolution whose output it takes, seen on one input of ``shape``.

    Raises:
        InputError: a norm follows something else.
    """
    network.eval()
    made_by: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs: dict[str, nn.Conv2d] = {}
    names = {module: name for name, module in network.named_modules()}

    def remember(module: nn.Module, _: object, output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            made_by[id(output)] = (module, output)  # the tensor is kept, so that its id stays its own

    def look_up(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if id(inputs[0]) in made_by:
            pairs[names[module]] = made_by[id(inputs[0])][0]

    norms = [module for module in names if isinstance(module, nn.BatchNorm2d)]
    hooks = [m.register_forward_hook(remember) for m in names if isinstance(m, nn.Conv2d)]
    hooks += [norm.register_forward_pre_hook(look_up) for norm in norms]
    with torch.no_grad():
        network(torch.zeros(shape))
    for hook in hooks:
        hook.remove()
    for norm in norms:
        if names[norm] not in pairs:
            raise InputError(f"norm {names[norm]!r} does not follow a convolution: it cannot be folded")
    return pairs


def _fold(network: nn.Module, name: str, norm: nn.BatchNorm2d, conv: nn.Conv2d) -> None:
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    if norm.running_mean is None or norm.running_var is None:
        raise InputError(f"norm {name!r} keeps no statistics: it cannot be folded")
    conv.weight, bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    conv.bias = bias
    act = getattr(norm, "act", None)  # timm's norm with activation
    network.set_submodule(name, act if isinstance(act, nn.Module) else nn.Identity())


def folded_network(architecture: str, *, outputs: int = len(AUDIO_LABELS), pooling: str = "avg") -> nn.Module:
    """An empty network of the shape that bundles hold: norms folded away, biases on convolutions."""
    return fold_norms(build_network(architecture, outputs=outputs, pooling=pooling), (1, 1, 128, 64))
