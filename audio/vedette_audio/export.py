"""A training run to a bundle: norms folded, OpenVINO IR at the smallest precision that passes parity.

Parity is measured on whole clips of ``val`` against the network in PyTorch: type accuracy and AUROC within
one point and probabilities close on average. Four ways are tried, the fastest first, and else it refuses.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score
from torch import nn

from vedette_audio.calibrate import calibrate
from vedette_audio.dataset import Clip, SoundCache, distinct_sounds, read_manifest
from vedette_audio.features import MELS, frames_in, samples_for
from vedette_audio.network import build_network, fold_norms
from vedette_audio.reliability import Curve, draw_reliability
from vedette_audio.scenes import SceneMaker
from vedette_audio.scorer import input_card
from vedette_audio.torch_features import TorchLogMel, to_picture
from vedette_audio.validation import Validation, clip_accuracy
from vedette_base.bundle import MODEL, WEIGHTS, Bundle, Card, Precision, write_bundle
from vedette_base.calibration import logistic
from vedette_base.config import AudioTrainConfig
from vedette_base.engine import open_engine
from vedette_base.errors import DataError, ParityError
from vedette_base.media import SAMPLE_RATE
from vedette_base.probe import make_probe
from vedette_base.score import AUDIO_LABELS

Floats = npt.NDArray[np.float32]
Way = Literal["int8", "mixed", "int8_weights", "bf16", "fp16", "fp32"]
"""How an IR is made: all in int8; int8 but for the layers of ``_TENDER``; int8 weights computed in bf16
(half the size of bf16 at its speed); or all in one float type."""
_LADDER: tuple[Way, ...] = ("int8", "mixed", "int8_weights", "bf16", "fp16", "fp32")
_TENDER = (r"__module\.conv1[./].*", r".*\.layer1\..*", r".*\.fc/.*")
"""A residual network's first layers and its last, which stay in bf16: in int8 they cost ten points of type
accuracy on the shipped weights, all others together nothing, for 0.63 of the time of bf16."""
_CALIBRATION_SCENES = 160  # of the training augmentation, for the ranges of int8
_MEAN_DIFFERENCE = 0.02  # of probabilities
_POINT = 0.01
_CURVES = "Calibration third of val, recordings held out"
VERSION = "1"


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an export is from its network: |difference| of probabilities, losses of figures."""

    way: Way
    mean_difference: float
    largest_difference: float
    accuracy_loss: float
    auroc_loss: float

    @property
    def passed(self) -> bool:
        """Accuracy and AUROC within one point, probabilities within ``0.02`` on average."""
        close = self.mean_difference <= _MEAN_DIFFERENCE
        return close and self.accuracy_loss <= _POINT and self.auroc_loss <= _POINT

    def as_card(self) -> dict[str, Any]:
        """As a card tells it, rounded."""
        return {
            "way": self.way,
            "mean_difference": round(self.mean_difference, 5),
            "largest_difference": round(self.largest_difference, 4),
            "accuracy_loss": round(self.accuracy_loss, 4),
            "auroc_loss": round(self.auroc_loss, 4),
        }


class _Data:
    """The clips an export needs: scenes to find ranges, ``val`` to prove parity and calibrate."""

    def __init__(self, config: AudioTrainConfig, manifest: Path, cache: Path) -> None:
        clips = read_manifest(manifest)
        self.sounds = SoundCache.open(manifest.parent, clips, cache)
        self.clips = distinct_sounds(clips, self.sounds, merge_twins=config.merge_twins)
        self.frames = frames_in(round(config.heard * SAMPLE_RATE))
        self.config = config
        self.counts = {
            "clips": len(self.clips),
            "train": sum(clip.split == "train" for clip in self.clips),
            "val": sum(clip.split == "val" for clip in self.clips),
        }
        self.digest = hashlib.sha256(manifest.read_bytes()).hexdigest()

    def pictures(self, count: int) -> list[Floats]:
        """Network inputs ``(1, 1, MELS, frames)`` of training scenes."""
        train = [clip for clip in self.clips if clip.split == "train"]
        scenes = SceneMaker(train, self.sounds, self.config, samples_for(self.frames))
        mel, rng = TorchLogMel(center=False), np.random.default_rng(self.config.seed)
        sounds = (torch.from_numpy(scenes.draw(rng).sound[None]) for _ in range(count))
        return [to_picture(mel(sound)).numpy() for sound in sounds]

    def held_out(self) -> list[Clip]:
        """The clips of ``val``."""
        return [clip for clip in self.clips if clip.split == "val"]


