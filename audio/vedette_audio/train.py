"""``train``: from a manifest to a run folder that explains itself.

A run folder holds ``config.json``, ``log.jsonl`` (one line per epoch), ``curves.png``, ``last.pt`` (to resume
this run, and only that) and ``best.safetensors`` with ``best.json`` (averaged weights of the best evaluation
on ``val``).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vedette_audio import checkpoint
from vedette_audio.device import Device
from vedette_audio.features import frames_in
from vedette_audio.journal import Journal, need_tensorboard
from vedette_audio.learner import Learner, starting_network, tensors
from vedette_audio.training_data import Tell, TrainingData, collect
from vedette_audio.validation import Validation
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import VedetteError
from vedette_base.media import SAMPLE_RATE
from vedette_base.whole_files import write_whole_text

Log = Callable[[dict[str, Any]], None]
OnStep = Callable[[float, int, float], None]
"""Called after each step with the share of the run that is done, the epoch and the loss."""


class Trainer:
    """One training run; ``run()`` goes on from where the run folder says it stopped.

    ``data`` replaces the manifest's own split, for the folds of a cross-validation.
    """

    def __init__(
        self,
        config: AudioTrainConfig,
        manifest: Path,
        out: Path,
        *,
        cache: Path | None = None,
        data: TrainingData | None = None,
        tell: Tell = lambda line: None,
    ) -> None:
        self.config, self.out = config, out
        self.device = Device.choose(config)
        if config.tensorboard:
            need_tensorboard()
        torch.manual_seed(config.seed)
        start = starting_network(config)  # what is wrong there is said before sound is read
        if data is None:
            data = collect(config, manifest, cache or out / "cache", tell=tell).split()
        self.data = data
        self.learner = Learner(config, data, self.device, start)
        self.validation = Validation(data.held, data.sounds, frames_in(round(config.heard * SAMPLE_RATE)))

    @property
    def student(self) -> nn.Module:
        """The network with its helper heads, as it learns."""
        return self.learner.student

    def run(self, *, resume: bool = True, log: Log | None = None, on_step: OnStep | None = None) -> Path:
        """Train to the end; returns the run folder. A kill loses at most ``save_minutes``.

        Raises:
            ConfigError: the folder holds another run. OutputError: no room; the last checkpoint is whole.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        if resume and (self.out / checkpoint.LAST).is_file():
            self.learner.restore(checkpoint.load_last(self.out, self.config, self.data.identity))
        weights = sum(value.nbytes for value in self.learner.average.values())
        checkpoint.need_room(self.out, 4 * weights, weights)  # network, average, two moments
        write_whole_text(self.out / checkpoint.CONFIG, self.config.model_dump_json(indent=1))
        journal = Journal(self.out, step=self.learner.progress.step, tensorboard=self.config.tensorboard)
        with self.device.same_every_time():
            while not self._done():
                line = self._epoch(on_step)
                if self._done() or self.learner.progress.epoch % self.config.evaluate_every == 0:
                    line |= self._evaluate()
                journal.add(line)  # before the checkpoint: what follows that one is dropped on resuming
                self.save()
                if log is not None:
                    log(line)
        journal.close()
        return self.out

    def _done(self) -> bool:
        patience, progress = self.config.patience, self.learner.progress
        tired = self.data.chooses and 0 < patience <= progress.waited
        return tired or progress.epoch >= self.config.epochs or self._out_of_time()

    def _out_of_time(self) -> bool:
        return self.config.minutes is not None and self.learner.progress.seconds >= 60 * self.config.minutes

    def _epoch(self, on_step: OnStep | None) -> dict[str, Any]:
        learner, progress = self.learner, self.learner.progress
        sums: dict[str, float] = {}
        count, saved = 0, time.monotonic()
        end = (progress.epoch + 1) * learner.steps_per_epoch
        while progress.step < end and not self._out_of_time():
            begin = time.monotonic()
            parts = learner.step()
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
            progress.seconds += time.monotonic() - begin
            if on_step is not None:
                on_step(learner.share(), progress.epoch + 1, sum(parts.values()))
            if time.monotonic() - saved > 60 * self.config.save_minutes:
                self.save()
                saved = time.monotonic()
        progress.epoch += 1
        losses = {name: round(value / max(count, 1), 4) for name, value in sums.items()}
        return {
            "epoch": progress.epoch,
            "step": progress.step,
            "minutes": round(progress.seconds / 60, 2),
            "rate": round(learner.rate(), 7),
            "loss": losses,
        }

    def _evaluate(self) -> dict[str, Any]:
        begin = time.monotonic()
        student, progress = self.learner.student, self.learner.progress
        kept = tensors(student, copy=True)
        student.load_state_dict(self.learner.average)
        with self.device.mixed_precision():
            figures = self.validation.figures(student.backbone)
        better = figures["score"] > progress.best
        progress.waited = 0 if better else progress.waited + 1
        if better or not self.data.chooses:
            progress.best = figures["score"]
            note = {"architecture": self.config.architecture, "epoch": progress.epoch, **figures}
            checkpoint.save_best(self.out, student.backbone.state_dict(), note)
        student.load_state_dict(kept)
        progress.seconds += time.monotonic() - begin
        return {"val": {name: round(value, 4) for name, value in figures.items()}}

    def save(self) -> None:
        """Everything a resumed run needs, written whole or not at all."""
        known = {"config": self.config.model_dump_json(), "identity": self.data.identity}
        checkpoint.save_last(self.out, self.learner.state() | known)


def train(
    config: AudioTrainConfig,
    manifest: str | Path,
    out: str | Path,
    resume: bool = True,
    *,
    cache: str | Path | None = None,
    log: Log | None = None,
    on_step: OnStep | None = None,
    tell: Tell = lambda line: None,
) -> Path:
    """Train the sound network on the ``train`` clips of ``manifest`` and return the run folder ``out``.

    ``cache`` is where decoded sound is kept (default: in the run folder). With ``resume`` a run that was
    stopped goes on where it was; without, it starts anew. ``log`` gets one dict per epoch, ``on_step`` every
    step, ``tell`` a line for what is worth knowing. Cross-validation: ``cross_validation.cross_validate``.

    Raises:
        DataError: a manifest that cannot be used. ConfigError: weights or a run that do not fit.
        OutputError: no room. None of these leaves a new folder without a run in it.
    """
    out = Path(out)
    fresh = not out.exists()
    try:
        trainer = Trainer(config, Path(manifest), out, cache=Path(cache) if cache else None, tell=tell)
        return trainer.run(resume=resume, log=log, on_step=on_step)
    except VedetteError:
        if fresh and not (out / checkpoint.LAST).exists():
            shutil.rmtree(out, ignore_errors=True)
        raise
