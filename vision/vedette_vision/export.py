"""From a training run to a bundle: folded norms, OpenVINO, int8 where it gives the same, calibration."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vedette_base.bundle import Bundle, Card, Precision, write_bundle
from vedette_base.config import VisionConfig
from vedette_base.engine import Engine
from vedette_base.errors import DataError, ParityError
from vedette_base.export import FASTEST_FIRST, export_bundle, save_onnx, to_openvino
from vedette_base.score import VISION_LABELS
from vedette_base.statistics import CALIBRATION, TEST, thirds
from vedette_vision.boxes import PAD_GRAY, Floats, Letterbox, decode
from vedette_vision.calibrate import calibrate
from vedette_vision.dataset import Picture, data_hash, load_pictures
from vedette_vision.detector import Look, WeaponDetector
from vedette_vision.evaluate import look_at, report
from vedette_vision.imaging import network_input, resize
from vedette_vision.labels import OUTPUTS
from vedette_vision.network import folded, head_of, inference_network
from vedette_vision.p2.architecture import is_rcnn
from vedette_vision.run_model import load_network
from vedette_vision.train import load_checkpoint

CALIBRATION_INPUTS = 128
"""Pictures that show int8 the range of every layer."""
PARITY_PICTURES = 150
PARITY_POINTS = 0.01
"""Largest loss of mAP50 that an export may cost."""
PARITY_SCORE = 0.05
"""Largest mean difference of a picture's best score."""
LICENCE = "AGPL-3.0-or-later (network and start weights by Ultralytics)"

THRESHOLD = 0.2
"""Calibrated probability from which a class counts: five times as likely with such a weapon as without. Low,
because on video three looks must agree, and how probable they are decides what becomes of it."""


def export(
    run: Path,
    dataset_root: Path,
    folder: Path,
    *,
    version: str = "1",
    config: VisionConfig | None = None,
    checkpoint: str = "best.ckpt",
    precisions: Sequence[Precision] = FASTEST_FIRST,
    onnx: Path | None = None,
) -> Bundle:
    """Write the bundle of a training run: exported, checked, calibrated, measured.

    Args:
        run: folder of the training.
        dataset_root: folder with ``manifest.jsonl``: its ``val`` serves parity, calibration and figures.
        folder: where the bundle is to be; one already there is replaced when the new one has passed.
        precisions: what may ship, fastest first; the first that passes parity does.
        onnx: also write ONNX there.

    Raises:
        DataError: no such run or data, or a family that cannot be exported. ParityError: no precision gives
            what the network gives.
    """
    config = config or VisionConfig()
    architecture = load_checkpoint(run / checkpoint)["architecture"]
    if is_rcnn(architecture):
        raise DataError(
            f"{architecture} cannot be exported: its second stage has a size of its own for every picture",
            hint=f"vedette evaluate vision --model {run} judges the run as it is",
        )
    network = folded(load_network(run / checkpoint))
    judged = load_pictures(dataset_root, "val")
    if not any(picture.shows(*VISION_LABELS) for picture in judged):
        raise DataError(
            f"no val picture in {dataset_root} shows {', '.join(VISION_LABELS)}",
            hint="parity and calibration need labelled pictures",
        )
    size = (config.input_width, config.input_height)
    inputs = calibration_inputs(load_pictures(dataset_root, "train"), size)
    check = Parity(network, _spread(judged, PARITY_PICTURES), size)
    model = to_openvino(network, inputs[0], free=(0, 2, 3))
    if onnx is not None:
        save_onnx(network, inputs[0], onnx)
    card = Card(
        name="vision",
        task="vision",
        version=version,
        architecture=architecture,
        labels=OUTPUTS,
        input={"order": "RGB", "range": [0, 1], "pad": PAD_GRAY, "sizes_of": 32, "layout": "NCHW"},
        training=_training(run),
        data={"hash": data_hash(judged), "val_pictures": len(judged)},
        licence=LICENCE,
    )
    arguments: dict[str, Any] = {
        "check": check,
        "calibration": inputs,
        "network": lambda card: inference_network(card.architecture),
        "precisions": precisions,
        "ignored_patterns": float_layers(network),
    }
    with tempfile.TemporaryDirectory(prefix="vedette-vision-") as work:
        draft = export_bundle(Path(work) / "draft", card, model, **arguments)
        return _finished(draft, folder, judged, config)


def float_layers(network: torch.nn.Module) -> tuple[str, ...]:
    """Operations to leave in floating point: the head's sums and decoding, first and last convolutions.

    Pixel coordinates do not fit 8 bits. The first and last convolutions are a hundredth of the work, and cost
    most of what int8 loses: mAP50 0.590 became 0.569 with them in int8, 0.589 without.
    """
    head = head_of(network).i
    last = rf".*model\.{head}\.cv[23]\.\d\.2/.*"
    return rf".*model\.{head}/.*", rf".*model\.{head}\.dfl.*", last, r".*model\.0/.*", r".*model\.0\..*"


