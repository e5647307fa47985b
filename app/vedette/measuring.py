"""What `vedette evaluate shots` and `robustness` do: measure, write JSON and picture, return tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from vedette.counting import counting
from vedette.evaluating import Result, write_result
from vedette.report.files import check_writable
from vedette_audio.conditions import FLOOR_DBFS, NEAR_M
from vedette_audio.evaluate import rounded
from vedette_audio.evaluation.field import robustness_table, shot_tables
from vedette_audio.robustness import HOP, draw, evaluate_robustness
from vedette_audio.shot_figures import evaluate_shots
from vedette_base.bundle import load_bundle


def measure_shots(manifest: Path, cache: Path, model: str, part: str, out: Path | None) -> Result:
    """Measure a bundle on known mixtures. Raises DataError, BundleError, InputError, OutputError."""
    if out is not None:
        check_writable(out)  # before anything slow
    bundle = load_bundle(model)
    with counting("mixtures") as tell:
        found = evaluate_shots(manifest, bundle, cache=cache, part=part, on_progress=tell)
    document = _document("audio-shots", bundle.card.name, bundle.card.version, manifest, found.as_dict())
    _write(out, "shots.json", document)
    conditions = (
        f"{found.mixtures} known mixtures by recipe {found.recipe}, {found.minutes:g} min, part {part}: half "
        f"of {found.sources} shots cut from real clips, half by formula, -5 to 30 dB over real sound.",
    )
    return Result(document, f"{document['model']} on {manifest}", conditions, shot_tables(found))


def measure_robustness(
    manifest: Path, cache: Path, model: str, part: Literal["test", "val", "all"], out: Path | None
) -> Result:
    """Measure a bundle under every condition. Raises DataError, BundleError, OutputError."""
    if out is not None:
        check_writable(out)
    bundle = load_bundle(model)
    with counting("clips") as tell:
        found = evaluate_robustness(manifest, bundle, cache=cache, part=part, on_progress=tell)
    document = _document("audio-robustness", bundle.card.name, bundle.card.version, manifest, found.as_dict())
    _write(out, "robustness.json", document)
    if out is not None:
        draw(found, out / "robustness.png")
    conditions = (
        f"Windows every {HOP:g} s. Recordings count as {NEAR_M:g} m away; far sound sinks into noise of "
        f"{FLOOR_DBFS:g} dBFS. Background: other sounds without shots, under the loudest 100 ms.",
    )
    return Result(document, f"{document['model']} on {manifest}", conditions, (robustness_table(found),))


def _document(task: str, name: str, version: str, manifest: Path, found: dict[str, Any]) -> dict[str, Any]:
    head = {"schema": 1, "task": task, "model": f"{name} {version}", "manifest": str(manifest)}
    document: dict[str, Any] = rounded({**head, **found})
    return document


def _write(folder: Path | None, name: str, document: dict[str, Any]) -> None:
    if folder is not None:
        write_result(folder / name, json.dumps(document, indent=1) + "\n")
