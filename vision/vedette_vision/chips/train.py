"""Training of the chip classifier: a compact loop that resumes where it was stopped."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from vedette_base.bundle import load_bundle
from vedette_base.config import ChipConfig
from vedette_base.errors import ConfigError, DataError, OutputError
from vedette_base.whole_files import need_room, write_whole, write_whole_text
from vedette_vision.boxes import Floats
from vedette_vision.checkpoints import LAST as LAST
from vedette_vision.checkpoints import check_settings, read_state
from vedette_vision.chips.augment import augment
from vedette_vision.chips.cut import LABELS, centre
from vedette_vision.chips.dataset import Chips
from vedette_vision.chips.network import TRUNK, build, start
from vedette_vision.imaging import network_input
from vedette_vision.metrics import auroc

log = logging.getLogger(__name__)
BEST, SETTINGS, LOG = "best.ckpt", "config.json", "log.jsonl"
NORM_BATCHES = 8
"""Of chips that give the norms of start weights their statistics."""
Draw = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def train(
    data: Chips,
    judged: Chips,
    config: ChipConfig,
    folder: Path,
    *,
    weights: Path | None = None,
    resume: bool = False,
    stop_after: int | None = None,
) -> float:
    """Train a classifier; weights, log and checkpoints go to ``folder``.

    Args:
        data: chips to learn from, of ``train``.
        judged: chips of ``val``, to choose the best weights by the area under their ROC: accuracy at one
            half sways with how sure a network happens to be of everything.
        config: settings.
        folder: made when absent.
        weights: of a detector, for the trunk to start from (``network.start``); None: at random.
        resume: continue from ``last.ckpt`` there.
        stop_after: stop after so many steps of this call (the schedule stays that of the whole).

    Returns:
        The best area under the ROC on the paired chips of ``judged``.

    Raises:
        DataError: nothing to tell apart, no checkpoint to resume from, or start weights that do not fit.
        ConfigError: the checkpoint is of a run with other settings or other chips.
        OutputError: no room for checkpoints, or a disk that is full all the same: what was kept is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(data, config, folder, None if resume else weights)
    if resume:
        run.load()
    run.need_room()
    write_whole_text(folder / SETTINGS, json.dumps(config.model_dump(mode="json"), indent=1))
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


def start_file(config: ChipConfig, detector: str) -> Path | None:
    """What ``config.weights`` names: a file or folder; None where the network starts at random.

    Args:
        config: settings.
        detector: name or folder of the detector's bundle.

    Raises:
        ConfigError: start weights for a ResNet. BundleError: there is no such detector.
    """
    if config.weights == "none" or (config.weights == "detector" and config.architecture != TRUNK):
        return None
    if config.architecture != TRUNK:
        raise ConfigError(
            f"chips.weights: {config.architecture} starts at random, not from {config.weights}",
            hint=f"leave it out, or set chips.architecture to {TRUNK}",
        )
    return load_bundle(detector).folder if config.weights == "detector" else Path(config.weights)


