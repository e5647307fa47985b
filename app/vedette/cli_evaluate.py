"""`vedette evaluate`: measuring models on data they never saw; needs the `train` extra."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_chips import evaluate_chips
from vedette.cli_evaluate_video import evaluate_video
from vedette.cli_measure import evaluate_robustness, evaluate_shots
from vedette.cli_models import Cache, Manifest, Model, Pictures, need_training
from vedette_base.errors import InputError

evaluate_app = typer.Typer(help="Measure a model without leaks.", no_args_is_help=True)
evaluate_app.command("shots")(evaluate_shots)
evaluate_app.command("robustness")(evaluate_robustness)
evaluate_app.command("chips")(evaluate_chips)
evaluate_app.command("video")(evaluate_video)


class Part(StrEnum):
    """Which clips of a manifest."""

    test = "test"
    val = "val"
    all = "all"


@evaluate_app.command("audio")
def evaluate_audio(
    manifest: Manifest,
    model: Model = "audio",
    part: Annotated[Part, typer.Option(help="The test third of val, all of val, or all clips.")] = Part.test,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for page, pictures, JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
    out_of_fold: Annotated[
        Path | None, typer.Option(help="A cross-validation's out_of_fold.csv instead of a model.")
    ] = None,
    leak: Annotated[
        bool, typer.Option("--leak", help="Instead: plain classifiers on random against grouped folds.")
    ] = False,
    teacher: Annotated[Path | None, typer.Option(help="EfficientAT weights, for --leak.")] = None,
    cache: Cache = None,
) -> None:
    """Print the figures of a sound model on recordings it never saw, with intervals over recordings."""
    need_training()
    from vedette.evaluating import compare_folds, evaluate_model, evaluate_table

    if teacher is not None and not leak:
        raise InputError("--teacher is for --leak only")
    if leak and out_of_fold is not None:
        raise InputError("--leak trains classifiers of its own: leave out --out-of-fold")
    sound = cache or Path("runs/audio/cache")
    if leak:
        result = compare_folds(manifest, sound, teacher, out)
    elif out_of_fold is not None:
        result = evaluate_table(manifest, sound, out_of_fold, out)
    else:
        result = evaluate_model(manifest, sound, model, part.value, out)
    if as_json:
        typer.echo(json.dumps(result.document))
    else:
        result.print()


class PicturePart(StrEnum):
    """Which pictures that were not trained on."""

    test = "test"
    val = "val"


@evaluate_app.command("vision")
def evaluate_vision(
    pictures: Pictures,
    model: Model = "vision",
    against: Annotated[str | None, typer.Option(help="Bundle or run to put beside it, paired.")] = None,
    part: Annotated[
        PicturePart, typer.Option(help="The test third of val, or all of val.")
    ] = PicturePart.test,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for page, Markdown, pictures, JSON.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
    threshold: Annotated[
        float, typer.Option(help="Probability from which a box counts in the tables of TP, FP and FN.")
    ] = 0.25,
    frames_of: Annotated[
        str, typer.Option(help="Subset whose firearm recall sets the threshold on empty pictures.")
    ] = "us_cam1",
    keep_twins: Annotated[
        bool, typer.Option("--keep-twins", help="Also judge near-duplicates of training pictures.")
    ] = False,
    false_per_1000: Annotated[
        list[float] | None,
        typer.Option(
            help="Advise thresholds for this many false alarms per 1,000 pictures; may be repeated."
        ),
    ] = None,
) -> None:
    """Print the figures of a picture model, or of a training run, on its validation pictures."""
    need_training()
    from vedette.evaluating_vision import evaluate_vision_model
    from vedette_vision.operating import FALSE_PER_1000

    result = evaluate_vision_model(
        pictures, model, part.value, against=against, out=out, threshold=threshold, frames_of=frames_of,
        keep_twins=keep_twins, false_per_1000=false_per_1000 or FALSE_PER_1000,
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(result.document))
    else:
        result.print()
