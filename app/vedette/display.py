"""What the command shows while it works and of what it found: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Any, Literal, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vedette.api import OnProgress
from vedette.batch import Job, Outcome
from vedette.report.table import print_events
from vedette_base.score import LEVELS, Level


class Display:
    """Shows a batch: a progress bar per recording in hand, then its table.

    Args:
        min_level: events below it are counted, not listed.
        format: ``table``, or ``json``: one line of `events.json` per recording.

    Bars appear on a terminal only; nothing but results goes to stdout.
    """

    def __init__(self, min_level: Level = "low", format: Literal["table", "json"] = "table") -> None:  # noqa: A002
        self._min_level = min_level
        self._format = format
        self._out = Console(soft_wrap=not sys.stdout.isatty(), highlight=False)
        self._err = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[position]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
            disable=not self._err.is_terminal,
        )
        self._tasks: dict[Job, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def progress_of(self, job: Job) -> OnProgress:
        """A callback that moves this recording's bar."""
        task = self._tasks[job] = self._progress.add_task(job.path.name, total=None, position="")

        def on_progress(done: float, total: float | None) -> None:
            position = f"{clock(done)} of {clock(total)}" if total else clock(done)
            self._progress.update(task, completed=done, total=total, position=position)

        return on_progress

    def show(self, outcome: Outcome) -> None:
        """Print one recording's result, or why there is none."""
        if outcome.job in self._tasks:
            self._progress.remove_task(self._tasks.pop(outcome.job))
        if outcome.error is not None:
            self._err.print(f"vedette: {outcome.error}", markup=False)
            if outcome.error.hint:
                self._err.print(f"  hint: {outcome.error.hint}", markup=False)
        elif self._format == "json":
            found = outcome.analysis.to_dict() if outcome.analysis else outcome.earlier
            sys.stdout.write(json.dumps(found) + "\n")
        elif outcome.analysis is not None:
            print_events(outcome.analysis, self._out, min_level=self._min_level)
            self._out.print(f"Report: {outcome.job.folder / 'report.html'}\n", markup=False)
            for warning in outcome.analysis.warnings:
                self._err.print(f"vedette: {outcome.job.path}: {warning}", markup=False)
        elif outcome.earlier is not None:
            self._out.print(earlier_line(outcome.job, outcome.earlier), markup=False)

    def sum_up(self, planned: int, done: int, failed: int) -> None:
        """A closing line for more than one recording, or when something is missing."""
        if done < planned:
            self._err.print(f"vedette: interrupted: {planned - done} of {planned} recordings were not begun")
        elif planned > 1:
            self._err.print(f"vedette: {done - failed} of {planned} recordings analysed, {failed} failed")


def clock(seconds: float) -> str:
    """``H:MM:SS`` of a time."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def earlier_line(job: Job, found: dict[str, Any]) -> str:
    """One line for a recording that an earlier run has finished."""
    events = found["events"]
    worst = max((event["level"] for event in events), key=LEVELS.index, default=None)
    what = f"{len(events)} events, gravest {worst}" if worst else "no events"
    return f"{job.path}: analysed before, {what}; report: {job.folder / 'report.html'}"


def reaches(outcome: Outcome, level: Level) -> bool:
    """Whether an event of ``level`` or graver was found."""
    if outcome.analysis is not None:
        levels = [event.level for event in outcome.analysis.events]
    else:
        levels = [event["level"] for event in (outcome.earlier or {"events": []})["events"]]
    return any(LEVELS.index(found) >= LEVELS.index(level) for found in levels)
