"""What `vedette evaluate vision` does: look, measure one or two models, write the page, and print."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vedette.counting import counting
from vedette.evaluating import Result, results_folder, write_result
from vedette.report.evaluation_page import make_evaluation_page
from vedette.vision_tables import (
    BANDS,
    advice_table,
    as_markdown,
    difference_table,
    empty_table,
    figure_table,
    finding_table,
    study_tables,
)
from vedette_base.errors import InputError
from vedette_vision.compare import by_subset, compare, figures
from vedette_vision.dataset import Picture
from vedette_vision.detector import Look, WeaponDetector
from vedette_vision.evaluate import VisionReport, judged_pictures, look_at_both, open_detector, report
from vedette_vision.held_out import twins_in_training
from vedette_vision.operating import (
    FALSE_PER_1000,
    RECALLS,
    advise,
    check_rates,
    empty_frames,
    firearm_finding,
)
from vedette_vision.run_model import open_model
from vedette_vision.study import study

Part = Literal["test", "val"]
_WORDS = {"test": "test third of val", "val": "all of val"}
_SHORT = ("all",)
"""Of the tables by confidence the terminal shows these pictures; the page, Markdown and JSON show all."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model saw: raw looks for average precision, and with calibrated probabilities for thresholds."""

    name: str
    about: str
    first: list[Look]
    looks: list[Look]
    sure: list[Look]


def evaluate_vision_model(
    root: Path,
    model: str,
    part: Part,
    *,
    against: str | None = None,
    out: Path | None = None,
    threshold: float = 0.25,
    frames_of: str = "us_cam1",
    keep_twins: bool = False,
    false_per_1000: Sequence[float] = FALSE_PER_1000,
) -> Result:
    """Measure a bundle or a training run, alone or beside another, on pictures that it did not learn from.

    Args:
        root: folder with ``manifest.jsonl``.
        against: the model to compare with.
        out: folder for the page, Markdown, JSON and pictures.
        threshold: probability of the study's tables, 0..1.
        frames_of: subset that says which threshold gives the wanted recall.
        keep_twins: also judge pictures that have a near-duplicate in ``train``.
        false_per_1000: wanted false alarms per 1,000 pictures, for the advice on thresholds.

    Raises:
        DataError, BundleError, OutputError; InputError: a threshold outside 0..1, a rate outside 0..1000.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"--threshold must be within 0..1, got {threshold:g}")
    check_rates(false_per_1000)
    pictures = judged_pictures(root, part)
    folder = results_folder(out)
    names = [model] if against is None else [model, against]
    detectors = [_open(name) for name in names]
    with counting("looking") as tell:
        twins = set() if keep_twins else set(twins_in_training(root, pictures))
        pictures = [p for i, p in enumerate(pictures) if i not in twins]
        if not pictures:
            raise InputError("every picture has a near-duplicate in train", hint="--keep-twins")
        seen = [
            _look(detector, name, pictures, tell) for detector, name in zip(detectors, names, strict=True)
        ]
    return finish(_told_apart(seen), pictures, part, root, len(twins), folder, threshold, frames_of,
                  false_per_1000)  # fmt: skip


def finish(
    seen: Sequence[Seen],
    pictures: Sequence[Picture],
    part: Part,
    root: Path,
    twins: int,
    folder: Path | None,
    threshold: float,
    frames_of: str,
    false_per_1000: Sequence[float] = FALSE_PER_1000,
) -> Result:
    """Everything that follows from the looks."""
    new = seen[0]
    judged = _report(new, pictures, part)
    found = figures(pictures, new.looks)
    first = figures(pictures, new.first, resamples=0)
    studies = {s.name: study(pictures, s.sure, threshold) for s in seen}
    findings = {s.name: _findings(pictures, s.sure, threshold) for s in seen}
    chosen = frames_of if any(p.subset == frames_of for p in pictures) else None
    empty = {
        s.name: [
            empty_frames(pictures, s.sure, chosen, reading, recall)
            for reading in ("ap30", "centre")
            for recall in RECALLS
        ]
        for s in seen
        if chosen
    }  # fmt: skip
    advice = {s.name: advise(pictures, s.sure, false_per_1000) for s in seen}
    differences = compare(pictures, seen[1].looks, new.looks) if len(seen) > 1 else []
    conditions = _conditions(seen, pictures, part, twins)
    if chosen is None:
        conditions += (f"No figures on empty pictures: none of these are of the subset {frames_of}.",)
    document: dict[str, Any] = {
        "schema": 1,
        "task": "vision",
        "data": str(root),
        "model": new.name,
        "against": seen[1].name if len(seen) > 1 else None,
        "conditions": list(conditions),
        "near_duplicates_left_out": twins,
        **judged.as_dict(),
        "figures": [f.as_dict() for f in found],
        "first_look_figures": [f.as_dict() for f in first],
        "differences": [d.as_dict() for d in differences],
        "threshold": threshold,
        "study": {name: {p.subset: p.as_dict() for p in parts} for name, parts in studies.items()},
        "firearms_iou_0.3": {n: {f.subset: f.as_dict() for f in fs} for n, fs in findings.items()},
        "empty_frames": {"recall_on": chosen} | {n: [e.as_dict() for e in es] for n, es in empty.items()},
        "advice": {name: [a.as_dict() for a in given] for name, given in advice.items()},
    }
    tables = (
        figure_table(found, first),
        *((difference_table(differences, seen[1].name, new.name),) if differences else ()),
        *study_tables(studies, threshold),
        *((finding_table(findings, threshold),) if any(findings.values()) else ()),
        *((empty_table(empty, chosen),) if chosen else ()),
        advice_table(advice),
    )
    title = f"{' against '.join(s.name for s in seen)} on {root}"
    if folder is not None:
        from vedette_vision.study_pictures import draw_study

        drawn = draw_study(pictures, {s.name: s.sure for s in seen}, studies, folder)
        write_result(folder / "index.html", make_evaluation_page(title, conditions, tables, drawn))
        write_result(folder / "evaluation.md", as_markdown(title, conditions, tables))
        write_result(folder / "evaluation.json", json.dumps(document, indent=1))
    short = tuple(
        dataclasses.replace(t, rows=tuple(row for row in t.rows if row[0] in _SHORT))
        if t.title == BANDS else t
        for t in tables
    )  # fmt: skip
    return Result(document, title, conditions, short)


def _open(model: str) -> tuple[WeaponDetector, str]:
    bundle, engines = open_model(model)
    card = bundle.card
    about = f"{card.architecture}, {card.precision}, from {model}"
    return open_detector(bundle, engines=engines), about


def _look(
    opened: tuple[WeaponDetector, str],
    name: str,
    pictures: Sequence[Picture],
    tell: Callable[[int, int], None],
) -> Seen:
    detector, about = opened
    first, looks = look_at_both(detector, pictures, tell)
    return seen_by(detector, f"{detector.card.name} {detector.card.version}", about, first, looks)


def seen_by(detector: WeaponDetector, name: str, about: str, first: list[Look], looks: list[Look]) -> Seen:
    """Looks, and the same with the probabilities that the detector's card gives them."""
    sure = [Look(look.boxes, detector.probabilities(look), look.classes) for look in looks]
    return Seen(name, about, first, looks, sure)


