"""What `vedette evaluate audio` does: measure, write the page with its pictures, and print."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from vedette.counting import counting
from vedette.display import PIPED
from vedette.report.evaluation_page import make_evaluation_page
from vedette.report.evaluation_table import print_tables
from vedette_audio.evaluate import rounded, score_part
from vedette_audio.evaluation.evaluation import Evaluation, measure
from vedette_audio.evaluation.leak import GROUPED_FOLDS, RANDOM_FOLDS, WHY, Leak, measure_leak
from vedette_audio.evaluation.scored import Sounds, read_table, write_table
from vedette_audio.evaluation.tables import Table, between, number, tables
from vedette_base.bundle import Bundle, load_bundle
from vedette_base.config import AudioConfig
from vedette_base.errors import OutputError


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured, for a program (``document``) and for people (``print``)."""

    document: dict[str, Any]
    title: str
    conditions: tuple[str, ...]
    tables: tuple[Table, ...]

    def print(self) -> None:
        """Print the tables on stdout."""
        terminal = sys.stdout.isatty()
        console = Console(highlight=False, soft_wrap=not terminal, width=None if terminal else PIPED)
        print_tables(self.title, self.conditions, self.tables, console)


def evaluate_model(
    manifest: Path, cache: Path, model: str, part: Literal["test", "val", "all"], out: Path | None
) -> Result:
    """Measure a bundle on a part of a manifest. Raises DataError, BundleError, OutputError."""
    bundle = load_bundle(model)
    folder = results_folder(out)
    with counting("listening") as tell:
        scored = score_part(manifest, bundle, cache=cache, part=part, tell=tell)
    found = measure(
        scored,
        part,
        model=f"{bundle.card.name} {bundle.card.version}",
        manifest=str(manifest),
        shipped=AudioConfig().threshold,
        notes=_of_bundle(bundle, manifest),
    )
    return _finished(found, folder)


def evaluate_table(manifest: Path, cache: Path, table: Path, out: Path | None) -> Result:
    """Measure a table of scores, a row per clip. Raises DataError, OutputError."""
    folder = results_folder(out)
    scored = read_table(table, Sounds.open(manifest, cache))
    found = measure(scored, "out_of_fold", model=str(table), manifest=str(manifest))
    return _finished(found, folder)


def compare_folds(manifest: Path, cache: Path, teacher: Path | None, out: Path | None) -> Result:
    """Plain classifiers on random and on grouped folds. Raises DataError, BundleError, OutputError."""
    folder = results_folder(out)
    sounds = Sounds.open(manifest, cache)
    with counting("listening") as tell:
        found = measure_leak(sounds, teacher, tell=tell)
    leaks = [asdict(leak) for leak in found]
    document = {"schema": 1, "task": "audio-leak", "manifest": str(manifest), "why": WHY, "leaks": leaks}
    document = rounded(document)
    if folder is not None:
        write_result(folder / "leak.json", json.dumps(document, indent=1))
    return Result(
        document, "What a random split is worth: firearm, twins merged", (WHY,), (_leak_table(found),)
    )


def _leak_table(leaks: tuple[Leak, ...]) -> Table:
    rows = []
    for leak in leaks:
        for unit, random, grouped in (
            ("clips", leak.random, leak.grouped),
            ("recordings, each counting once", leak.random_recordings, leak.grouped_recordings),
        ):
            cells = (number(grouped.value), between(grouped), number(random.value), between(random))
            rows.append((leak.classifier, unit, *cells, f"{leak.clips} clips, {leak.recordings} recordings"))
    head = (
        "classifier", "share of", f"grouped {GROUPED_FOLDS}-fold", "95 %",
        f"random {RANDOM_FOLDS}-fold (leaks)", "95 %", "from",
    )  # fmt: skip
    return Table(
        "Accuracy", head, tuple(rows), "Intervals are over recordings in both columns.", words=(0, 1, 6)
    )


def _finished(found: Evaluation, folder: Path | None) -> Result:
    shown = tables(found)
    title = f"{found.model} on {found.manifest}"
    conditions = tuple(filter(None, (found.warning, *found.conditions)))
    document = found.as_dict()
    if folder is not None:
        from vedette_audio.evaluation.pictures import draw_all

        pictures = draw_all(found, folder)
        page = make_evaluation_page(title, found.conditions, shown, pictures, warning=found.warning)
        write_result(folder / "index.html", page)
        write_result(folder / "evaluation.json", json.dumps(document, indent=1))
        write_table(found.scored, folder / "scores.csv")
    return Result(document, title, conditions, shown)


def _of_bundle(bundle: Bundle, manifest: Path) -> tuple[str, ...]:
    """What a reader must know of the bundle behind the figures."""
    card = bundle.card
    about = f"Model: {card.name} {card.version}, {card.architecture}, {card.precision}; calibrated."
    if hashlib.sha256(manifest.read_bytes()).hexdigest() == card.data.get("manifest_sha256"):
        return (about,)
    return (
        about,
        "It was trained with another manifest: which of these recordings it has heard is not known.",
    )


def results_folder(out: Path | None) -> Path | None:
    """The folder for results, made before anything slow begins. Raises OutputError."""
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out}: cannot be made: {error.strerror or error}") from error
    return out


def write_result(path: Path, text: str) -> None:
    """Write a file of the results. Raises OutputError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
