"""Training of the detector on one processor core: a compact loop that resumes where it was stopped."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from vedette_base.errors import DataError
from vedette_base.whole_files import write_whole
from vedette_vision.augment import Sampler
from vedette_vision.boxes import Letterbox, decode
from vedette_vision.checkpoints import MAY_CHANGE, check_settings, read_state
from vedette_vision.curves import draw_curves
from vedette_vision.dataset import Labels, Picture, data_hash, load_pictures, with_people
from vedette_vision.judge import NOT_PICKED_BY, as_tensor, hold_out, look_figures, predict, val_figures
from vedette_vision.labels import OUTPUTS
from vedette_vision.looks import LookSampler
from vedette_vision.loss import training_loss
from vedette_vision.network import build, load_folded, person_finder, reinsert_norms, start_weights
from vedette_vision.p2.architecture import plain_name

if TYPE_CHECKING:
    from vedette_base.config import VisionTrainConfig

log = logging.getLogger(__name__)
Weights = dict[str, npt.NDArray[np.float32]]
CHECKPOINT = ".ckpt"
"""Start weights with this ending are a run's own: of the same architecture, nothing is put back into them."""

PEOPLE_LABELLED = {"cctv_gray"}
"""Subsets whose people are labelled by hand."""
ANYWHERE = [[0.0, 0.0, 0.0, 1.0, 1.0]]
"""A region left open that is the whole picture."""
LEAST_PERSON = 0.1
"""Score from which the start network's people are taken, surely or as a region left open."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Where a training left its best weights, and how they measured.

    Attributes:
        folder: of the run: ``last.ckpt``, ``best.ckpt``, ``log.jsonl``.
        best: mean over subsets of AP50 on ``val``, of the weights in ``best.ckpt``.
        steps: batches seen.
        data_hash: of the training pictures and labels.
    """

    folder: Path
    best: float
    steps: int
    data_hash: str


