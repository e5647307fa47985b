"""`vedette train`, `export` and `evaluate`: making and measuring models; they need the `train` extra."""

from __future__ import annotations

import dataclasses
import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from vedette_base.errors import MissingDependencyError

train_app = typer.Typer(help="Train a model on your own data.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure a model without leaks.", no_args_is_help=True)
export_app = typer.Typer(help="Turn a training run into a model bundle.", no_args_is_help=True)

Manifest = Annotated[Path, typer.Argument(help="manifest.csv of the sound data.")]
Pictures = Annotated[Path, typer.Argument(help="Folder of the picture data, with manifest.jsonl.")]
Run = Annotated[Path, typer.Option("--run", help="Folder of the training run.")]
Bundle = Annotated[Path, typer.Option("--out", "-o", help="Bundle folder to write.")]
Config = Annotated[Path | None, typer.Option(help="Configuration (YAML); the shipped one by default.")]
Resume = Annotated[bool, typer.Option(help="Go on where the run was stopped.")]
Onnx = Annotated[Path | None, typer.Option(help="Also write an ONNX file there.")]
Model = Annotated[str, typer.Option(help="Bundle name or folder.")]
Cache = Annotated[Path | None, typer.Option(help="Where decoded sound is kept; in the run by default.")]


@train_app.command("audio")
def train_audio(
    manifest: Manifest,
    run: Run = Path("runs/audio"),
    config: Config = None,
    resume: Resume = True,
    cache: Cache = None,
) -> None:
    """Train the gunshot network; stop it at any time, it goes on from its last checkpoint."""
    need_training()
    from vedette_audio.train import train
    from vedette_base.config import AudioConfig, load_config

    settings = load_config(config, AudioConfig) if config else AudioConfig()
    folder = train(settings.train, manifest, run, resume, cache=cache, log=print_line)
    typer.echo(f"trained: {folder}; next: vedette export audio {manifest} --run {folder}", err=True)


@train_app.command("vision")
def train_vision(
    pictures: Pictures, run: Run = Path("runs/vision"), config: Config = None, resume: Resume = True
) -> None:
    """Train the weapon detector; stop it at any time, it goes on from its last checkpoint."""
    need_training()
    from vedette_base.config import VisionConfig, load_config
    from vedette_vision.train import train

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = load_config(config, VisionConfig) if config else VisionConfig()
    going_on = resume and (run / "last.ckpt").exists()
    result = train(pictures, settings.train, run, resume=going_on)
    typer.echo(
        f"trained: {run}, mean AP50 {result.best:.3f}; next: vedette export vision {pictures}", err=True
    )


@export_app.command("audio")
def export_audio(
    manifest: Manifest,
    run: Run = Path("runs/audio"),
    out: Bundle = Path("runs/audio/bundle"),
    onnx: Onnx = None,
    cache: Cache = None,
) -> None:
    """Make a bundle of a sound run: OpenVINO, checked against PyTorch, calibrated, measured."""
    need_training()
    from vedette_audio.evaluate import evaluate_into_card
    from vedette_audio.export import export

    bundle = export(run, out, manifest=manifest, onnx=onnx, cache=cache)
    bundle = evaluate_into_card(manifest, bundle, cache=cache or run / "cache")
    typer.echo(f"{bundle.folder}: {bundle.card.precision}; use it with --model {bundle.folder}", err=True)


@export_app.command("vision")
def export_vision(
    pictures: Pictures,
    run: Run = Path("runs/vision"),
    out: Bundle = Path("runs/vision/bundle"),
    onnx: Onnx = None,
) -> None:
    """Make a bundle of a picture run: OpenVINO, checked against PyTorch, calibrated, measured."""
    need_training()
    from vedette_vision.export import export

    bundle = export(run, pictures, out, onnx=onnx)
    typer.echo(f"{bundle.folder}: {bundle.card.precision}; use it with --model {bundle.folder}", err=True)


@evaluate_app.command("audio")
def evaluate_audio(
    manifest: Manifest, model: Model = "audio", cache: Cache = None, part: str = "test"
) -> None:
    """Print the figures of a sound model on recordings it never saw, as JSON."""
    need_training()
    from vedette_audio.evaluate import evaluate
    from vedette_base.bundle import load_bundle

    found = evaluate(manifest, load_bundle(model), cache=cache or Path("runs/audio/cache"), part=part)
    print_line(dataclasses.asdict(found))


@evaluate_app.command("vision")
def evaluate_vision(pictures: Pictures, model: Model = "vision", part: str = "all") -> None:
    """Print the figures of a picture model on its validation pictures, as JSON."""
    need_training()
    from vedette_base.bundle import load_bundle
    from vedette_vision.evaluate import evaluate

    print_line(evaluate(pictures, load_bundle(model), part=part).as_dict())


def need_training() -> None:
    """Raise MissingDependencyError with the way to get it when the `train` extra is not installed."""
    missing = [name for name in ("torch", "timm", "ultralytics", "nncf") if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"this needs {', '.join(missing)}, which recorded footage does not",
            hint="pip install 'vedette[train]'",
        )


def print_line(found: dict[str, Any]) -> None:
    """One line of JSON on stdout."""
    typer.echo(json.dumps(found))
