"""Cross-validation: every clip is scored by a network that never heard its recording.

A run folder then holds ``fold-0``, ``fold-1``, ... (each a run of its own, resumable), ``out_of_fold.csv``
and ``folds.json`` with the figures. Several commands or machines may train one ``fold`` each: the
table is written as soon as all of them have their ``predictions.csv``.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from vedette_audio import checkpoint
from vedette_audio.dataset import Clip
from vedette_audio.features import frames_in
from vedette_audio.folds import Folds, assign_folds, fold_data
from vedette_audio.learner import starting_network
from vedette_audio.network import build_network
from vedette_audio.train import Log, OnStep, Trainer
from vedette_audio.training_data import Collection, Tell, collect
from vedette_audio.validation import Validation, clip_figures
from vedette_base.calibration import CalibrationMap, fit_platt
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import ConfigError, DataError, VedetteError
from vedette_base.manifests import write_table
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import AUDIO_LABELS, FIREARMS
from vedette_base.statistics import bootstrap_interval
from vedette_base.whole_files import write_whole_text

Floats = npt.NDArray[np.float32]
TABLE, FIGURES, PREDICTIONS = "out_of_fold.csv", "folds.json", "predictions.csv"
_TYPES = len(FIREARMS)


def cross_validate(
    config: AudioTrainConfig,
    manifest: str | Path,
    out: str | Path,
    resume: bool = True,
    *,
    cache: str | Path | None = None,
    log: Log | None = None,
    on_step: OnStep | None = None,
    tell: Tell = lambda line: None,
) -> dict[str, Any] | None:
    """Train ``config.folds`` networks, or the one of ``config.fold``, and score every clip out of fold.

    Arguments as for ``train``; a fold that is finished is not trained again.

    Returns:
        What ``folds.json`` holds, or None while folds are missing.

    Raises:
        DataError: as ``train``, and a firearm with one recording. ConfigError, OutputError: as ``train``.
    """
    out, manifest = Path(out), Path(manifest)
    fresh = not out.exists()
    numbers = range(config.folds) if config.fold is None else [config.fold]
    of_folds = [_of_fold(config, number) for number in numbers]
    for one in of_folds:
        starting_network(one)  # what is wrong there is said before sound is read
    try:
        collection = collect(config, manifest, Path(cache) if cache else out / "cache", tell=tell)
        folds = assign_folds(collection, config.folds, kind=config.folds_kind, seed=config.seed)
        for done, one in enumerate(of_folds):
            step = _within(on_step, done, len(of_folds))
            _one_fold(one, numbers[done], collection, folds, out, resume, log=log, on_step=step)
    except VedetteError:
        if fresh and not any(out.glob("fold-*")):
            shutil.rmtree(out, ignore_errors=True)
        raise
    missing = [k for k in range(config.folds) if not (out / f"fold-{k}" / PREDICTIONS).is_file()]
    if missing:
        tell(f"{out / TABLE} waits for fold {', '.join(map(str, missing))}")
        return None
    return put_together(config, collection, folds, out)


def _of_fold(config: AudioTrainConfig, number: int) -> AudioTrainConfig:
    """The settings of one fold; ``{fold}`` in names of weights and tutors becomes its number.

    Raises:
        ConfigError: the same trained network for all folds has heard what each of them holds out.
    """
    weights = config.weights
    ours = weights is not None and checkpoint.made_by_training(Path(weights.format(fold=number)))
    for name in (*((weights,) if weights and ours else ()), *config.tutors):
        if "{fold}" not in name:
            raise ConfigError(
                f"{name}: has learnt from clips that folds hold out, which would flatter every figure",
                hint="name one per fold, trained without it, with {fold} in the name",
            )
    tutors = tuple(name.format(fold=number) for name in config.tutors)
    named = {"weights": weights and weights.format(fold=number), "tutors": tutors}
    return config.model_copy(update={"fold": number} | named)


def _within(on_step: OnStep | None, done: int, of: int) -> OnStep | None:
    """The share of one fold as a share of all."""
    if on_step is None:
        return None
    return lambda share, epoch, loss: on_step((done + share) / of, epoch, loss)


def _one_fold(
    config: AudioTrainConfig,
    number: int,
    collection: Collection,
    folds: Folds,
    out: Path,
    resume: bool,
    *,
    log: Log | None,
    on_step: OnStep | None,
) -> None:
    folder = out / f"fold-{number}"
    data = fold_data(collection, folds, number, choose=config.patience > 0)
    done = json.dumps({"config": config.model_dump(mode="json"), **data.identity})
    marker = folder / "finished.json"
    if resume and marker.is_file() and (folder / PREDICTIONS).is_file() and marker.read_text() == done:
        return
    trainer = Trainer(config, Path(), folder, data=data)
    trainer.run(
        resume=resume, log=None if log is None else lambda line: log({"fold": number} | line), on_step=on_step
    )
    clips = [clip for clip, k in zip(collection.clips, folds, strict=True) if k == number]
    validation = Validation(
        clips, collection.sounds, frames_in(round(config.heard * SAMPLE_RATE)), flagged=True
    )
    network = build_network(config.architecture, weights=folder / checkpoint.BEST, pooling=config.pooling)
    with trainer.device.mixed_precision():
        scores = validation.clip_scores(network.to(trainer.device.place).eval())
    write_predictions(folder, clips, scores)
    write_whole_text(marker, done)


def write_predictions(folder: Path, clips: Sequence[Clip], scores: Floats) -> None:
    """Write the raw probabilities ``(clips, labels)`` of a fold's own clips."""
    rows = [
        {"path": clip.path, **dict(zip(AUDIO_LABELS, (f"{v:.6f}" for v in row), strict=True))}
        for clip, row in zip(clips, scores, strict=True)
    ]
    write_table(folder / PREDICTIONS, ("path", *AUDIO_LABELS), rows)