def train(
    dataset_root: Path,
    config: VisionTrainConfig,
    folder: Path,
    *,
    resume: bool = False,
    stop_after: int | None = None,
) -> TrainResult:
    """Train on the ``vision`` folder of the data sets; weights, log and checkpoints go to ``folder``.

    Args:
        dataset_root: folder with ``manifest.jsonl``.
        config: settings; ``config.minutes`` ends the training by the clock, its schedule adapted.
        folder: made when absent.
        resume: continue from ``last.ckpt`` there.
        stop_after: stop after so many steps of this call (the schedule stays that of the whole).

    Raises:
        DataError: no data, no start weights, or no checkpoint to resume from.
        ConfigError: the run to resume has other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.dumps(config.model_dump(mode="json"), indent=1)
    (folder / "config.json").write_text(settings, encoding="utf-8")
    torch.manual_seed(config.seed)
    pictures = load_pictures(dataset_root, "train")[: config.limit or None]
    fingerprint = data_hash(pictures)
    for name in sorted(set(config.shares) - {picture.subset for picture in pictures}):
        log.warning("train.shares: no picture of %r is trained on", name)
    pictures, held = hold_out(pictures, config.held_out)
    judged = [*load_pictures(dataset_root, "val")[:: config.val_every], *held]
    if config.looks:
        judged = _people_added(judged, dataset_root, config, folder)
    run = _Run.start(pictures, dataset_root, config, folder, resume)
    first = run.step
    while run.progress < 1.0 and (stop_after is None or run.step - first < stop_after):
        run.advance()
        if run.step % config.epoch_steps == 0 or run.progress >= 1.0:
            run.judge(judged)
            run.save("last.ckpt")
        elif run.step % config.save_steps == 0:
            run.save("last.ckpt")
    run.save("last.ckpt")
    return TrainResult(folder, run.best, run.step, fingerprint)


class _Run:
    """The state of one training: what a checkpoint holds, and the steps that change it."""

    def __init__(
        self,
        network: nn.Module,
        sampler: Sampler,
        looks: LookSampler | None,
        config: VisionTrainConfig,
        folder: Path,
        fresh: Collection[str] = (),
    ) -> None:
        self.network, self.sampler, self.looks = network, sampler, looks
        self.config, self.folder = config, folder
        self.average = copy.deepcopy(network).eval()
        for parameter in self.average.parameters():
            parameter.requires_grad_(False)
        self.begun = copy.deepcopy(self.average.state_dict()) if config.blend else {}
        self.loss = training_loss(network, config)
        self.optimizer = torch.optim.AdamW(_groups(network, config, fresh), lr=config.learning_rate)
        self.step, self.seconds, self.best = 0, 0.0, -1.0
        self.sums = np.zeros(3)

    @classmethod
    def start(
        cls, pictures: list[Picture], root: Path, config: VisionTrainConfig, folder: Path, resume: bool
    ) -> _Run:
        pictures = _people_added(pictures, root, config, folder)
        sampler = Sampler(
            pictures,
            config.image_size,
            config.batch,
            config.seed,
            config.mosaic,
            config.closer,
            dict(config.shares),
            config.paste,
            config.rooms,
        )
        looks = None
        if config.looks:
            looks = LookSampler(
                pictures,
                config.look_size,
                config.look_batch,
                config.seed,
                config.shrink,
                config.paste,
                config.rooms,
                sampler.cache,
            )
        network = build(config.architecture)
        path = _start_file(config.weights, root)
        own = load_checkpoint(path) if path.suffix == CHECKPOINT else {}
        same = bool(own) and plain_name(own["architecture"]) == plain_name(config.architecture)
        fresh: Collection[str] = ()
        if same:
            network.load_state_dict(own["average"])
        else:
            taken = load_folded(network, start_weights(path))
            fresh = taken.names
            log.info("%s: %s", config.architecture, taken)
            if not resume:
                batches = (
                    as_tensor(sampler.draw(-1 - i & 0xFFFFFFFF)[0]) for i in range(config.norm_batches)
                )
                with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
                    reinsert_norms(network, batches)
        if config.blend and not same:
            raise DataError(
                f"blend mixes with the weights of a run, not with {path.name}", hint="set blend to 0"
            )
        run = cls(network, sampler, looks, config, folder, fresh)
        if resume:
            run.load(folder / "last.ckpt")
        return run

    @property
    def progress(self) -> float:
        """Share of the whole training that is done, by steps or, when limited, by the clock."""
        share = self.step / self.config.steps
        if self.config.minutes:
            share = max(share, self.seconds / 60 / self.config.minutes)
        return min(1.0, share)

    def advance(self) -> None:
        """One batch: forward, loss, backward, step, moving average."""
        begun = time.monotonic()
        config = self.config
        done = self.progress
        images, targets = self._batch(done)
        warm = min(1.0, (self.step + 1) / max(1, config.warmup_steps))
        rate = config.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("times", 1.0)  # older checkpoints do not say
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            outputs = self.network(as_tensor(images))
        losses = self.loss(outputs, torch.from_numpy(targets), done)
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm or math.inf))
        if math.isfinite(norm):
            self.optimizer.step()
        else:
            log.warning("step %d skipped: the gradient is not finite", self.step)
        self.step += 1
        self._average(min(config.average_decay, (1 + self.step) / (10 + self.step)))
        self.sums += losses.detach().numpy()
        self.seconds += time.monotonic() - begun
        if self.step % config.log_steps == 0:
            box, kind, spread = (self.sums / config.log_steps).round(4).tolist()
            self.sums[:] = 0
            self.note(box=box, cls=kind, dfl=spread, lr=round(rate, 7), grad=round(norm, 2))

    def _batch(self, done: float) -> tuple[npt.NDArray[np.uint8], Labels]:
        """This step's pictures and targets: enlarged looks, or pictures as they come."""
        config = self.config
        chance = np.random.default_rng((config.seed, 2, self.step)).random()
        if self.looks is not None and chance < config.looks:
            return self.looks.draw(self.step)
        return self.sampler.draw(self.step, mosaic=done < 1 - config.close_mosaic)

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        for kept, new in zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if kept.dtype.is_floating_point:
                kept.mul_(decay).add_(new, alpha=1 - decay)

    def judge(self, pictures: Sequence[Picture]) -> None:
        """Measure the averaged weights; keep them when they are the best on cameras that are not the test."""
        begun = time.monotonic()
        kept = self._kept()
        figures = val_figures(kept, pictures, self.config.image_size, bf16=self.config.bf16)
        if self.looks is not None:
            figures |= look_figures(kept, pictures, bf16=self.config.bf16)
        counted = [value for name, value in figures.items() if name not in NOT_PICKED_BY]
        mean = float(np.mean(counted)) if counted else 0.0
        self.seconds += time.monotonic() - begun
        self.note(val={k: round(v, 4) for k, v in figures.items()}, mean=round(mean, 4))
        draw_curves(self.folder / "log.jsonl", self.folder / "curves.png")
        if mean > self.best:
            self.best = mean
            self.save("best.ckpt", kept)

    def _kept(self) -> nn.Module:
        """The averaged weights, ``config.blend`` of the start weights mixed in (Wortsman et al. 2022)."""
        if not self.begun:
            return self.average
        kept = copy.deepcopy(self.average)
        for name, value in kept.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(self.begun[name], self.config.blend)
        return kept

    def note(self, **facts: Any) -> None:
        """Append a line to the run's log."""
        line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **facts})
        log.info("%s", line)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def save(self, name: str, kept: nn.Module | None = None) -> None:
        """Write a checkpoint, whole or not at all: weights of ``kept`` alone, or all it takes to resume."""
        state: dict[str, Any] = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "outputs": list(OUTPUTS),
            "architecture": self.config.architecture,
            "config": self.config.model_dump_json(),
            "average": (kept or self.average).state_dict(),
        }
        if kept is None:
            state |= {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        write_whole(self.folder / name, lambda file: torch.save(state, file))

    def load(self, file: Path) -> None:
        """Continue from a checkpoint of this project. Raises ConfigError where the settings changed since."""
        state = load_checkpoint(file)
        check_settings(state.get("config"), self.config, self.folder, may_change=MAY_CHANGE | {"val_every"})
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]


