"""Chips for tests, without pictures or a detector: ``from tests.chip_sets import ...``"""

from __future__ import annotations

import numpy as np
import torch

from vedette_base.config import ChipConfig
from vedette_vision.chips.dataset import FALSE, FOUND, NO_WEAPON, STORED, TRUTH, Chips


def chips(count: int, seed: int = 0) -> Chips:
    """Weapons are bright, other things dark; the last two are boxes of a detector."""
    rng = np.random.default_rng(seed)
    kind = np.array([TRUTH, NO_WEAPON] * (count // 2) + [FOUND, FALSE])
    light = np.where(kind <= FOUND, 200, 40)[:, None, None, None]
    pixels = (light + rng.integers(0, 30, (len(kind), STORED, STORED, 3))).astype(np.uint8)
    rows = np.arange(len(kind))
    return Chips(
        pixels,
        kind,
        rows < count,
        np.full(len(kind), 0.5, np.float32),
        rows % 4,
        rows % 2,
        tuple("abcd"),
        ("x", "y"),
    )


def few(**changes: object) -> ChipConfig:
    """Settings of a training of two steps."""
    plain = {"steps": 2, "batch": 4, "bf16": False, "epoch_steps": 2, "log_steps": 1, "warmup_steps": 1}
    return ChipConfig.model_validate(plain | changes)


def two_layers(architecture: str) -> torch.nn.Module:
    """Instead of ``network.build``, where a promise is the loop's and not the network's."""
    del architecture
    layers = (
        torch.nn.Conv2d(3, 4, 7, 4, bias=False),
        torch.nn.BatchNorm2d(4),
        torch.nn.AdaptiveAvgPool2d(1),
    )
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(4, 2))