def export(
    run: str | Path,
    out: str | Path,
    *,
    manifest: str | Path,
    cache: str | Path | None = None,
    onnx: str | Path | None = None,
    ladder: Sequence[Way] = _LADDER,
    scenes: int = _CALIBRATION_SCENES,
) -> Bundle:
    """Make a calibrated bundle ``out`` of the best weights of ``run``.

    Args:
        run: folder that ``train`` wrote.
        manifest: the data set it was trained on: ranges from ``train``, parity and calibration from ``val``.
        cache: decoded sound, as for ``train``.
        onnx: also write an ONNX file there.
        ladder: ways to try, the first that passes is kept.
        scenes: training scenes from which int8 takes its ranges.

    Raises:
        DataError: no finished run, or no such data. ParityError: no precision gives what the network gives.
    """
    run, manifest = Path(run), Path(manifest)
    config = _config(run / "config.json")
    best = json.loads(_read(run / "best.json"))
    data = _Data(config, manifest, Path(cache) if cache else run / "cache")
    weights = run / "best.safetensors"
    network = build_network(best["architecture"], weights=weights, pooling=config.pooling).eval()
    validation = Validation(data.held_out(), data.sounds, data.frames)
    reference = validation.clip_scores(network)
    shape = (1, 1, MELS, data.frames)
    folded = fold_norms(network, shape)
    if onnx is not None:
        write_onnx(folded, shape, Path(onnx))
    card = Card(
        name="audio",
        task="audio",
        version=VERSION,
        architecture=best["architecture"],
        labels=AUDIO_LABELS,
        input={**input_card(), "frames": data.frames, "chunk": config.heard, "pooling": config.pooling},
        training={"config": _portable(config), "best": best, "log": _short_log(run / "log.jsonl")},
        data={"manifest_sha256": data.digest, **data.counts},
        licence="AGPL-3.0-or-later; learnt from CC BY-NC and unlicensed recordings, see the data cards",
    )
    pictures = data.pictures(scenes if {"int8", "mixed"} & set(ladder) else 0)
    tried: list[Parity] = []
    with tempfile.TemporaryDirectory() as scratch:
        for way in ladder:
            bundle = _convert(folded, shape, way, pictures, card, Path(scratch) / way)
            parity = measure(bundle, validation, reference, way)
            tried.append(parity)
            if parity.passed:
                return _finish(bundle, validation, parity, shape, Path(out))
    text = "; ".join(
        f"{p.way}: accuracy {-p.accuracy_loss:+.3f}, mean |dp| {p.mean_difference:.3f}" for p in tried
    )
    raise ParityError(f"no precision gives what the network gives ({text})", hint="look at the run's figures")


def measure(bundle: Bundle, validation: Validation, reference: Floats, way: Way) -> Parity:
    """Parity of a bundle with ``reference``: its network's scores ``(clips, labels)`` on ``validation``."""
    engine = open_engine(bundle)
    found = validation.clip_scores_of(lambda batch: logistic(engine.run(batch)[0]).astype(np.float32))
    clips = validation.clips
    truth = np.array([clip.shot for clip in clips])
    known = 0 < truth.sum() < truth.size

    def area(scores: Floats) -> float:
        return float(roc_auc_score(truth, scores[:, -1])) if known else 0.0

    difference = np.abs(found - reference)
    return Parity(
        way,
        float(difference.mean()),
        float(difference.max()),
        clip_accuracy(clips, reference) - clip_accuracy(clips, found),
        area(reference) - area(found),
    )


