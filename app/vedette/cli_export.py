"""`vedette export`: from a training run to a model bundle; needs the `train` extra."""

from __future__ import annotations

from pathlib import Path

import typer

from vedette.cli_chips import export_chips
from vedette.cli_models import Bundle, Cache, Manifest, Onnx, Pictures, Run, need_training

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
