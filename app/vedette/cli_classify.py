"""`vedette classify`: single sound clips."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vedette.messages import complain, tell


class ClipFormat(StrEnum):
    """How clips are printed."""

    table = "table"
    json = "json"


def classify(
    clips: Annotated[list[Path], typer.Argument(help="Sound or video files, or folders of them.")],
    model: Annotated[str, typer.Option(help="Bundle name or folder.")] = "audio",
    csv: Annotated[Path | None, typer.Option(help="Also write a CSV with a line per clip.")] = None,
    format: Annotated[  # noqa: A002
        ClipFormat | None, typer.Option(help="JSON lines (for one clip) or a table (for more).")
    ] = None,
) -> None:
    """Say for sound clips whether they hold a gunshot, and of which firearm."""
    from rich.console import Console
    from rich.progress import Progress

    from vedette.clips import PredictionTable, as_line, classify_clips, clip_table, clips_of
    from vedette.display import PIPED
    from vedette_audio.classify import GunshotClassifier

    classifier = GunshotClassifier.load(model)
    paths = clips_of(clips)
    one = len(clips) == 1 and paths == clips
    shape = format or (ClipFormat.json if one else ClipFormat.table)
    done, failed = [], False
    console = Console(stderr=True)
    with (
        PredictionTable(csv) if csv else nullcontext() as written,
        Progress(
            console=console, transient=True, disable=not console.is_terminal, redirect_stdout=False
        ) as bar,
    ):
        task = bar.add_task("listening", total=len(paths))
        for clip in classify_clips(classifier, paths):
            bar.advance(task)
            if clip.error is not None:
                complain(clip.error)
                failed = True
                continue
            for warning in clip.warnings:
                tell(f"{clip.path}: {warning}")
            if written is not None:
                written.add(clip)
            if shape is ClipFormat.json:
                typer.echo(json.dumps(as_line(clip)))
            else:
                done.append(clip)
    if done:
        terminal = sys.stdout.isatty()
        out = Console(highlight=False, soft_wrap=not terminal, width=None if terminal else PIPED)
        out.print(clip_table(done))
    raise typer.Exit(int(failed))
