"""`vedette evaluate shots` and `vedette evaluate robustness`: sound with known truth, and bad sound."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_models import AsJson, Cache, Manifest, Model, Part, need_training, print_result


class Mixed(StrEnum):
    """Recordings that mixtures are made from."""

    val = "val"
    test = "test"
    train = "train"


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
    print_result(result, as_json)


def evaluate_robustness(
    manifest: Manifest,
    model: Model = "audio",
    part: Annotated[Part, typer.Option(help="The test third of val, all of val, or all clips.")] = Part.test,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for JSON and picture.")] = None,
    as_json: AsJson = False,
    cache: Cache = None,
) -> None:
    """Measure what narrow bands, codecs, background, distance and clipping cost a sound model."""
    need_training()
    from vedette.measuring import measure_robustness

    result = measure_robustness(manifest, cache or Path("runs/audio/cache"), model, part.value, out)
    print_result(result, as_json)