def _told_apart(seen: Sequence[Seen]) -> list[Seen]:
    """Two models of one name and version get a number."""
    if len({s.name for s in seen}) == len(seen):
        return list(seen)
    return [dataclasses.replace(s, name=f"{s.name} ({i})") for i, s in enumerate(seen, 1)]


def _report(new: Seen, pictures: Sequence[Picture], part: Part) -> VisionReport:
    plain = report(pictures, new.first, part=part, path="whole")
    judged = report(pictures, new.looks, part=part, path="closer")
    return dataclasses.replace(judged, first_look=plain.subsets)


def _findings(pictures: Sequence[Picture], looks: Sequence[Look], threshold: float) -> list[Any]:
    found = [
        firearm_finding(subset, [pictures[i] for i in chosen], [looks[i] for i in chosen], threshold)
        for subset, chosen in by_subset(pictures)
    ]
    return [f for f in found if f.true]


def _conditions(seen: Sequence[Seen], pictures: Sequence[Picture], part: Part, twins: int) -> tuple[str, ...]:
    groups = len({p.group for p in pictures})
    own = {name: len({pictures[i].group for i in chosen}) for name, chosen in by_subset(pictures)[1:]}
    return (
        *(f"Model {s.name}: {s.about}." for s in seen),
        f"{len(pictures)} pictures of {groups} groups, {_WORDS[part]}, with the closer look at people.",
        f"Groups: {', '.join(f'{name} {n}' for name, n in own.items())}; a few groups give a rough interval.",
        f"Near-duplicates of training pictures left out: {twins}.",
        "Confidence is the calibrated probability that `vedette detect` prints.",
    )
