"""`vedette train`: making models of your own data; needs the `train` extra."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli_chips import train_chips
from vedette.cli_models import Cache, Config, Manifest, Pictures, Resume, Run, need_training, print_line
from vedette.messages import tell

if TYPE_CHECKING:
    from vedette_base.config import AudioTrainConfig

train_app = typer.Typer(help="Train a model on your own data.", no_args_is_help=True)
train_app.command("chips")(train_chips)


class FoldsKind(StrEnum):
    """What folds hold out."""

    grouped = "grouped"
    random = "random"


Weights = Annotated[
    str | None, typer.Option(help="Start from these: .safetensors, a run folder, or a bundle folder.")
]
Folds = Annotated[int | None, typer.Option(help="Cross-validate: number of folds over train and val.")]
Fold = Annotated[int | None, typer.Option(help="Train this fold only, from 0.")]
Kind = Annotated[FoldsKind | None, typer.Option(help="Hold out whole recordings, or (leaking) single clips.")]


@train_app.command("audio")
def train_audio(
    manifest: Manifest,
    run: Run = Path("runs/audio"),
    config: Config = None,
    resume: Resume = True,
    cache: Cache = None,
    weights: Weights = None,
    folds: Folds = None,
    fold: Fold = None,
    folds_kind: Kind = None,
) -> None:
    """Train the gunshot network; stop it at any time, it goes on from its last checkpoint."""
    need_training()
    from vedette.training_display import TrainingDisplay
    from vedette_audio.cross_validation import cross_validate
    from vedette_audio.train import train
    from vedette_base.config import AudioConfig, load_config

    settings = (load_config(config, AudioConfig) if config else AudioConfig()).train
    kind = folds_kind.value if folds_kind else None
    settings = _changed(settings, weights=weights, folds=folds, fold=fold, folds_kind=kind)
    with TrainingDisplay() as display:
        shown: dict[str, Any] = {"log": display.log, "on_step": display.on_step, "tell": tell}
        if settings.folds:
            found = cross_validate(settings, manifest, run, resume, cache=cache, **shown)
        else:
            train(settings, manifest, run, resume, cache=cache, **shown)
    if not settings.folds:
        typer.echo(f"trained: {run}; next: vedette export audio {manifest} --run {run}", err=True)
    elif found is not None:
        print_line(found)
        typer.echo(f"out of fold: {run / 'out_of_fold.csv'}, figures: {run / 'folds.json'}", err=True)


@train_app.command("soup")
def train_soup(
    manifest: Manifest,
    sources: Annotated[list[Path], typer.Argument(help="Run folders, or best.safetensors files in them.")],
    run: Annotated[Path, typer.Option("--run", "--out", "-o", help="Run folder to write.")] = Path(
        "runs/soup"
    ),
    cache: Cache = None,
    every: Annotated[
        bool, typer.Option("--all", help="Average all, also those that lower the score.")
    ] = False,
) -> None:
    """Average the weights of several gunshot trainings; what lowers the score on val is left out."""
    need_training()
    from vedette_audio.soup import make_soup

    print_line(make_soup(sources, manifest, run, cache=cache, greedy=not every, tell=tell))
    typer.echo(f"averaged: {run}; next: vedette export audio {manifest} --run {run}", err=True)


@train_app.command("tutor")
def train_tutor(
    manifest: Manifest,
    teacher: Annotated[Path, typer.Option(help="EfficientAT mn04 weights (efficientat_mn04_as.pt).")],
    run: Annotated[Path, typer.Option("--run", "--out", "-o", help="Folder to write.")] = Path("runs/tutors"),
    config: Config = None,
    cache: Cache = None,
    tutors: Annotated[int, typer.Option(min=1, help="How many for types, each with its seed.")] = 4,
    epochs: Annotated[int, typer.Option(min=1, help="Of 512 scenes each.")] = 12,
    folds: Folds = None,
) -> None:
    """Fine-tune small taggers on shots and on firearm types: they teach the network (train.tutors) and give a
    bundle a second opinion (vedette export second)."""
    need_training()
    from vedette.training_display import TrainingDisplay
    from vedette_audio.teacher import Teacher
    from vedette_audio.training_data import collect
    from vedette_audio.tutor_folds import cross_validate_tutors
    from vedette_audio.tutoring import fit_several
    from vedette_base.config import AudioConfig, load_config

    settings = (load_config(config, AudioConfig) if config else AudioConfig()).train
    settings = _changed(settings, folds=folds)
    collection = collect(settings, manifest, cache or run / "cache", tell=tell)
    mentor = Teacher.load(teacher)
    with TrainingDisplay() as display:
        how: dict[str, Any] = {"count": tutors, "epochs": epochs, "on_step": display.on_step}
        if settings.folds:
            found = cross_validate_tutors(settings, collection, mentor, run, **how)
        else:
            found = fit_several(settings, collection.split(), mentor, run, **how)
    print_line(found)
    if settings.folds:
        typer.echo(f"out of fold: {run / 'out_of_fold.csv'}, figures: {run / 'folds.json'}", err=True)
    else:
        typer.echo(f"trained: {run}; next: vedette export second {manifest} --tutors {run}", err=True)


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


@train_app.command("average")
def train_average(
    sources: Annotated[list[Path], typer.Argument(help="Run folders of the detector, or checkpoints.")],
    run: Annotated[Path, typer.Option("--run", "--out", "-o", help="Run folder to write.")] = Path(
        "runs/average"
    ),
    share: Annotated[
        list[float] | None, typer.Option(help="Weight of a run, once per run; alike if not given.")
    ] = None,
) -> None:
    """Average the weights of detector trainings that began with the same weights."""
    need_training()
    from vedette_vision.average import average_runs

    print_line(average_runs(sources, run, shares=share or ()))
    typer.echo(f"averaged: {run}; next: vedette evaluate vision PICTURES --model {run}", err=True)


def _changed(settings: AudioTrainConfig, **changes: object) -> AudioTrainConfig:
    """Settings with those of the command line in their place. Raises ConfigError."""
    from pydantic import ValidationError

    from vedette_base.config import AudioTrainConfig
    from vedette_base.errors import ConfigError

    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return AudioTrainConfig.model_validate(settings.model_dump() | given)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"--{part}: " for part in first["loc"]).replace("_", "-")
        raise ConfigError(f"{place}{first['msg'].removeprefix('Value error, ')}") from error
