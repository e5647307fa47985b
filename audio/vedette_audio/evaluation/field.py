"""The figures of known mixtures and of bad sound as tables of words."""

from __future__ import annotations

from collections.abc import Mapping

from vedette_audio.conditions import full_name
from vedette_audio.evaluation.tables import Table, between, number
from vedette_audio.robustness import ALARMS, Robustness
from vedette_audio.shot_figures import EVENT_COLLAR, SHOT_COLLAR, ShotCounts, ShotReport


def shot_tables(found: ShotReport) -> tuple[Table, ...]:
    """Shots in known mixtures: the figures, and the shots by part of the mixtures."""
    shots, events, bursts = found.shots, found.events, found.bursts
    lines: tuple[tuple[str, float | None, int], ...] = (
        ("onset error, median (ms)", shots.onset_median_ms, shots.found),
        ("onset error, 95 % are below (ms)", shots.onset_p95_ms, shots.found),
        ("event F1", events.f1, events.events),
        ("event precision", events.precision, events.found),
        ("event recall", events.recall, events.events),
        ("bursts with the exact number of shots", bursts.count_exact, bursts.bursts),
        ("error of that number, mean", bursts.count_error, bursts.bursts),
        ("the same with its sign", bursts.count_bias, bursts.bursts),
        ("cadence, median relative error", bursts.cadence_error, bursts.bursts),
        ("cadence within 10 %", bursts.cadence_within_10, bursts.bursts),
        ("single shots or automatic fire, right", bursts.fire, bursts.bursts),
        ("firearm of a burst, right", bursts.firearm, bursts.typed),
        ("family of a burst, right", bursts.family, bursts.typed),
        ("called unknown firearm", bursts.unknown, bursts.typed),
    )
    figures = Table(
        "Known mixtures",
        ("figure", "value", "of"),
        tuple((name, number(value), str(count)) for name, value, count in lines),
        f"Shots are matched within {SHOT_COLLAR:g} s at least error, events within {EVENT_COLLAR:g} s.",
    )
    parts: Mapping[str, ShotCounts] = {
        "all": shots,
        **found.by_ratio,
        **found.by_fire,
        **found.by_origin,
    }
    head = ("mixtures", "shots", "found", "missed", "extra", "median ms", "95 % ms")
    rows = tuple(
        (
            name,
            *(str(n) for n in (c.shots, c.found, c.missed, c.extra)),
            number(c.onset_median_ms, 1),
            number(c.onset_p95_ms, 1),
        )
        for name, c in parts.items()
    )
    return figures, Table("Shots", head, rows)


def robustness_table(found: Robustness) -> Table:
    """One row per condition."""
    per_hour = f"at {ALARMS:g}/h"
    head: tuple[str, ...] = (
        "condition", "AUROC", "AP", f"recall {per_hour}", "95 %", "recall as set", "alarms/h as set", "type",
        "95 %",
    )  # fmt: skip
    rows = tuple(
        (
            full_name(row.kind, row.name),
            number(row.auroc.value),
            number(row.ap.value),
            number(row.recall.value),
            between(row.recall, 2),
            number(row.recall_fixed),
            number(row.alarms_fixed, 1),
            number(row.types.value),
            between(row.types, 2),
        )
        for row in found.rows
    )
    note = (
        f"{found.clips} clips of {found.recordings} recordings ({found.part}), {found.negative_hours:.2f} h "
        "without shots. As set: at the threshold that suits the first row. Intervals: 95 % over recordings."
    )
    return Table("Bad sound", head, rows, note)
