"""`vedette train|export|evaluate chips`: the second opinion on tracks; needs the `train` extra."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli_models import Bundle, Config, Model, Pictures, Resume, Run, need_training, print_line
from vedette.messages import tell

if TYPE_CHECKING:
    from vedette_base.config import VisionConfig
    from vedette_vision.chips.dataset import Chips

Chipcache = Annotated[Path, typer.Option("--cache", help="Where chips cut out before are kept.")]
Detector = Annotated[str, typer.Option(help="Detector whose false boxes are the negatives.")]


class Architecture(StrEnum):
    """Networks to choose from."""

    yolo11n = "yolo11n"
    resnet18 = "resnet18"
    resnet50 = "resnet50"


def train_chips(
    pictures: Pictures,
    run: Run = Path("runs/chips"),
    architecture: Annotated[
        Architecture | None,
        typer.Option(
            help="yolo11n starts from the detector, the others at random; else the configuration's."
        ),
    ] = None,
    config: Config = None,
    detector: Detector = "vision",
    resume: Resume = True,
) -> None:
    """Train the chip classifier; stop it at any time, it goes on from its last checkpoint."""
    need_training()
    from vedette_vision.chips.train import LAST, start_file, train

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = _settings(config)
    data, judged = _chips(pictures, run, detector, settings)
    chosen = {} if architecture is None else {"architecture": architecture.value}
    going_on = resume and (run / LAST).exists()
    chips = settings.chips.model_copy(update=chosen)
    weights = None if going_on else start_file(chips, detector)
    best = train(data, judged, chips, run, weights=weights, resume=going_on)
    typer.echo(f"trained: {run}, AUROC {best:.3f}; next: vedette export chips {pictures}", err=True)


def export_chips(
    pictures: Pictures,
    run: Run = Path("runs/chips"),
    out: Bundle = Path("runs/chips/bundle"),
    config: Config = None,
    detector: Detector = "vision",
) -> None:
    """Make a bundle of a chip run: OpenVINO, checked against PyTorch."""
    need_training()
    from vedette_vision.chips.export import export

    data, judged = _chips(pictures, run, detector, _settings(config))
    bundle = export(run, data, judged, out)
    typer.echo(f"{bundle.folder}: {bundle.card.precision}; use it as verifier.model in vision.yaml", err=True)


def evaluate_chips(
    pictures: Pictures,
    model: Model = "chips",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for JSON and ROC picture.")] = None,
    config: Config = None,
    detector: Detector = "vision",
    cache: Chipcache = Path("runs/chips"),
) -> None:
    """Print the figures of a chip classifier on validation chips, as JSON."""
    need_training()
    from vedette_vision.chips.dataset import chips_of
    from vedette_vision.chips.evaluate import evaluate, predict, write_report
    from vedette_vision.detector import WeaponDetector
    from vedette_vision.verifier import ChipClassifier

    settings = _settings(config)
    classifier = ChipClassifier.load(model)
    finder = WeaponDetector.load(detector)
    chips = chips_of(pictures, "val", finder, cache, least_score=settings.chips.least_score, tell=tell)
    chances = predict(classifier, chips)
    document = evaluate(chips, chances)
    if out is not None:
        write_report(out, chips, chances, document)
    print_line(document)


def _settings(config: Path | None) -> VisionConfig:
    from vedette_base.config import VisionConfig, load_config

    return load_config(config, VisionConfig) if config else VisionConfig()


def _chips(pictures: Path, run: Path, detector: str, settings: VisionConfig) -> tuple[Chips, Chips]:
    """Chips of train and of val, cut out by way of a detector and kept in the run."""
    from vedette_vision.chips.dataset import chips_of
    from vedette_vision.detector import WeaponDetector

    finder, least = WeaponDetector.load(detector), settings.chips.least_score
    train = chips_of(pictures, "train", finder, run, least_score=least, tell=tell)
    return train, chips_of(pictures, "val", finder, run, least_score=least, tell=tell)
