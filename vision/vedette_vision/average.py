"""Mean of the weights of several detector runs that began with the same weights.

Wortsman et al., "Model soups" (ICML 2022): often better than the best of them, at the cost of one. Nothing is
measured here: ``vedette evaluate vision`` tells runs apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vedette_base.errors import ConfigError, OutputError
from vedette_base.whole_files import write_whole, write_whole_text
from vedette_vision.checkpoints import LAST
from vedette_vision.train import load_checkpoint


def average_runs(sources: Sequence[Path], out: Path, *, shares: Sequence[float] = ()) -> dict[str, Any]:
    """Write a run folder whose ``best.ckpt`` is the weighted mean of several.

    Args:
        sources: run folders (their last averaged weights are taken) or checkpoint files.
        out: folder to write; must not hold a training.
        shares: one per source, above 0, in any unit; alike if not given.

    Returns:
        What was averaged, as ``config.json`` of the folder holds it.

    Raises:
        ConfigError: fewer than two sources, other networks, or shares that do not fit.
        DataError: a source is no checkpoint. OutputError: no room, or ``out`` holds a training.
    """
    if len(sources) < 2:
        raise ConfigError("a mean needs at least two runs", hint="name several run folders")
    shares = list(shares) or [1.0] * len(sources)
    if len(shares) != len(sources):
        raise ConfigError(f"{len(sources)} runs but {len(shares)} shares", hint="give --share once per run")
    if not all(math.isfinite(share) and share > 0 for share in shares):
        raise ConfigError("shares must be above 0", hint="leave out a run that is to count for nothing")
    if (out / LAST).exists():
        raise OutputError(f"{out}: holds a training run", hint="name another folder with --run")
    files = [source / LAST if source.is_dir() else source for source in sources]
    states = [load_checkpoint(file) for file in files]
    for file, state in zip(files, states, strict=True):
        if state["architecture"] != states[0]["architecture"]:
            raise ConfigError(
                f"{file} is {state['architecture']}, not {states[0]['architecture']}",
                hint="only runs of one network that began with the same weights have a mean",
            )
    weights = [share / sum(shares) for share in shares]
    mean = {name: value.clone() for name, value in states[0]["average"].items()}
    for name, value in mean.items():
        if value.dtype.is_floating_point:
            parts = (w * s["average"][name].double() for w, s in zip(weights, states, strict=True))
            value.copy_(torch.stack(list(parts)).sum(0))
    names = [source.resolve().name if source.is_dir() else source.name for source in sources]
    facts = {
        "architecture": states[0]["architecture"],
        "averaged": [
            {"run": name, "step": state["step"], "share": round(weight, 4)}
            for name, state, weight in zip(names, states, weights, strict=True)
        ],
    }
    state = {
        "step": max(s["step"] for s in states),
        "seconds": 0.0,
        "best": -1.0,
        "outputs": states[0]["outputs"],
        "architecture": states[0]["architecture"],
        "average": mean,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_whole_text(out / "config.json", json.dumps(facts, indent=1))
    write_whole(out / "best.ckpt", lambda file: torch.save(state, file))
    return facts