class _Run:
    """The state of one training: what a checkpoint holds, and the steps that change it."""

    def __init__(self, data: Chips, config: ChipConfig, folder: Path, weights: Path | None) -> None:
        torch.manual_seed(config.seed)
        self.data, self.config, self.folder = data, config, folder
        self.sides = balanced(data)
        begun: Any = build(config.architecture) if weights is None else start(weights, self._plain_batches())
        self.network = begun.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.smoothing)
        self.optimizer = torch.optim.AdamW(_groups(self.network, config), lr=config.learning_rate)
        self.step, self.seconds, self.best, self.sum = 0, 0.0, -1.0, 0.0
        self.key = _key(data)

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
            group["lr"] = rate * group["times"]
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

    def _batch(self) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Half weapons, half others, drawn anew for every step from the seed alone."""
        rng = np.random.default_rng((self.config.seed, self.step))
        labels = np.arange(self.config.batch, dtype=np.int64) % 2
        drawn = [rng.choice(rows, int((labels == i).sum()), p=p) for i, (rows, p) in enumerate(self.sides)]
        rows = np.stack([drawn[0][: len(drawn[1])], drawn[1]], 1).reshape(-1)
        rows = np.concatenate([rows, drawn[0][len(drawn[1]) :]])  # an odd batch has one of the others more
        return network_input([augment(self.data.pixels[row], rng) for row in rows]), labels

    def _plain_batches(self) -> Iterator[torch.Tensor]:
        """Chips as they are."""
        rng = np.random.default_rng((self.config.seed, 1 << 32))
        for _ in range(NORM_BATCHES):
            drawn = np.concatenate([rng.choice(rows, self.config.batch, p=p) for rows, p in self.sides])
            yield torch.from_numpy(network_input(list(centre(self.data.pixels[drawn]))))

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
        accuracy, area = float(((chances >= 0.5) == truth).mean()), float(auroc(chances, truth))
        self.seconds += time.monotonic() - begun
        self.note(val={"accuracy": round(accuracy, 4), "auroc": round(area, 4)})
        if area > self.best:
            self.best = area
            self.save(BEST)

    def note(self, **facts: Any) -> None:
        """Append a line to the run's log."""
        line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **facts})
        log.info("%s", line)
        try:
            with (self.folder / LOG).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise OutputError(
                f"{self.folder / LOG}: cannot be written: {error.strerror}",
                hint="the last checkpoint is whole: make room and start the same command again",
            ) from error

    def need_room(self) -> None:
        """Raises OutputError where checkpoints of this network would not fit."""
        weights = sum(p.numel() * p.element_size() for p in self.network.parameters())
        need_room(self.folder, {LAST: 4 * weights, BEST: weights})  # network, average, two moments

    def save(self, name: str) -> None:
        """Write a checkpoint, whole or not at all; the best one holds what is needed to run it alone."""
        state: dict[str, Any] = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "labels": list(LABELS),
            "architecture": self.config.architecture,
            "config": self.config.model_dump_json(),
            "data": self.key,
            "average": self.average.state_dict(),
        }
        if name == LAST:
            state |= {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        write_whole(self.folder / name, lambda file: torch.save(state, file))

    def load(self) -> None:
        """Continue from the run's last checkpoint."""
        state = load_checkpoint(self.folder / LAST)
        check_settings(state["config"], self.config, self.folder)
        if state["data"] != self.key:
            raise ConfigError(
                f"{self.folder} holds a run on other chips",
                hint="choose another --run folder, or --no-resume",
            )
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]


def load_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint (tensors and plain values only). Raises DataError if it is no chip classifier."""
    state = read_state(file, none="vedette train chips makes one")
    if state.get("labels") != list(LABELS):
        raise DataError(f"{file} is no chip classifier", hint="vedette train chips makes one")
    return state


def balanced(data: Chips) -> tuple[Draw, Draw]:
    """Which chips are drawn, and how often: others (of the paired set), then weapons.

    A subset gives as large a share of the others as of the weapons, so that how a camera or a web photo
    looks says nothing about the answer; what only has others (telephones) comes on top by its share.

    Raises:
        DataError: there are no weapons, or no others.
    """
    sides = np.flatnonzero(~data.weapon & data.paired), np.flatnonzero(data.weapon)
    if not len(sides[0]) or not len(sides[1]):
        raise DataError("chips show weapons only, or none: there is nothing to tell apart")
    others, weapons = (np.bincount(data.subset[rows], minlength=len(data.subsets)) for rows in sides)
    wanted = weapons * (others > 0) / max(1, int(weapons[others > 0].sum()))
    alone = (weapons == 0) * others / len(sides[0])
    wanted = alone + wanted * (1.0 - alone.sum())
    by_row = wanted[data.subset[sides[0]]] / others[data.subset[sides[0]]]
    even = np.full(len(sides[1]), 1.0 / len(sides[1]))
    return (sides[0], by_row / by_row.sum()), (sides[1], even)


def _groups(network: nn.Module, config: ChipConfig) -> list[dict[str, Any]]:
    """Weight decay on matrices alone; the trunk of a detector learns slower than its new head."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        known = config.architecture == TRUNK and not name.startswith("fc.")
        groups.setdefault((config.trunk_rate if known else 1.0, decay), []).append(parameter)
    return [{"params": groups[k], "weight_decay": k[1], "times": k[0]} for k in sorted(groups)]


def _key(data: Chips) -> str:
    """Tells whether two runs saw the same chips."""
    digest = hashlib.sha256(np.ascontiguousarray(data.kind).tobytes())
    for array in (data.subset, data.group, data.paired, data.pixels[:: max(1, len(data) // 500)]):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


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
