"""Small data sets of pictures with a manifest for tests, and a training of seconds on them.

``from tests.pictures import ...``
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from tests.picture_sources import write_picture
from vedette_base.config import VisionTrainConfig
from vedette_vision.network import build, folded

Pixels = npt.NDArray[np.uint8]
Box = Sequence[str | float]
"""Label, and centre, width and height as shares of the picture."""
FEW: Mapping[str, object] = {
    "steps": 2, "batch": 2, "image_size": 64, "norm_batches": 1, "epoch_steps": 100, "save_steps": 100,
    "log_steps": 1, "val_every": 1, "warmup_steps": 1, "bf16": False,
}  # fmt: skip
"""What every training of a few steps is set to."""


class Shown(NamedTuple):
    """A line of a manifest and its picture."""

    file: str
    """Its first folder is its split."""
    subset: str
    image: Pixels
    boxes: Sequence[Box] = ()
    group: str = ""
    """Its number where not given."""


def write_manifest(root: Path, pictures: Iterable[Shown]) -> Path:
    """Write pictures and ``manifest.jsonl`` below ``root``, which it gives back."""
    lines = []
    for number, shown in enumerate(pictures):
        write_picture(root / shown.file, shown.image)
        subset = f"{shown.file.partition('/')[0]}/{shown.subset}"
        entry = {"file": shown.file, "subset": subset, "group": shown.group or str(number)}
        lines.append(json.dumps(entry | {"boxes": shown.boxes}) + "\n")
    (root / "manifest.jsonl").write_text("".join(lines))
    return root


def red_square(rng: np.random.Generator) -> Pixels:
    """80 by 60 pixels of noise; the square is RED_SQUARE of it."""
    image = rng.integers(80, 120, (60, 80, 3)).astype(np.uint8)
    image[20:40, 30:60] = (0, 0, 255)
    return image


RED_SQUARE = (45 / 80, 0.5, 30 / 80, 1 / 3)


def write_weights(path: Path, classes: int | None = None) -> None:
    """A start checkpoint at random: norms folded, of so many classes or of ours."""
    torch.manual_seed(0)
    network = build() if classes is None else build(classes=classes)
    np.savez(path, **{name: value.numpy() for name, value in folded(network).state_dict().items()})


def few(**changes: object) -> VisionTrainConfig:
    return VisionTrainConfig.model_validate({**FEW, **changes})
