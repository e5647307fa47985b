"""From a bundle, whose norms are folded away, back to a network that can be trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from vedette_audio.network import build_network, convolutions_before_norms
from vedette_base.bundle import load_bundle
from vedette_base.engine import ir_weights
from vedette_base.errors import ConfigError

_SHAPE = (1, 1, 128, 64)


def from_bundle(
    architecture: str, folder: str | Path, *, pooling: str = "avg", dropout: float = 0.0
) -> nn.Module:
    """The network of a sound bundle, its norms passing everything through but the bias that was folded in.

    Raises:
        BundleError: the bundle cannot be used. ConfigError: it holds another architecture.
    """
    bundle = load_bundle(folder)
    if bundle.card.task != "audio" or bundle.card.architecture != architecture:
        raise ConfigError(
            f"{folder} holds {bundle.card.architecture} for {bundle.card.task}, not {architecture} for sound",
            hint="set train.architecture to that of the bundle",
        )
    weights = {name: torch.from_numpy(value.copy()) for name, value in ir_weights(bundle).items()}
    network = build_network(architecture, pooling=pooling, dropout=dropout)
    state = network.state_dict()
    names = {module: name for name, module in network.named_modules()}
    for norm, conv in convolutions_before_norms(network, _SHAPE).items():
        bias = weights.pop(f"{names[conv]}.bias", torch.zeros(conv.out_channels))
        module = network.get_submodule(norm)
        assert isinstance(module, nn.BatchNorm2d)
        weights[f"{norm}.weight"] = torch.ones(conv.out_channels)
        weights[f"{norm}.bias"] = bias
        weights[f"{norm}.running_mean"] = torch.zeros(conv.out_channels)
        weights[f"{norm}.running_var"] = torch.full((conv.out_channels,), 1.0 - module.eps)
    unfit = [n for n, v in weights.items() if n not in state or state[n].shape != v.shape]
    if unfit:
        raise ConfigError(f"{folder}: its weights do not fit {architecture}, first {unfit[0]}")
    network.load_state_dict(state | weights)
    return network


@torch.no_grad()
def give_norms_work(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give norms that pass everything through the statistics of what they see, leaving the function as it is.

    Mean and variance over ``batches``, each ``(n, 1, mels, frames)``, become the running statistics, and
    scale and offset undo them. In training, when a norm uses its batch's statistics, the network then starts
    where the bundle ended instead of far off.
    """
    seen: dict[nn.BatchNorm2d, list[Tensor]] = {}

    def remember(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        x = inputs[0].float()
        seen.setdefault(module, []).append(torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))]))

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(remember) for norm in norms]
    network.eval()
    for batch in batches:
        network(batch)
    for hook in hooks:
        hook.remove()
    for norm, looks in seen.items():
        mean, square = torch.stack(looks).mean(0)
        variance = (square - mean.square()).clamp(min=1e-6)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.add_(mean)
