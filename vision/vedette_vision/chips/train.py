"""Training of the chip classifier: a compact loop that resumes where it was stopped."""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vedette_base.config import ChipConfig
from vedette_base.errors import DataError
from vedette_vision.boxes import Floats
from vedette_vision.chips.augment import augment
from vedette_vision.chips.cut import LABELS, centre
from vedette_vision.chips.dataset import Chips
from vedette_vision.chips.network import build
from vedette_vision.imaging import network_input
from vedette_vision.metrics import auroc

log = logging.getLogger(__name__)
LAST, BEST, SETTINGS, LOG = "last.ckpt", "best.ckpt", "config.json", "log.jsonl"


def train(
    data: Chips,
    judged: Chips,
    config: ChipConfig,
    folder: Path,
    *,
    resume: bool = False,
    stop_after: int | None = None,
) -> float:
    """Train a classifier; weights, log and checkpoints go to ``folder``.

    Args:
        data: chips to learn from, of ``train``.
        judged: chips of ``val``, to choose the best weights by their accuracy.
        config: settings.
        folder: made when absent.
        resume: continue from ``last.ckpt`` there.
        stop_after: stop after so many steps of this call (the schedule stays that of the whole).

    Returns:
        The best accuracy on the paired chips of ``judged``.

    Raises:
        DataError: no checkpoint to resume from, or one of another architecture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(data, config, folder)
    if resume:
        run.load()
    (folder / SETTINGS).write_text(json.dumps(config.model_dump(mode="json"), indent=1), encoding="utf-8")
    first = run.step
    while run.progress < 1 and (stop_after is None or run.step - first < stop_after):
        run.advance()
        if run.step % config.epoch_steps == 0 or run.progress >= 1:
            run.judge(judged)
            run.save(LAST)
        elif run.step % config.save_steps == 0:
            run.save(LAST)
    run.save(LAST)
    return run.best


class _Run:
    """The state of one training: what a checkpoint holds, and the steps that change it."""

    def __init__(self, data: Chips, config: ChipConfig, folder: Path) -> None:
        torch.manual_seed(config.seed)
        self.data, self.config, self.folder = data, config, folder
        self.sides = (np.flatnonzero(~data.weapon & data.paired), np.flatnonzero(data.weapon))
        self.network = build(config.architecture).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.smoothing)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.step, self.seconds, self.best, self.sum = 0, 0.0, -1.0, 0.0

    @property
    def progress(self) -> float:
        """Share of the whole training that is done, by steps or, when limited, by the clock."""
        by_clock = self.seconds / 60 / self.config.minutes if self.config.minutes else 0.0
        return min(1.0, max(self.step / self.config.steps, by_clock))

    def advance(self) -> None:
        """One batch: forward, loss, backward, step, moving average."""
        begun, config = time.monotonic(), self.config
        chips, labels = self._batch()
        warm = min(1.0, (self.step + 1) / max(1, config.warmup_steps))
        rate = config.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        given = torch.from_numpy(chips).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            logits = self.network(given)
        loss = self.loss(logits.float(), torch.from_numpy(labels))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self._average(min(config.average_decay, (1 + self.step) / (10 + self.step)))
        self.sum += float(loss.detach())
        self.seconds += time.monotonic() - begun
        if self.step % config.log_steps == 0:
            self.note(loss=round(self.sum / config.log_steps, 4), lr=round(rate, 7))
            self.sum = 0.0

    def _batch(self) -> tuple[Floats, Any]:
        """Half weapons, half others, drawn anew for every step from the seed alone."""
        rng = np.random.default_rng((self.config.seed, self.step))
        labels = np.arange(self.config.batch) % 2
        rows = [int(rng.choice(self.sides[label])) for label in labels]
        return network_input([augment(self.data.pixels[row], rng) for row in rows]), labels.astype(np.int64)

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        new = self.network.state_dict()
        for name, kept in self.average.state_dict().items():
            if kept.dtype.is_floating_point:
                kept.mul_(decay).add_(new[name], alpha=1 - decay)

    def judge(self, judged: Chips) -> None:
        """Measure the averaged weights on the paired chips; keep them when they are the best."""
        begun = time.monotonic()
        rows = np.flatnonzero(judged.paired)
        truth = judged.weapon[rows]
        chances = _predict(self.average, judged.pixels[rows], bf16=self.config.bf16)
        accuracy = float(((chances >= 0.5) == truth).mean())
        self.seconds += time.monotonic() - begun
        self.note(val={"accuracy": round(accuracy, 4), "auroc": round(auroc(chances, truth), 4)})
        if accuracy > self.best:
            self.best = accuracy
            self.save(BEST)

    def note(self, **facts: Any) -> None:
        """Append a line to the run's log."""
        line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **facts})
        log.info("%s", line)
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def save(self, name: str) -> None:
        """Write a checkpoint, whole or not at all; the best one holds what is needed to run it alone."""
        state: dict[str, Any] = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "labels": list(LABELS),
            "architecture": self.config.architecture,
            "average": self.average.state_dict(),
        }
        if name == LAST:
            state |= {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state, self.folder / f"{name}.part")
        os.replace(self.folder / f"{name}.part", self.folder / name)

    def load(self) -> None:
        """Continue from the run's last checkpoint."""
        state = load_checkpoint(self.folder / LAST)
        if state["architecture"] != self.config.architecture:
            raise DataError(
                f"{self.folder} trains {state['architecture']}, not {self.config.architecture}",
                hint="choose another --run folder, or --no-resume",
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]


def load_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint (tensors and plain values only). Raises DataError if it is no chip classifier."""
    if not file.is_file():
        raise DataError(f"no checkpoint at {file}", hint="vedette train chips makes one")
    state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
    if state.get("labels") != list(LABELS):
        raise DataError(f"{file} is no chip classifier", hint="vedette train chips makes one")
    return state


@torch.no_grad()
def _predict(network: nn.Module, pixels: Any, *, bf16: bool, batch: int = 128) -> Floats:
    """Probability of a weapon on stored chips, shape ``(n,)``."""
    found = []
    for begin in range(0, len(pixels), batch):
        given = torch.from_numpy(network_input(list(centre(pixels[begin : begin + batch]))))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(given.to(memory_format=torch.channels_last))
        found.append(torch.softmax(logits.float(), dim=1)[:, 1].numpy())
    return np.concatenate(found).astype(np.float32)
