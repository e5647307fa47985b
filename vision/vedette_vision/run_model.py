"""A training run as a model that can be measured before it is exported, or where it cannot be exported."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vedette_base.bundle import CARD, WEIGHTS, Bundle, Card, load_bundle
from vedette_base.engine import Batch, Engine
from vedette_base.errors import InputError
from vedette_vision.labels import OUTPUTS
from vedette_vision.network import NORM_EPSILON, build
from vedette_vision.p2.architecture import is_rcnn
from vedette_vision.train import load_checkpoint

Engines = Callable[[tuple[int, int]], Engine]
BEST = "best.ckpt"
LICENCE = "not released"


def open_model(model: str | Path) -> tuple[Bundle, Engines | None]:
    """A bundle by name or folder, or a training run by its folder; with the engines of a run.

    Both go into ``WeaponDetector(bundle, config, engines=engines)``.

    Raises:
        BundleError: neither. DataError: a run whose checkpoint is none of ours.
    """
    run = Path(model)
    if (run / CARD).is_file() or not (run / BEST).is_file():
        return load_bundle(model), None
    state = load_checkpoint(run / BEST)
    digest = hashlib.sha256((run / BEST).read_bytes()).hexdigest()
    card = Card(
        name=run.resolve().name,
        task="vision",
        version=f"step {state['step']}",
        architecture=state["architecture"],
        labels=OUTPUTS,
        licence=LICENCE,
        files={WEIGHTS: digest},
    )
    engine = CheckpointEngine(load_network(run / BEST))
    return Bundle(run, card), lambda size: engine


def load_network(checkpoint: Path) -> Any:
    """The averaged weights of a checkpoint in a network ready to be folded or run."""
    state = load_checkpoint(checkpoint)
    network = build(state["architecture"])
    network.load_state_dict(state["average"])
    if not is_rcnn(state["architecture"]):
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = NORM_EPSILON
    return network.eval()


class CheckpointEngine:
    """A network in PyTorch as an engine, on CUDA where there is one, for inputs of any multiples of 32."""

    def __init__(self, network: torch.nn.Module) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = network.eval().to(self._device)
        self._lock = threading.Lock()
        self.description = (
            f"PyTorch {torch.__version__.split('+')[0]}, a training run, on {self._device.type}"
        )

    def run(self, batch: Batch) -> tuple[Batch, ...]:
        """See ``Engine.run``."""
        if batch.ndim != 4 or len(batch) == 0 or batch.shape[1] != 3:
            raise InputError(f"batch must have shape (n, 3, h, w), got {batch.shape}")
        given = torch.from_numpy(np.ascontiguousarray(batch, np.float32)).to(self._device)
        with self._lock, torch.inference_mode():
            output = self._network(given)[0]
        return (output.float().cpu().numpy(),)
