"""What `vedette train`, `export` and `evaluate` share: their options, and what they need to run."""

from __future__ import annotations

import json
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from vedette_base.errors import MissingDependencyError

Manifest = Annotated[Path, typer.Argument(help="manifest.csv of the sound data.")]
Pictures = Annotated[Path, typer.Argument(help="Folder of the picture data, with manifest.jsonl.")]
Run = Annotated[Path, typer.Option("--run", help="Folder of the training run.")]
Bundle = Annotated[Path, typer.Option("--out", "-o", help="Bundle folder to write.")]
Config = Annotated[Path | None, typer.Option(help="Configuration (YAML); the shipped one by default.")]
Resume = Annotated[bool, typer.Option(help="Go on where the run was stopped.")]
Onnx = Annotated[Path | None, typer.Option(help="Also write an ONNX file there.")]
Model = Annotated[str, typer.Option(help="Bundle name or folder.")]
Cache = Annotated[Path | None, typer.Option(help="Where decoded sound is kept; in the run by default.")]

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]


class Part(StrEnum):
    """Which clips of a manifest."""

    test = "test"
    val = "val"
    all = "all"


class Printable(Protocol):
    """What was measured, for a program and for people."""

    @property
    def document(self) -> dict[str, Any]:
        """For a program, as JSON."""

    def print(self) -> None:
        """Print it for people."""


def need_training() -> None:
    """Raise MissingDependencyError with the way to get it when the `train` extra is not installed."""
    missing = [name for name in ("torch", "timm", "ultralytics", "nncf") if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"this needs {', '.join(missing)}, which recorded footage does not",
            hint="pip install 'vedette[train]'",
        )


def print_line(found: dict[str, Any]) -> None:
    """One line of JSON on stdout."""
    typer.echo(json.dumps(found))


def print_result(result: Printable, as_json: bool) -> None:
    """One JSON document on stdout, or tables."""
    if as_json:
        print_line(result.document)
    else:
        result.print()
