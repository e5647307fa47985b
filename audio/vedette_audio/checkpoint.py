"""What a run of the sound training keeps in its folder, and going on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vedette_base import whole_files
from vedette_base.config import AudioTrainConfig
from vedette_base.damaged import DAMAGED
from vedette_base.errors import ConfigError
from vedette_base.whole_files import write_whole, write_whole_text

LAST, BEST, NOTE, CONFIG = "last.pt", "best.safetensors", "best.json", "config.json"
MAY_CHANGE = frozenset(
    ("epochs", "minutes", "evaluate_every", "patience", "save_minutes", "device", "bf16", "tensorboard")
)
"""Settings with which a run may go on other than it began."""
State = dict[str, Any]


def save_last(run: Path, state: State) -> None:
    """Everything that a resumed run needs."""
    write_whole(run / LAST, lambda file: torch.save(state, file))


def save_best(run: Path, weights: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Weights that can be exported and started from, with what they measured."""
    whole = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    data = save(whole, {"architecture": str(note["architecture"])})
    write_whole(run / BEST, lambda file: file.write(data))
    write_whole_text(run / NOTE, json.dumps(note, indent=1))


def load_last(run: Path, config: AudioTrainConfig, identity: Mapping[str, str]) -> State:
    """The state of a run that began with ``config`` on the same data.

    Raises:
        ConfigError: it was made with other settings, another network or other clips, or is damaged.
    """
    path = run / LAST
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise ConfigError(
            f"{path}: not a readable checkpoint", hint="start anew with --no-resume, or into another folder"
        ) from error
    if not isinstance(state, dict) or not {"student", "average", "optimizer", "progress"} <= set(state):
        raise ConfigError(f"{path}: not a checkpoint of a sound training", hint="use another folder")
    _same_settings(run, state, config)
    made = state.get("identity", {})
    for name, value in identity.items():
        if made.get(name, value) != value:
            raise ConfigError(
                f"{run} holds a run on other {name}", hint="train into another folder, or with --no-resume"
            )
    return state


def _same_settings(run: Path, state: State, config: AudioTrainConfig) -> None:
    try:
        text = state.get("config") or (run / CONFIG).read_text(encoding="utf-8")
        before = AudioTrainConfig.model_validate_json(text).model_dump(mode="json")
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{run / LAST}: made with settings that are not known here", hint="train into another folder"
        ) from error
    now = config.model_dump(mode="json")
    for key, value in now.items():
        if before[key] != value and key not in MAY_CHANGE:
            raise ConfigError(
                f"{run} holds a run with another {key}: {_difference(before[key], value)}",
                hint="resume it with its own settings, or train into another folder",
            )


def _difference(before: object, now: object) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(key for key, value in now.items() if before.get(key) != value)
        return f"{name} {before.get(name)!r}, not {now[name]!r}"
    return f"{before!r}, not {now!r}"


def start_file(weights: str | None, architecture: str) -> str | None:
    """What ``train.weights`` means: a file, a bundle folder, or the best weights of a run folder.

    Raises:
        ConfigError: there is no such file, or it is of another architecture.
    """
    if weights is None:
        return None
    path = Path(weights)
    if (path / BEST).is_file():
        path = path / BEST
    if not path.exists():
        raise ConfigError(f"{weights}: no such file", hint="train.weights: .safetensors, a run or a bundle")
    if path.is_file():
        made = _architecture(path)
        if made not in (None, architecture):
            raise ConfigError(
                f"{path} holds {made}, not {architecture}", hint="set train.architecture to that of the file"
            )
    return str(path)


def made_by_training(path: Path) -> bool:
    """Whether weights come from a run or a bundle of ours, and not from elsewhere (ImageNet's)."""
    return path.is_dir() or (path.is_file() and _architecture(path) is not None)


def _architecture(path: Path) -> str | None:
    """The architecture that a run wrote into a weights file, or beside it; None in files of others."""
    try:
        with safe_open(path, "pt") as file:
            named: str | None = (file.metadata() or {}).get("architecture")
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{path}: not a readable .safetensors file", hint="a run's is best.safetensors"
        ) from error
    return named


def need_room(run: Path, checkpoint: int, weights: int) -> None:
    """Raise OutputError unless a checkpoint and weights of so many bytes can be written, and renewed."""
    whole_files.need_room(run, {LAST: checkpoint, BEST: weights})
