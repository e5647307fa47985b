"""`vedette export`: from a training run to a model bundle; needs the `train` extra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_chips import export_chips
from vedette.cli_models import Bundle, Cache, Config, Manifest, Onnx, Pictures, Run, need_training

export_app = typer.Typer(help="Turn a training run into a model bundle.", no_args_is_help=True)
export_app.command("chips")(export_chips)


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


@export_app.command("second")
def export_second(
    manifest: Manifest,
    tutors: Annotated[Path, typer.Option(help="Folder of vedette train tutor.")] = Path("runs/tutors"),
    model: Annotated[str, typer.Option(help="The sound bundle to add it to.")] = "audio",
    out: Bundle = Path("runs/second/bundle"),
    version: Annotated[str | None, typer.Option(help="Version of the new bundle.")] = None,
    cache: Cache = None,
) -> None:
    """Give a sound bundle the tutors' second opinion: checked against PyTorch, calibrated anew, measured."""
    need_training()
    from vedette_audio.evaluate import evaluate_into_card
    from vedette_audio.second import add_second_opinion, open_validation

    kept = cache or tutors / "cache"
    bundle = add_second_opinion(model, tutors, out, open_validation(manifest, kept, model), version=version)
    bundle = evaluate_into_card(manifest, bundle, cache=kept)
    typer.echo(f"{bundle.folder}: with a second opinion; use it with --model {bundle.folder}", err=True)


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


@export_app.command("recalibrate")
def export_recalibrate(
    pictures: Pictures,
    model: Annotated[str, typer.Option(help="The picture bundle.")] = "vision",
    out: Bundle = Path("runs/vision/recalibrated"),
    version: Annotated[str | None, typer.Option(help="Version of the new bundle.")] = None,
    config: Config = None,
) -> None:
    """Make calibration and figures of a picture bundle anew, for other ways of looking; its network stays."""
    need_training()
    from vedette_base.bundle import load_bundle
    from vedette_base.config import VisionConfig, load_config
    from vedette_vision.export import recalibrate

    settings = load_config(config, VisionConfig) if config else VisionConfig()
    bundle = recalibrate(load_bundle(model), pictures, out, config=settings, version=version)
    typer.echo(f"{bundle.folder}: recalibrated; use it with --model {bundle.folder}", err=True)
