"""Reading checkpoints of picture trainings, and whether a run may go on from one."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from vedette_base.damaged import DAMAGED
from vedette_base.errors import ConfigError, DataError

LAST = "last.ckpt"
"""Name of the checkpoint from which a run goes on."""
MAY_CHANGE = frozenset(("steps", "minutes", "bf16", "epoch_steps", "save_steps", "log_steps"))
"""Settings with which a run may go on other than it began."""


def read_state(file: Path, *, none: str) -> dict[str, Any]:
    """What a checkpoint holds: tensors and plain values only.

    Args:
        none: the hint where there is no such file.

    Raises:
        DataError: no such file, or no checkpoint.
    """
    if not file.is_file():
        raise DataError(f"no checkpoint at {file}", hint=none)
    try:
        state: Any = torch.load(file, weights_only=True, map_location="cpu")
    except DAMAGED as error:
        raise DataError(
            f"{file}: not a readable checkpoint", hint="start anew with --no-resume, or into another folder"
        ) from error
    return state if isinstance(state, dict) else {}


def check_settings(
    before: str | None, config: BaseModel, folder: Path, *, may_change: Collection[str] = MAY_CHANGE
) -> None:
    """Refuse to go on with other settings than a run began with.

    Args:
        before: its settings as JSON; None (a checkpoint of an older version) is not checked.

    Raises:
        ConfigError: a setting that may not change did.
    """
    if before is None:
        return
    known = json.loads(before)
    for name, value in config.model_dump(mode="json").items():
        if name in known and name not in may_change and known[name] != value:
            raise ConfigError(
                f"{folder} holds a run with another {name}: {known[name]!r}, not {value!r}",
                hint="choose another --run folder, or --no-resume",
            )
