"""`vedette evaluate shots` and `vedette evaluate robustness`: sound with known truth, and bad sound."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_models import Cache, Manifest, Model, need_training


class Mixed(StrEnum):
    """Recordings that mixtures are made from."""

    val = "val"
    test = "test"
    train = "train"


class Clips(StrEnum):
    """Clips that conditions are laid on."""

    test = "test"
    val = "val"
    all = "all"


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]


def evaluate_shots(
    manifest: Manifest,
    model: Model = "audio",
    part: Annotated[Mixed, typer.Option(help="Mix recordings of val, its test third, or train.")] = Mixed.val,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for JSON.")] = None,
    as_json: AsJson = False,
    cache: Cache = None,
) -> None:
    """Measure onsets, counts, cadence and events on known mixtures of real shots and real backgrounds."""
    need_training()
    from vedette.measuring import measure_shots

    result = measure_shots(manifest, cache or Path("runs/audio/cache"), model, part.value, out)
    if as_json:
        typer.echo(json.dumps(result.document))
    else:
        result.print()


def evaluate_robustness(
    manifest: Manifest,
    model: Model = "audio",
    part: Annotated[
        Clips, typer.Option(help="The test third of val, all of val, or all clips.")
    ] = Clips.test,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for JSON and picture.")] = None,
    as_json: AsJson = False,
    cache: Cache = None,
) -> None:
    """Measure what narrow bands, codecs, background, distance and clipping cost a sound model."""
    need_training()
    from vedette.measuring import measure_robustness

    result = measure_robustness(manifest, cache or Path("runs/audio/cache"), model, part.value, out)
    if as_json:
        typer.echo(json.dumps(result.document))
    else:
        result.print()