def load_checkpoint(file: Path) -> dict[str, Any]:
    """Read a training checkpoint (tensors and plain values only). Raises DataError if it is none of ours."""
    state = read_state(file, none="train without --resume first")
    if state.get("outputs") != list(OUTPUTS):
        raise DataError(f"{file} has other classes: {state.get('outputs')}", hint=f"expected {list(OUTPUTS)}")
    return state


def _groups(network: nn.Module, config: VisionTrainConfig, fresh: Collection[str]) -> list[dict[str, Any]]:
    """Weight decay on convolution weights alone; ``fresh_rate`` on what no start weight gave."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            times = config.fresh_rate if name in fresh else 1.0
            groups.setdefault((times, decay), []).append(parameter)
    # in an order of their own: a checkpoint knows groups by number
    return [
        {"params": groups[key], "weight_decay": key[1], "times": key[0]}
        for key in sorted(groups, key=lambda key: (key[0] != 1.0, -key[1]))
    ]


def _start_file(weights: str, root: Path) -> Path:
    """Where start weights are: an absolute path, or one beside the data sets, or from the current folder."""
    beside = root.parent / weights
    return beside if beside.exists() or not Path(weights).exists() else Path(weights)


def _people_added(
    pictures: list[Picture], root: Path, config: VisionTrainConfig, folder: Path
) -> list[Picture]:
    """Pictures with people as the COCO network sees them, where nobody labelled people; kept in a file."""
    cache = folder / "people.json"
    known: dict[str, list[list[float]]] = {}
    if cache.is_file():
        known = json.loads(cache.read_text(encoding="utf-8"))
    unlabelled = [p for p in pictures if p.subset not in PEOPLE_LABELLED and p.file.name not in known]
    if unlabelled:
        weights = start_weights(_start_file(config.people or config.weights, root))
        finder = person_finder(weights, config.architecture)
        if finder is None:  # nobody can say where people are: nothing is taught about them
            return [p if p.subset in PEOPLE_LABELLED else with_people(p, ANYWHERE) for p in pictures]
        network, row = finder
        size = config.image_size
        outputs = predict(network, (p.read() for p in unlabelled), size, bf16=config.bf16)
        for picture, output in zip(unlabelled, outputs, strict=True):
            boxes, scores, _ = decode(output[[0, 1, 2, 3, row]], LEAST_PERSON)
            shape = picture.read().shape
            fit = Letterbox.fit((shape[1], shape[0]), (size, size))
            shares = fit.to_picture(boxes) / np.array([shape[1], shape[0]] * 2, np.float32)
            rows = np.concatenate([scores[:, None], shares], axis=1)
            known[picture.file.name] = rows.round(4).tolist()
        cache.write_text(json.dumps(known), encoding="utf-8")
    return [p if p.subset in PEOPLE_LABELLED else with_people(p, known[p.file.name]) for p in pictures]