@contextmanager
def converters_may_be_old() -> Iterator[None]:
    """OpenVINO, NNCF and the ONNX exporter trace with torch.jit, which torch 2.11 calls deprecated; what it
    recommends instead needs onnxscript, for the same files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def write_onnx(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """An ONNX file of ``network`` (float32, any batch; logits)."""
    batch = {0: "batch"}
    with converters_may_be_old():
        torch.onnx.export(
            network, (torch.zeros(shape),), str(path), input_names=["picture"], output_names=["logits"],
            dynamic_axes={"picture": batch, "logits": batch}, dynamo=False,
        )  # fmt: skip


def _convert(
    network: nn.Module,
    shape: tuple[int, ...],
    way: Way,
    pictures: Sequence[Floats],
    card: Card,
    folder: Path,
) -> Bundle:
    import openvino

    with converters_may_be_old():
        example = torch.zeros(shape)
        model: Any = openvino.convert_model(network, example_input=example, input=[(-1, *shape[1:])])
        if way == "int8_weights":
            import nncf

            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        elif way in ("int8", "mixed"):
            import nncf

            ranges = nncf.Dataset(list(pictures))
            preset = nncf.QuantizationPreset.MIXED  # activations below zero exist only at the input
            spared = list(_TENDER) if way == "mixed" else []
            scope = nncf.IgnoredScope(patterns=spared, validate=False)
            model = nncf.quantize(
                model, ranges, subset_size=len(pictures), preset=preset, ignored_scope=scope
            )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / MODEL
        openvino.save_model(model, str(path), compress_to_fp16=way in ("mixed", "bf16", "fp16"))
        files = {name: (Path(scratch) / name).read_bytes() for name in (MODEL, WEIGHTS)}
    precision: Precision = "bf16" if way == "mixed" or way == "int8_weights" else way
    return write_bundle(folder, card.model_copy(update={"precision": precision}), files)


def _finish(
    bundle: Bundle, validation: Validation, parity: Parity, shape: tuple[int, ...], out: Path
) -> Bundle:
    """Calibrate what runs (the engine, not the network), keep a probe, and put the bundle in its place."""
    engine = open_engine(bundle)
    found = calibrate(validation, lambda batch: logistic(engine.run(batch)[0]).astype(np.float32))
    draw_curves(out, found.curves)
    card = bundle.card.model_copy(
        update={
            "calibration": found.maps,
            "thresholds": found.thresholds,
            "parity": parity.as_card() | {"probe": make_probe(engine, shape, low=-2.0, high=3.0)},
        }
    )
    return write_bundle(out, card, {name: bundle.folder / name for name in (MODEL, WEIGHTS)})


def draw_curves(out: Path, curves: Sequence[Curve]) -> None:
    """Draw a calibration beside the bundle ``out``, if there is one to draw."""
    if curves:
        draw_reliability(out.with_name(f"{out.name}-reliability.png"), curves, title=_CURVES)


_FILES = ("teacher", "weights", "predecessor")


def _portable(config: AudioTrainConfig) -> dict[str, Any]:
    """The config without folders of the machine it ran on."""
    found = config.model_dump(mode="json")
    found["tutors"] = [Path(name).name for name in found["tutors"]]
    return found | {key: Path(found[key]).name for key in _FILES if found[key]}


def _short_log(path: Path, most: int = 12) -> list[dict[str, Any]]:
    """Lines of the log that hold an evaluation, thinned to ``most``."""
    lines = [json.loads(line) for line in _read(path).splitlines()]
    lines = [line for line in lines if "val" in line]
    keep = np.linspace(0, len(lines) - 1, min(most, len(lines))).astype(int)
    return [lines[i] for i in sorted(set(keep.tolist()))]


def _config(path: Path) -> AudioTrainConfig:
    try:
        return AudioTrainConfig.model_validate_json(_read(path))
    except ValidationError as error:
        first = ".".join(map(str, error.errors()[0]["loc"]))
        raise DataError(
            f"{path} is not of a sound training: {first}", hint="name a run of vedette train audio"
        ) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", hint="train a model first"
        ) from error
