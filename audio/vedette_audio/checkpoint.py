"""Files of a run folder that are whole or absent, whatever stops the run: a kill, a full disk.

A file is written beside its place and moved there when it is complete, so the one before survives.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vedette_base.config import AudioTrainConfig
from vedette_base.errors import ConfigError, OutputError

LAST, BEST, NOTE, CONFIG = "last.pt", "best.safetensors", "best.json", "config.json"
MAY_CHANGE = frozenset(
    ("epochs", "minutes", "evaluate_every", "patience", "save_minutes", "device", "bf16", "tensorboard")
)
"""Settings with which a run may go on other than it began."""
State = dict[str, Any]


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write ``path`` by way of ``path.part``. Raises OutputError, and leaves what was at ``path``."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch.save buries the former in the latter
        part.unlink(missing_ok=True)  # gives a full disk its space back
        raise OutputError(
            f"{path}: cannot be written: {_reason(error)}",
            hint="the checkpoint before is whole: make room and start the same command again",
        ) from error


def _reason(error: BaseException) -> str:
    """What the system said, at the bottom of a chain of errors."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__context__
    return str(error).splitlines()[0]


def write_text(path: Path, text: str) -> None:
    """``write_whole`` of a text."""
    write_whole(path, lambda file: file.write(text.encode()))


def save_last(run: Path, state: State) -> None:
    """Everything that a resumed run needs."""
    write_whole(run / LAST, lambda file: torch.save(state, file))


def save_best(run: Path, weights: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Weights that can be exported and started from, with what they measured."""
    whole = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    data = save(whole, {"architecture": str(note["architecture"])})
    write_whole(run / BEST, lambda file: file.write(data))
    write_text(run / NOTE, json.dumps(note, indent=1))


def load_last(run: Path, config: AudioTrainConfig, identity: Mapping[str, str]) -> State:
    """The state of a run that began with ``config`` on the same data.

    Raises:
        ConfigError: it was made with other settings, another network or other clips, or is damaged.
    """
    path = run / LAST
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
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
    there = sum((run / name).stat().st_size for name in (LAST, BEST) if (run / name).is_file())
    need, free = 2 * (checkpoint + weights) - there, shutil.disk_usage(run).free
    if need > free:
        raise OutputError(
            f"{run}: checkpoints need {need / 1e6:.0f} MB and {free / 1e6:.0f} MB are free",
            hint="make room, or name another folder with --run",
        )
