"""What `vedette evaluate video` does: recordings through the chain, figures per stage, page and tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from vedette.api import Analyzer
from vedette.evaluating import Result, results_folder, write_result
from vedette.jobs import plan
from vedette.messages import complain
from vedette.pipeline import StopFlag
from vedette.report.evaluation_page import make_evaluation_page
from vedette.report.wording import length, one_line
from vedette.video_chain import CONFIRMED, Watched, watch_stages
from vedette.video_figures import (
    MARGIN,
    PAUSE,
    GateFigures,
    StageFigures,
    false_alarms,
    free,
    gate_figures,
    plain,
    stage_figures,
)
from vedette.video_truth import Spans, read_spans, spans_of
from vedette.vision_tables import as_markdown, number
from vedette_audio.evaluation.tables import Table
from vedette_base.bundle import load_bundle
from vedette_base.config import VisionConfig, load_config
from vedette_base.errors import InputError, MediaError, VedetteError
from vedette_vision.detector import WeaponDetector
from vedette_vision.verifier import ChipClassifier

FALSE = "False alarms on video without weapons, stage by stage"


def evaluate_video_model(
    recordings: Sequence[Path],
    model: str,
    *,
    labels: Path | None = None,
    config: Path | None = None,
    out: Path | None = None,
    stop: StopFlag | None = None,
) -> tuple[Result, bool]:
    """Measure the chain on recordings.

    Args:
        recordings: files and folders of them.
        model: bundle of the detector.
        labels: spans in which a weapon is visible (`vedette.video_truth`); without it there is none at all.
        config: vision YAML.
        out: folder for the page, Markdown, JSON and a picture.
        stop: ends early when set, with what was measured so far.

    Returns:
        The figures, and whether every recording could be read; one that could not is named on stderr.

    Raises:
        DataError, BundleError, ConfigError, OutputError; MediaError: nothing could be read.
    """
    jobs = plan(recordings, Path("evaluated"))
    paths = [job.path for job in jobs]
    truth = read_spans(labels) if labels is not None else {}
    named = spans_of(paths, truth, labels.parent if labels is not None else Path())
    settings = load_config(config, VisionConfig) if config is not None else VisionConfig()
    bundle = load_bundle(model)
    if bundle.card.task != "vision":
        raise InputError(f"{model} is a model of {bundle.card.task}, not of pictures")
    folder = results_folder(out)
    detector = WeaponDetector(bundle, settings)
    fusion = Analyzer(models=(model,), vision=settings, senses="vision").fusion_config
    chip = settings.verifier.model
    classifier = ChipClassifier.load(chip) if chip is not None else None
    watched: list[Watched] = []
    spans: list[Spans] = []
    failed: VedetteError | None = None
    for path, own in zip(paths, named, strict=True):
        if stop is not None and stop.is_set():
            break
        try:
            with _bar(path) as tell:
                one = watch_stages(path, detector, settings, fusion, classifier,
                                   on_progress=tell, stop=stop)  # fmt: skip
        except VedetteError as error:
            failed = error
            if len(paths) > 1:  # the only one is raised, and named once
                complain(error)
            continue
        watched.append(one)
        spans.append(own or ())
    if not watched:
        if failed is not None and len(paths) > 1:
            raise MediaError(f"none of {len(paths)} recordings could be measured")
        raise failed or InputError("nothing was measured")
    name = f"{detector.card.name} {detector.card.version}"
    unnamed = [one_line(p.name) for p, own in zip(paths, named, strict=True) if own is None and truth]
    conditions = (
        f"Model {name}: {detector.card.architecture}, {detector.card.precision}, {detector.description}.",
        f"{settings.frames_per_second:g} pictures a second; a box counts from the class's threshold: "
        + ", ".join(f"{k} {detector.threshold(k):g}" for k in ("knife", "long_gun", "pistol")) + ".",
        f"Without weapons: what is {MARGIN:g} s or more from every labelled span.",
        *([f"Not in the labels, so taken as without weapons: {', '.join(unnamed)}."] if unnamed else []),
        "Whether a box in a labelled span lies on the weapon is not known: spans have no boxes.",
    )  # fmt: skip
    return _finish(name, watched, spans, conditions, folder), failed is None


def _finish(
    name: str,
    watched: Sequence[Watched],
    spans: Sequence[Spans],
    conditions: tuple[str, ...],
    folder: Path | None,
) -> Result:
    found, gate = stage_figures(watched, spans), gate_figures(watched, spans, CONFIRMED)
    document: dict[str, Any] = {
        "schema": 1,
        "task": "video",
        "model": name,
        "conditions": list(conditions),
        "stages": [f.as_dict() for f in found],
        "motion_gate": gate.as_dict(),
        "recordings": [_described(w, own) for w, own in zip(watched, spans, strict=True)],
    }
    tables = (stage_table(found), gate_table(gate), recording_table(watched, spans))
    title = f"{name} on {len(watched)} recording{'s' if len(watched) != 1 else ''}"
    if folder is not None:
        from vedette.video_picture import draw_stages

        drawn = draw_stages(found, folder)
        write_result(folder / "index.html", make_evaluation_page(title, conditions, tables, drawn))
        write_result(folder / "evaluation.md", as_markdown(title, conditions, tables))
        write_result(folder / "evaluation.json", json.dumps(document, indent=1))
    return Result(document, title, conditions, tables)


def stage_table(found: Sequence[StageFigures]) -> Table:
    """A row per stage."""
    hours = found[0].hours if found else 0.0
    rows = tuple(
        (f.stage, str(f.pictures), _count(f.false_pictures), _count(f.false_boxes), str(f.alarms),
         number(f.per_hour, 1), "" if math.isnan(f.low) else f"[{f.low:.1f}, {f.high:.1f}]",
         f"{f.found} of {f.spans}" if f.spans else "-", number(f.delay, 1))
        for f in found
    )  # fmt: skip
    return Table(
        FALSE,
        ("after", "pictures looked at", "with a false box", "false boxes", "alarms", "per hour", "95 %",
         "weapon spans found", "after (s)"),
        rows,
        f"{length(hours * 3600)} without weapons. Pictures with a box at most {PAUSE:g} s apart are one "
        "alarm. Exact Poisson intervals, as if alarms came independently: in one scene they do not.",
    )  # fmt: skip


def gate_table(gate: GateFigures) -> Table:
    """What the motion gate saves and loses."""
    rows = (
        ("sampled pictures skipped", *_share(gate.skipped, gate.sampled)),
        ("pictures with a box in spans with a weapon, lost",
         *_share(gate.weapon_skipped, gate.weapon_pictures)),
        ("pictures with a false box, saved", *_share(gate.false_skipped, gate.false_pictures)),
        ("spans with a weapon confirmed, with and without the gate",
         f"{gate.confirmed} and {gate.ungated}", ""),
        ("false tracks confirmed, with and without the gate",
         f"{gate.false_confirmed} and {gate.false_ungated}", ""),
    )  # fmt: skip
    note = "While something is followed and not yet confirmed the gate leaves nothing out."
    return Table("Motion gate", ("", "pictures", "share"), rows, note)


def recording_table(watched: Sequence[Watched], spans: Sequence[Spans]) -> Table:
    """False alarms of each recording at every stage."""
    stages = list(watched[0].stages) if watched else []
    rows = tuple(
        (one_line(Path(w.name).name), length(sum(s.duration for s in w.observed)),
         length(sum(s.duration for s in free(w.observed, own))), _percent(len(w.skipped), w.sampled),
         *(str(len(false_alarms(w.stages[name], own))) for name in stages))
        for w, own in zip(watched, spans, strict=True)
    )  # fmt: skip
    return Table(
        "False alarms per recording", ("recording", "seen", "without weapons", "skipped", *stages), rows
    )


def _described(watched: Watched, spans: Spans) -> dict[str, Any]:
    free_of = free(watched.observed, spans)
    return {
        "path": watched.name,
        "seconds": plain(sum(s.duration for s in watched.observed)),
        "seconds_without_weapons": plain(sum(s.duration for s in free_of)),
        "weapon_spans": [[s.start, s.end] for s in spans],
        "sampled": watched.sampled,
        "skipped": len(watched.skipped),
        "stages": {
            name: {
                "pictures": stage.pictures,
                "pictures_with_a_box": len(stage.boxes),
                "false_alarms": [[plain(a.time), plain(a.end)] for a in false_alarms(stage, spans)],
            }
            for name, stage in watched.stages.items()
        },
    }


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _share(part: int, whole: int) -> tuple[str, str]:
    return f"{part} of {whole}", _percent(part, whole)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


@contextmanager
def _bar(path: Path) -> Iterator[Any]:
    """A progress bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(one_line(path.name), total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