class Parity:
    """Compares an exported engine with its network on real pictures: best scores, and AP50.

    Args:
        network: in evaluation mode, decoding its output.
        pictures: labelled.
        size: (width, height) of the input.
    """

    def __init__(self, network: torch.nn.Module, pictures: Sequence[Picture], size: tuple[int, int]) -> None:
        self._pictures = pictures
        self._batches = [letterboxed(p, size)[0] for p in pictures]
        self._fits = [letterboxed(p, size)[1] for p in pictures]
        with torch.no_grad():
            self._expected = self._looks([network(torch.from_numpy(b)).numpy() for b in self._batches])

    def __call__(self, engine: Engine) -> Mapping[str, Any]:
        """What was measured; raises ParityError when it is too far off."""
        found = self._looks([engine.run(b)[0] for b in self._batches])
        pairs = zip(self._expected, found, strict=True)
        scores = float(np.mean([np.abs(a.best() - b.best()).max() for a, b in pairs]))
        before = report(self._pictures, self._expected, part="parity", path="whole").map50
        after = report(self._pictures, found, part="parity", path="whole").map50
        if not scores <= PARITY_SCORE or not before - after <= PARITY_POINTS:
            raise ParityError(
                f"scores differ by {scores:.3f} in the mean, mAP50 {before:.3f} became {after:.3f}"
            )
        return {
            "pictures": len(self._pictures),
            "mean_score_difference": round(scores, 5),
            "map50_network": round(before, 4),
            "map50_export": round(after, 4),
        }

    def _looks(self, outputs: Sequence[Floats]) -> list[Look]:
        looks = []
        for output, fit in zip(outputs, self._fits, strict=True):
            boxes, scores, classes = decode(output[0], 0.01)
            shares = (boxes - np.array([fit.left, fit.top] * 2)) / np.array([*fit.inner, *fit.inner])
            looks.append(Look(shares.astype(np.float32), scores, classes))
        return looks


def letterboxed(picture: Picture, size: tuple[int, int]) -> tuple[Floats, Letterbox]:
    """A picture as one network input ``(1, 3, h, w)``, and how it lies in it."""
    image = picture.read()
    fit = Letterbox.fit((image.shape[1], image.shape[0]), size)
    return network_input([fit.pad(resize(image, fit.inner))]), fit


def calibration_inputs(pictures: Sequence[Picture], size: tuple[int, int]) -> list[Floats]:
    """Training pictures of every subset as network inputs."""
    return [letterboxed(p, size)[0] for p in _spread(pictures, CALIBRATION_INPUTS)]


def recalibrate(
    bundle: Bundle,
    dataset_root: Path,
    folder: Path,
    *,
    config: VisionConfig | None = None,
    version: str | None = None,
) -> Bundle:
    """Write ``bundle`` to ``folder`` with calibration and figures made anew, its network as it is.

    They belong to a way of looking: other sizes, or a second opinion on boxes, want other ones.

    Args:
        dataset_root: folder with ``manifest.jsonl``; its ``val`` serves.
        config: how it looks.
        version: of the new bundle; None keeps that of the old one.

    Raises:
        DataError: no such data, or a class that is on no picture.
    """
    if version is not None:
        bundle = Bundle(bundle.folder, bundle.card.model_copy(update={"version": version}))
    return _finished(bundle, folder, load_pictures(dataset_root, "val"), config or VisionConfig())


def _finished(draft: Bundle, folder: Path, pictures: Sequence[Picture], config: VisionConfig) -> Bundle:
    """Calibrate and measure the exported engine itself, complete the card, put the bundle in place."""
    detector = WeaponDetector(draft, config, backend="openvino")
    looks = look_at(detector, pictures)
    third = thirds([p.group for p in pictures])
    fitted = [i for i, part in enumerate(third) if part == CALIBRATION]
    maps = calibrate(detector, [pictures[i] for i in fitted], [looks[i] for i in fitted])
    tested = [i for i, part in enumerate(third) if part == TEST]
    held = [pictures[i] for i in tested], [looks[i] for i in tested]
    metrics = {
        "val": report(pictures, looks, part="all", path="closer").as_dict(),
        "test": report(*held, part="test", path="closer").as_dict(),
    }
    thresholds = dict.fromkeys(VISION_LABELS, THRESHOLD)
    card = draft.card.model_copy(update={"calibration": maps, "metrics": metrics, "thresholds": thresholds})
    return write_bundle(folder, card, {name: draft.folder / name for name in draft.card.files})


def _spread(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """About ``count`` pictures, evenly through the list, so of every subset by its size."""
    step = max(1, len(pictures) // count)
    return list(pictures[::step][:count])


def _training(run: Path) -> dict[str, Any]:
    """Settings and the log of measurements, small enough for a card."""
    facts: dict[str, Any] = {}
    if (run / "config.json").is_file():
        facts["config"] = json.loads((run / "config.json").read_text(encoding="utf-8"))
    if (run / "log.jsonl").is_file():
        lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
        facts["log"] = [entry for entry in map(json.loads, lines) if "val" in entry]
    return facts
