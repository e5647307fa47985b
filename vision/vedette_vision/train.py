"""Training of the detector on one processor core: a compact loop that resumes where it was stopped."""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from vedette_base.errors import DataError
from vedette_vision.augment import Sampler
from vedette_vision.boxes import Letterbox, decode
from vedette_vision.dataset import Picture, data_hash, load_pictures, with_people
from vedette_vision.imaging import resize
from vedette_vision.labels import FIREARM_IDS, LABEL_IDS, OUTPUTS, PERSON
from vedette_vision.loss import OpenTypeLoss
from vedette_vision.metrics import average_precision
from vedette_vision.network import (
    COCO_CLASSES,
    COCO_ROWS,
    build,
    classes_of,
    head_of,
    load_folded,
    reinsert_norms,
    start_weights,
)

if TYPE_CHECKING:
    from vedette_base.config import VisionTrainConfig

log = logging.getLogger(__name__)
Weights = dict[str, npt.NDArray[np.float32]]

MAIN_CLASSES: dict[str, tuple[str, ...]] = {
    "knife": ("knife",),
    "granada_armas": ("pistol",),
    "openimages_gun": ("long_gun", "pistol"),
    "us_cam1": ("long_gun", "pistol"),
    "phone_use": ("no_weapon",),
}
"""What is quoted per subset of ``val``; several classes are judged as one (a firearm, whatever its type)."""

PEOPLE_LABELLED = {"cctv_gray"}
"""Subsets whose people are labelled by hand."""
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
        DataError: no data, no start weights, or a checkpoint of another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.dumps(config.model_dump(mode="json"), indent=1)
    (folder / "config.json").write_text(settings, encoding="utf-8")
    torch.manual_seed(config.seed)
    pictures = load_pictures(dataset_root, "train")[: config.limit or None]
    fingerprint = data_hash(pictures)
    run = _Run.start(pictures, dataset_root, config, folder, resume)
    judged = load_pictures(dataset_root, "val")[:: config.val_every]
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

    def __init__(self, network: nn.Module, sampler: Sampler, config: VisionTrainConfig, folder: Path) -> None:
        self.network, self.sampler, self.config, self.folder = network, sampler, config, folder
        self.average = copy.deepcopy(network).eval()
        for parameter in self.average.parameters():
            parameter.requires_grad_(False)
        self.loss = OpenTypeLoss(head_of(network))
        self.optimizer = torch.optim.AdamW(_groups(network, config.weight_decay), lr=config.learning_rate)
        self.step, self.seconds, self.best = 0, 0.0, -1.0
        self.sums = np.zeros(3)

    @classmethod
    def start(
        cls, pictures: list[Picture], root: Path, config: VisionTrainConfig, folder: Path, resume: bool
    ) -> _Run:
        path = Path(config.weights)
        weights = start_weights(path if path.is_absolute() else root.parent / path)
        pictures = _people_added(pictures, weights, config, folder)
        sampler = Sampler(
            pictures, config.image_size, config.batch, config.seed, config.mosaic, config.closer
        )
        network = build(config.architecture)
        load_folded(network, weights)
        if not resume:
            batches = (_tensor(sampler.draw(-1 - i & 0xFFFFFFFF)[0]) for i in range(config.norm_batches))
            with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
                reinsert_norms(network, batches)
        run = cls(network, sampler, config, folder)
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
        images, targets = self.sampler.draw(self.step, mosaic=done < 1 - config.close_mosaic)
        warm = min(1.0, (self.step + 1) / max(1, config.warmup_steps))
        rate = config.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            outputs = self.network(_tensor(images))
        losses = self.loss(outputs, torch.from_numpy(targets))
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm))
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

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        for kept, new in zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if kept.dtype.is_floating_point:
                kept.mul_(decay).add_(new, alpha=1 - decay)

    def judge(self, pictures: Sequence[Picture]) -> None:
        """Measure the averaged weights on ``val``; keep them when they are the best."""
        begun = time.monotonic()
        figures = val_figures(self.average, pictures, self.config.image_size, bf16=self.config.bf16)
        mean = float(np.mean(list(figures.values()))) if figures else 0.0
        self.seconds += time.monotonic() - begun
        self.note(val={k: round(v, 4) for k, v in figures.items()}, mean=round(mean, 4))
        if mean > self.best:
            self.best = mean
            self.save("best.ckpt", light=True)

    def note(self, **facts: Any) -> None:
        """Append a line to the run's log."""
        line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **facts})
        log.info("%s", line)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def save(self, name: str, *, light: bool = False) -> None:
        """Write a checkpoint, whole or not at all; a light one holds the averaged weights alone."""
        state: dict[str, Any] = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "outputs": list(OUTPUTS),
            "architecture": self.config.architecture,
            "average": self.average.state_dict(),
        }
        if not light:
            state |= {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state, self.folder / f"{name}.part")
        os.replace(self.folder / f"{name}.part", self.folder / name)

    def load(self, file: Path) -> None:
        """Continue from a checkpoint of this project."""
        state = load_checkpoint(file)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]


