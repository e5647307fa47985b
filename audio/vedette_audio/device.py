"""Where a training runs, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import torch

from vedette_base.config import AudioTrainConfig
from vedette_base.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Device:
    """A processor and whether it computes in bfloat16 where that is enough."""

    place: torch.device
    bf16: bool

    @classmethod
    def choose(cls, config: AudioTrainConfig) -> Device:
        """The one that ``config.device`` names. Raises ConfigError where there is none."""
        present = torch.cuda.is_available()
        if config.device == "cuda" and not present:
            raise ConfigError("train.device is cuda, but PyTorch finds none", hint="set it to auto or cpu")
        if config.device == "cpu" or not present:
            return cls(torch.device("cpu"), config.bf16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
        return cls(torch.device("cuda"), config.bf16 and torch.cuda.is_bf16_supported())

    def mixed_precision(self) -> torch.autocast:
        """Context in which convolutions and products may be bfloat16; the rest stays float32."""
        return torch.autocast(self.place.type, torch.bfloat16, enabled=self.bf16)

    def same_every_time(self) -> AbstractContextManager[object]:
        """Context in which CUDA, too, gives the same numbers in every run."""
        if self.place.type == "cuda":
            return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        return ExitStack()
