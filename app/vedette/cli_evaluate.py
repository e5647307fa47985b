"""`vedette evaluate`: measuring models on data they never saw; needs the `train` extra."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import typer

from vedette.cli_models import Cache, Manifest, Model, Pictures, need_training, print_line

evaluate_app = typer.Typer(help="Measure a model without leaks.", no_args_is_help=True)


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
