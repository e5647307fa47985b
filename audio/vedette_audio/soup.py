"""Mean of the weights of several runs: often better than the best of them, at the cost of one.

Wortsman et al., "Model soups" (ICML 2022), the greedy recipe: networks join from the best down, and one stays
in only if the score on ``val`` does not fall. It works for runs that began with the same weights.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vedette_audio import checkpoint
from vedette_audio.device import Device
from vedette_audio.features import frames_in
from vedette_audio.journal import LOG
from vedette_audio.network import build_network
from vedette_audio.training_data import Tell, collect
from vedette_audio.validation import Validation
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import ConfigError, DataError, OutputError
from vedette_base.media import SAMPLE_RATE
from vedette_base.whole_files import write_whole_text

_SHAPE = ("architecture", "pooling", "inference_chunk", "chunk")
_NOWHERE = -1.0  # below every score


@dataclass(frozen=True, slots=True)
class Ingredient:
    """Weights of a run, under a name without folders."""

    name: str
    config: AudioTrainConfig
    weights: dict[str, Tensor]


def make_soup(
    sources: Sequence[str | Path],
    manifest: str | Path,
    out: str | Path,
    *,
    cache: str | Path | None = None,
    greedy: bool = True,
    tell: Tell = lambda line: None,
) -> dict[str, Any]:
    """Average the best weights of runs into a run folder ``out`` that can be exported.

    Args:
        sources: run folders, or ``.safetensors`` files that lie in one.
        manifest: the data the runs were trained on; ``val`` gives the scores.
        cache: decoded sound, as for ``train``.
        greedy: leave out what lowers the score; else all are averaged.
        tell: gets a line per network tried.

    Returns:
        What ``best.json`` holds: the figures on ``val`` and the names in the soup.

    Raises:
        ConfigError: fewer than two sources, one that is no run, or runs of different networks.
        DataError: the manifest cannot be used. OutputError: no room, or ``out`` holds a training.
    """
    out, manifest = Path(out), Path(manifest)
    if (out / checkpoint.LAST).exists():
        raise OutputError(f"{out}: holds a training run", hint="name another folder with --run")
    found = read_ingredients(sources)
    config = found[0].config
    device = Device.choose(config)
    collection = collect(config, manifest, Path(cache) if cache else out / "cache")
    data = collection.split()
    if not data.held:
        raise DataError(f"{manifest}: no clips of val to compare networks on")
    validation = Validation(data.held, data.sounds, frames_in(round(config.heard * SAMPLE_RATE)))
    network = build_network(config.architecture, pooling=config.pooling).to(device.place)

    def figures_of(parts: Sequence[Ingredient]) -> dict[str, float]:
        network.load_state_dict(mean_weights([part.weights for part in parts]))
        with device.mixed_precision():
            return validation.figures(network)

    chosen, figures = _choose(found, figures_of, greedy, tell)
    out.mkdir(parents=True, exist_ok=True)
    names = [part.name for part in chosen]
    note = {"architecture": config.architecture, "epoch": 0, "soup": names, **figures}
    write_whole_text(out / checkpoint.CONFIG, chosen[0].config.model_dump_json(indent=1))
    line = {"epoch": 0, "step": 0, "soup": names, "val": {k: round(v, 4) for k, v in figures.items()}}
    write_whole_text(out / LOG, json.dumps(line) + "\n")
    checkpoint.save_best(out, mean_weights([part.weights for part in chosen]), note)
    return note


def _choose(
    found: Sequence[Ingredient], figures_of: Any, greedy: bool, tell: Tell
) -> tuple[list[Ingredient], dict[str, float]]:
    if not greedy:
        return list(found), figures_of(found)
    alone = [figures_of([part]) for part in found]
    ranked = sorted(range(len(found)), key=lambda i: -alone[i]["score"])
    chosen: list[Ingredient] = []
    best: dict[str, float] = {"score": _NOWHERE}
    for index in ranked:
        figures = figures_of([*chosen, found[index]]) if chosen else alone[index]
        kept = figures["score"] >= best["score"]
        word = "in" if kept else "out"
        tell(
            f"{found[index].name}: alone {alone[index]['score']:.4f}, with it {figures['score']:.4f}: {word}"
        )
        if kept:
            chosen, best = [*chosen, found[index]], figures
    return chosen, best


def read_ingredients(sources: Sequence[str | Path]) -> list[Ingredient]:
    """Weights and settings of runs. Raises ConfigError where they are not of one kind of network."""
    if len(sources) < 2:
        raise ConfigError(f"a mean of weights needs at least two runs, got {len(sources)}")
    found = [_read(Path(source)) for source in sources]
    first = found[0]
    for other in found[1:]:
        for key in _SHAPE:
            one, two = getattr(first.config, key), getattr(other.config, key)
            if one != two:
                raise ConfigError(f"{first.name} and {other.name} differ in {key}: {one} and {two}")
        if {n: v.shape for n, v in first.weights.items()} != {n: v.shape for n, v in other.weights.items()}:
            raise ConfigError(f"{first.name} and {other.name} hold different networks")
    return found


def _read(source: Path) -> Ingredient:
    file = source / checkpoint.BEST if source.is_dir() else source
    settings = file.parent / checkpoint.CONFIG
    try:
        config = AudioTrainConfig.model_validate_json(settings.read_text(encoding="utf-8"))
        weights = load_file(file)
    except (OSError, UnicodeDecodeError, ValidationError, SafetensorError) as error:
        raise ConfigError(
            f"{source}: no run of a sound training with best weights",
            hint="name run folders, or a .safetensors file beside its config.json",
        ) from error
    if config.fold is not None:
        raise ConfigError(
            f"{source}: a fold of a cross-validation has learnt from val and cannot be judged by it",
            hint="average runs on the manifest's own split",
        )
    return Ingredient(
        file.parent.name if source.is_dir() else f"{file.parent.name}/{file.name}", config, weights
    )


def mean_weights(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of floating tensors, computed in float32; counters are taken from the first."""
    mean = {}
    for name, value in parts[0].items():
        if value.is_floating_point():
            mean[name] = torch.stack([part[name].float() for part in parts]).mean(0).to(value.dtype)
        else:
            mean[name] = value
    return mean
