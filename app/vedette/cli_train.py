"""`vedette train`: making models of your own data; needs the `train` extra."""

from __future__ import annotations

import logging
from pathlib import Path

import typer

from vedette.cli_models import Cache, Config, Manifest, Pictures, Resume, Run, need_training, print_line

train_app = typer.Typer(help="Train a model on your own data.", no_args_is_help=True)


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