def put_together(config: AudioTrainConfig, collection: Collection, folds: Folds, out: Path) -> dict[str, Any]:
    """Write the table of all folds' predictions, calibrated out of fold, and its figures; returns these.

    Raises:
        DataError: a clip has no prediction.
    """
    clips = collection.clips
    raw = _read(out, config.folds, clips)
    calibrated = calibrate_out_of_fold(clips, raw, folds)
    names = {label: f"raw_{label}" for label in AUDIO_LABELS}
    columns = ("path", "label", "fine", "group", "fold", "source", "flag", *AUDIO_LABELS, *names.values())
    rows = [
        {
            "path": clip.path,
            "label": "gunshot" if clip.shot else "other",
            "fine": clip.fine,
            "group": clip.group,
            "fold": int(fold),
            "source": clip.source,
            "flag": clip.flag,
        }
        | {label: f"{value:.6f}" for label, value in zip(AUDIO_LABELS, sure, strict=True)}
        | {names[label]: f"{value:.6f}" for label, value in zip(AUDIO_LABELS, plain, strict=True)}
        for clip, fold, sure, plain in zip(clips, folds, calibrated, raw, strict=True)
    ]
    write_table(out / TABLE, columns, rows)
    figures = fold_figures(clips, raw, folds)
    figures = {"kind": config.folds_kind, "folds": config.folds} | figures
    write_whole_text(out / FIGURES, json.dumps(figures, indent=1))
    return figures


def _read(out: Path, number: int, clips: Sequence[Clip]) -> Floats:
    """Raw probabilities of all clips, shape ``(clips, labels)``. Raises DataError where some have none."""
    found: dict[str, list[float]] = {}
    for k in range(number):
        with (out / f"fold-{k}" / PREDICTIONS).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found[row["path"]] = [float(row[label]) for label in AUDIO_LABELS]
    missing = [clip.path for clip in clips if clip.path not in found]
    if missing or len(found) > len(clips):
        raise DataError(
            f"{out}: its folds are of another manifest or another division",
            hint="train all folds with the same manifest, --folds and --folds-kind, or into another folder",
        )
    return np.array([found[clip.path] for clip in clips], np.float32)


