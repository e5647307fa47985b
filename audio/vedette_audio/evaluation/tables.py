"""The figures as tables of words, for whatever shows them: a terminal or a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vedette_audio.evaluation.evaluation import Evaluation
from vedette_audio.evaluation.measures import Figure
from vedette_audio.evaluation.sources import Heard


@dataclass(frozen=True, slots=True)
class Table:
    """A table: ``rows`` have as many cells as ``head``; ``words``
    are the columns of words, the others hold numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    words: tuple[int, ...] = (0,)


def tables(found: Evaluation) -> tuple[Table, ...]:
    """All tables that have rows, the figures to quote first."""
    everything = (
        _figures(found),
        _points(found),
        _positives(found),
        _negatives(found),
        _confusion(found),
        _clips("Other sounds that were heard most like a shot", found.false),
        _clips("Shots that were heard least", found.missed),
    )
    return tuple(table for table in everything if table.rows)


def number(value: float | None, places: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{places}f}"


def between(figure: Figure, places: int = 3) -> str:
    """An interval in brackets, or nothing."""
    if figure.low is None or figure.high is None:
        return ""
    return f"[{figure.low:.{places}f}, {figure.high:.{places}f}]"


def _figures(found: Evaluation) -> Table:
    r = found.report
    typed = f"{r.typed_clips} shots of {r.typed_recordings} recordings"
    detection = f"{r.shots} shots of {r.clips} clips, {r.recordings} recordings"
    others = f"{r.shots_others} shots, {r.recordings_others} recordings"
    alarms = f"{r.shots} shots; {{}} allowed in {r.negative_hours:.2f} h without shots"
    lines: Sequence[tuple[str, Figure, str]] = (
        ("type, eight-way: accuracy, mean over recordings", r.accuracy_8, typed),
        ("type, eight-way: macro F1", r.macro_f1_8, typed),
        ("type, eight-way: macro AUROC", r.macro_auc_8, typed),
        ("type, nine-way: accuracy, mean over recordings", r.accuracy_9, typed),
        ("type, nine-way: macro F1", r.macro_f1_9, typed),
        ("shot or not: AUROC", r.auroc, detection),
        ("shot or not: average precision", r.ap, detection),
        ("the same without the nine-type set: AUROC", r.auroc_others, others),
        ("the same without the nine-type set: average precision", r.ap_others, others),
        ("recall at 10 false alarms per hour", r.recall_10, alarms.format(int(10 * r.negative_hours))),
        ("recall at 1 false alarm per hour", r.recall_1, alarms.format(int(r.negative_hours))),
        ("calibration error (ECE) of P(shot)", r.ece, detection),
    )
    return Table(
        "Figures, not to be quoted" if found.warning else "Figures",
        ("figure", "value", "95 %", "from"),
        tuple((name, number(f.value), between(f), source) for name, f, source in lines),
        "Eight-way: twins (M4 and M16) merged. "
        "Nine-way: a sound that lies in two folders is right in one of them at most.",
        words=(0, 3),
    )


def _points(found: Evaluation) -> Table:
    rows = tuple(
        (
            point.name,
            f"> {point.threshold:.3f}",
            f"{point.found} of {point.shots}",
            number(point.recall.value),
            between(point.recall),
            f"{point.alarms} in {found.report.negative_hours:.2f} h",
            number(point.per_hour.value, 1),
            between(point.per_hour, 1),
        )
        for point in found.points
    )
    head = ("at", "P(shot)", "shots found", "recall", "95 %", "false alarms", "per hour", "95 %")
    note = "Here a threshold is held; in the figures above it is set anew in every bootstrap sample."
    return Table("Thresholds", head, rows, note)


def _positives(found: Evaluation) -> Table:
    rows = tuple(
        (
            p.source,
            f"{p.shots}",
            f"{p.recordings}",
            number(p.auroc.value),
            between(p.auroc),
            f"{p.found_10} of {p.shots}",
        )
        for p in found.positives
    )
    head = ("shots of", "clips", "recordings", "AUROC", "95 %", "found at 10 false alarms/h")
    return Table("Shots by source, against all sound without shots", head, rows)


def _negatives(found: Evaluation) -> Table:
    rows = tuple(
        (
            n.source,
            f"{n.clips}",
            f"{n.recordings}",
            f"{n.hours:.2f}",
            f"{n.alarms}",
            number(n.per_hour.value, 1),
            between(n.per_hour, 1),
        )
        for n in found.negatives
    )
    head = ("sound of", "clips", "recordings", "hours", "false alarms", "per hour", "95 %")
    hours = f"{found.report.negative_hours:.2f} h"
    note = f"At the threshold of 10 false alarms per hour of all {hours} without shots."
    return Table("False alarms by source", head, rows, note)


def _confusion(found: Evaluation) -> Table:
    matrix = found.confusion
    rows = tuple(
        (
            name,
            f"{recordings}",
            *(f"{share:.2f} ({count})" if count else "." for share, count in zip(*row, strict=True)),
        )
        for name, recordings, row in zip(
            matrix.names, matrix.recordings, zip(matrix.share, matrix.count, strict=True), strict=True
        )
    )
    note = "Share of each true type, as the mean over its recordings, and clips in brackets."
    return Table("Confusion of types", ("true", "recordings", *matrix.names), rows, note)


def _clips(title: str, clips: Sequence[Heard]) -> Table:
    def rows() -> Iterator[tuple[str, ...]]:
        for clip in clips:
            yield clip.path, clip.fine, f"{clip.probability:.3f}", f"{clip.seconds:.1f}"

    return Table(title, ("clip", "sound", "P(shot)", "seconds"), tuple(rows()), words=(0, 1))
