"""`vedette evaluate video`: what the chain makes of recordings, stage by stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli_models import Model, need_training


def evaluate_video(
    recordings: Annotated[
        list[Path], typer.Argument(metavar="RECORDING...", help="Videos, or folders of them.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="JSON that says when weapons are visible; what it does not name shows none."),
    ] = None,
    model: Model = "vision",
    config: Annotated[
        Path | None, typer.Option(help="vision YAML: thresholds, motion gate, tracker, chip classifier.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for page, Markdown, picture, JSON.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """Count false alarms per hour on video without weapons, before and after each stage of the chain.

    The labels are a JSON object: {"a.mp4": {"visible": [{"start": 0.0, "end": 24.7}]}}, in seconds.
    """
    need_training()
    from vedette.cli import stoppable
    from vedette.evaluating_video import evaluate_video_model

    with stoppable() as stop:
        result, whole = evaluate_video_model(
            recordings, model, labels=labels, config=config, out=out, stop=stop
        )
    if as_json:
        typer.echo(json.dumps(result.document))
    else:
        result.print()
    if stop.is_set():
        raise typer.Exit(130)
    raise typer.Exit(int(not whole))