def calibrate_out_of_fold(clips: Sequence[Clip], raw: Floats, folds: Folds) -> Floats:
    """Probabilities of each fold by Platt's maps of the other folds, same shape.

    ``gunshot`` has one map, and the types share one, fitted one against the rest on typed shots.
    """
    shot = np.array([clip.shot for clip in clips])
    typed = np.array([bool(clip.types) for clip in clips])
    targets = np.stack([clip.targets for clip in clips])
    result = raw.copy()
    for k in np.unique(folds):
        inside, others = folds == k, folds != k
        maps: list[tuple[slice, CalibrationMap]] = []
        if shot[others].any() and not shot[others].all():
            maps.append((slice(_TYPES, None), fit_platt(raw[others, _TYPES], shot[others])))
        if typed[others].any():
            chosen = others & typed
            shared = fit_platt(raw[chosen, :_TYPES].ravel(), targets[chosen, :_TYPES].ravel())
            maps.append((slice(0, _TYPES), shared))
        for columns, fitted in maps:
            result[inside, columns] = fitted.apply(raw[inside, columns])
    return result


def fold_figures(clips: Sequence[Clip], raw: Floats, folds: Folds) -> dict[str, Any]:
    """Type accuracy (twins merged) as the mean over recordings with its interval, areas under curves, and
    accuracy and AUROC of each fold. Shots flagged as hardly audible are left out."""
    keep = np.array([not (clip.shot and clip.flag == "yamnet_low") for clip in clips])
    clips = [clip for clip, k in zip(clips, keep, strict=True) if k]
    raw, folds = raw[keep], folds[keep]
    figures: dict[str, Any] = clip_figures(clips, raw)
    by_recording: dict[str, list[float]] = {}
    for clip, row in zip(clips, raw, strict=True):
        if clip.types:
            right = FIREARMS[int(row[:_TYPES].argmax())] in clip.types
            by_recording.setdefault("/".join((*clip.types, clip.group)), []).append(float(right))
    if by_recording:
        means = {name: np.array([np.mean(values)]) for name, values in by_recording.items()}
        figures["accuracy_interval"] = list(bootstrap_interval(means, lambda v: float(v.mean())))
    typed = np.array([bool(clip.types) for clip in clips])
    figures |= {
        "macro_auc": macro_auc([c for c in clips if c.types], raw[typed]),
        "clips": len(clips),
        "recordings": len({clip.group for clip in clips}),
        "typed_recordings": len(by_recording),
        "each_fold": [_one(clips, raw, folds == k) for k in np.unique(folds)],
    }
    return _rounded(figures)


def _one(clips: Sequence[Clip], raw: Floats, inside: npt.NDArray[np.bool_]) -> dict[str, float]:
    own = [clip for clip, k in zip(clips, inside, strict=True) if k]
    found = clip_figures(own, raw[inside])
    return {name: found[name] for name in ("accuracy", "auroc", "ap_others")} | {"clips": len(own)}


def macro_auc(clips: Sequence[Clip], raw: Floats) -> float | None:
    """Mean over merged types of the area under each one's ROC curve among typed shots; twins take the greater
    score. None where a type has no clip or all of them."""
    areas = []
    for names in sorted({clip.types for clip in clips}):
        truth = np.array([clip.types == names for clip in clips])
        if truth.all():
            return None
        areas.append(roc_auc_score(truth, raw[:, [FIREARMS.index(name) for name in names]].max(axis=1)))
    return float(np.mean(areas)) if areas else None


def _rounded(tree: dict[str, Any]) -> dict[str, Any]:
    rounded: dict[str, Any] = json.loads(json.dumps(tree), parse_float=lambda text: round(float(text), 4))
    return rounded