def load_checkpoint(file: Path) -> dict[str, Any]:
    """Read a training checkpoint (tensors and plain values only). Raises DataError if it is none of ours."""
    if not file.is_file():
        raise DataError(f"no checkpoint at {file}", hint="train without --resume first")
    state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
    if state.get("outputs") != list(OUTPUTS):
        raise DataError(f"{file} has other classes: {state.get('outputs')}", hint=f"expected {list(OUTPUTS)}")
    return state


def _groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay on convolution weights alone."""
    plain = [p for n, p in network.named_parameters() if p.ndim > 1 and p.requires_grad]
    bare = [p for n, p in network.named_parameters() if p.ndim <= 1 and p.requires_grad]
    return [{"params": plain, "weight_decay": decay}, {"params": bare, "weight_decay": 0.0}]


def _tensor(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """BGR bytes ``(b, h, w, 3)`` to RGB 0..1, ``(b, 3, h, w)`` in memory order channels-last."""
    return torch.from_numpy(np.ascontiguousarray(images[..., ::-1])).permute(0, 3, 1, 2).float().div_(255)


def predict(
    network: nn.Module, pictures: Sequence[Picture], size: int, *, bf16: bool, batch: int = 16
) -> Iterator[npt.NDArray[np.float32]]:
    """Network output per picture ``(4 + classes, anchors)``, letterboxed to a square of ``size`` pixels."""
    network.eval()
    for begin in range(0, len(pictures), batch):
        inputs = []
        for picture in pictures[begin : begin + batch]:
            image = picture.read()
            fit = Letterbox.fit((image.shape[1], image.shape[0]), (size, size))
            inputs.append(fit.pad(resize(image, fit.inner)))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs = network(_tensor(np.stack(inputs)))
        yield from outputs[0].float().numpy()


def val_figures(
    network: nn.Module, pictures: Sequence[Picture], size: int, *, bf16: bool
) -> dict[str, float]:
    """AP50 per subset of ``val``, of what ``MAIN_CLASSES`` names; subsets without truth are left out."""
    found: dict[str, list[Any]] = {name: [] for name in MAIN_CLASSES}
    truth: dict[str, list[Any]] = {name: [] for name in MAIN_CLASSES}
    for picture, output in zip(pictures, predict(network, pictures, size, bf16=bf16), strict=True):
        names = MAIN_CLASSES.get(picture.subset)
        if names is None:
            continue
        shape = picture.read().shape
        fit = Letterbox.fit((shape[1], shape[0]), (size, size))
        rows = [4 + OUTPUTS.index(name) for name in names]
        merged = np.concatenate([output[:4], output[rows].max(0, keepdims=True)])
        boxes, scores, _ = decode(merged, 0.01)
        found[picture.subset].append((fit.to_picture(boxes), scores))
        ids = FIREARM_IDS if len(names) > 1 else [LABEL_IDS[name] for name in names]
        real = picture.labels[np.isin(picture.labels[:, 0], ids), 1:]
        truth[picture.subset].append(real * np.array([shape[1], shape[0]] * 2, np.float32))
    figures = {name: average_precision(found[name], truth[name]) for name in MAIN_CLASSES if found[name]}
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _people_added(
    pictures: list[Picture],
    weights: dict[str, npt.NDArray[np.float32]],
    config: VisionTrainConfig,
    folder: Path,
) -> list[Picture]:
    """Pictures with people as the start network sees them, where nobody labelled people; kept in a file."""
    cache = folder / "people.json"
    known: dict[str, list[list[float]]] = {}
    if cache.is_file():
        known = json.loads(cache.read_text(encoding="utf-8"))
    unlabelled = [p for p in pictures if p.subset not in PEOPLE_LABELLED and p.file.name not in known]
    if unlabelled:
        coco = classes_of(weights) == COCO_CLASSES
        network = build(config.architecture, COCO_CLASSES if coco else len(OUTPUTS))
        load_folded(network, weights)
        row = 4 + (COCO_ROWS["person"] if coco else PERSON)
        size = config.image_size
        outputs = predict(network, unlabelled, size, bf16=config.bf16)
        for picture, output in zip(unlabelled, outputs, strict=True):
            boxes, scores, _ = decode(output[[0, 1, 2, 3, row]], LEAST_PERSON)
            shape = picture.read().shape
            fit = Letterbox.fit((shape[1], shape[0]), (size, size))
            shares = fit.to_picture(boxes) / np.array([shape[1], shape[0]] * 2, np.float32)
            rows = np.concatenate([scores[:, None], shares], axis=1)
            known[picture.file.name] = rows.round(4).tolist()
        cache.write_text(json.dumps(known), encoding="utf-8")
    return [p if p.subset in PEOPLE_LABELLED else with_people(p, known[p.file.name]) for p in pictures]
