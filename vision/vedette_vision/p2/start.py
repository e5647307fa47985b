"""Weights of one detector as the start of another, such as one with a P2 head: what fits is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from vedette_base.errors import DataError

Renumbered = Mapping[int, int]

YOLO11_P2: Renumbered = {i: i for i in range(17)} | {17: 23, 19: 25, 20: 26, 22: 28, 23: 29}
YOLO12_P2: Renumbered = {i: i for i in range(15)} | {15: 21, 17: 23, 18: 24, 20: 26, 21: 27}
"""Where the layers of yolo11 and yolo12 stand in yolo11-p2 (and yolo26-p2) and in yolo12-p2."""

LEAST_SHARE = 0.15
"""Of the weights that must fit; less is chance."""

PASS_SLOPE, PASS_SCALE, PASS_OFFSET = 4.0, 1.3, -0.05
"""With these a C3k2 gives what it was given, but for 6 % of the variance (measured on layer 16 of the COCO
YOLO11n: SiLU of a slope of 4 is nearly the positive part, and the scale makes up for the second SiLU)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How much of a network came from given weights.

    Attributes:
        parameters: numbers taken.
        of: numbers that the network has.
        fresh: layers of the network that start at random, by number.
        names: parameters that were not taken, by the network's own names.
    """

    parameters: int
    of: int
    fresh: tuple[int, ...]
    names: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.parameters == 0:
            return f"{self.of:,} parameters, all of them at random"
        text = f"{self.parameters:,} of {self.of:,} parameters from the start weights"
        return text + (
            f"; layers that start at random: {', '.join(map(str, self.fresh))}" if self.fresh else ""
        )


def matched(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by the network's own names: those that fit, under the numbering by which most do.

    Args:
        network: with batch norms; a folded ``x.conv.bias`` becomes its ``x.bn.bias``.
        weights: folded, by the names of the network they are from.

    Raises:
        DataError: hardly anything fits.
    """
    state = network.state_dict()
    best: dict[str, torch.Tensor] = {}
    for numbering in (None, YOLO11_P2, YOLO12_P2):
        found = {}
        for name, value in weights.items():
            for target in _targets(name, numbering, state):
                if state[target].shape == value.shape:
                    found[target] = value
        if _count(found) > _count(best):
            best = found
    if _count(best) < LEAST_SHARE * max(1, _count(weights)):
        raise DataError(
            f"weights do not fit the network: {_count(best):,} of {_count(weights):,} numbers have a place",
            hint="train.weights names weights of the same family, or is none",
        )
    return best


def all_fit(network: nn.Module, weights: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Whether weights are of exactly this network."""
    state = network.state_dict()
    shapes = {
        name: next((tuple(state[t].shape) for t in _targets(name, None, state)), None) for name in weights
    }
    return all(shape == weights[name].shape for name, shape in shapes.items())


def _targets(name: str, numbering: Renumbered | None, state: Mapping[str, torch.Tensor]) -> Iterator[str]:
    """Where a weight belongs: one place, or two where a head has a second branch of the same shape."""
    found = re.fullmatch(r"model\.(\d+)\.(.+)", name)
    if found is None:
        return
    layer, rest = int(found[1]), found[2]
    target = layer
    if numbering is not None:
        if layer not in numbering:
            return
        target = numbering[layer]
        if (level := re.match(r"(cv[23])\.(\d)\.", rest)) and layer == max(numbering):
            rest = f"{level[1]}.{int(level[2]) + 1}.{rest[level.end() :]}"  # P2 is the new first level
    for branch in (rest, f"one2one_{rest}"):
        full = f"model.{target}.{branch}"
        if full not in state and full.endswith(".conv.bias"):
            full = full.removesuffix("conv.bias") + "bn.bias"
        if full in state:
            yield full


def _count(tensors: Mapping[str, torch.Tensor]) -> int:
    return sum(value.numel() for value in tensors.values())


def report(network: nn.Module, names: Mapping[str, torch.Tensor]) -> Taken:
    """What was taken, and which layers got nothing."""
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    layers = {int(name.split(".")[1]) for name in trained}
    reached = {int(name.split(".")[1]) for name in names}
    # norms that became identities came along with their convolutions
    left = {
        name
        for name in trained
        if name not in names
        and not (name.endswith("bn.weight") and f"{name.removesuffix('bn.weight')}conv.weight" in names)
    }
    taken = sum(p.numel() for name, p in trained.items() if name not in left)
    total = sum(p.numel() for p in trained.values())
    return Taken(taken, total, tuple(sorted(layers - reached)), frozenset(left))


def pass_through(block: Any) -> None:
    """Let a C3k2 that joins a new branch to an old one begin by giving on the old one (its second input).

    The layers behind it then see what they were trained on. Its norms become identities.
    """
    first, last = block.cv1.conv.weight, block.cv2.conv.weight
    channels = first.shape[0]
    old = torch.arange(channels)
    with torch.no_grad():
        first.zero_()
        last.zero_()
        first[old, first.shape[1] - channels + old, 0, 0] = PASS_SLOPE
        last[old, old, 0, 0] = PASS_SCALE / PASS_SLOPE
        block.cv2.bn.bias.fill_(PASS_OFFSET)
