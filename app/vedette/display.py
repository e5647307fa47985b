"""What the command shows while it works and of what it found: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import math
import os
import sys
from types import TracebackType
from typing import Any, Final, Literal, Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.text import Text

from vedette.api import OnProgress
from vedette.batch import Outcome
from vedette.counting import bars
from vedette.jobs import Job
from vedette.messages import complain, tell
from vedette.report.table import print_events
from vedette.report.wording import one_line
from vedette_base.errors import OutputError
from vedette_base.score import LEVELS, Level

PIPED: Final = 160  # columns of a table that goes to a file or another program


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
        piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
        self._out = Console(
            soft_wrap=not sys.stdout.isatty(), width=PIPED if piped else None, highlight=False
        )
        self._progress = bars(
            TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[position]}")
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
        name = one_line(job.path.name)
        task = self._tasks[job] = self._progress.add_task(name, total=None, position="")

        def on_progress(done: float, total: float | None) -> None:
            position = f"{clock(done)} of {clock(total)}" if total else clock(done)
            self._progress.update(task, completed=done, total=total, position=position)

        return on_progress

    def show(self, outcome: Outcome) -> None:
        """Print one recording's result, or why there is none."""
        if outcome.job in self._tasks:
            self._progress.remove_task(self._tasks.pop(outcome.job))
        self._progress.stop()  # takes the bars off the terminal, which results may share with them
        self._show_result(outcome)
        if outcome.error is not None:
            complain(outcome.error)
        self._progress.start()

    def _show_result(self, outcome: Outcome) -> None:
        if self._format == "json":
            found = outcome.analysis.to_dict() if outcome.analysis else outcome.earlier
            if found is not None:
                sys.stdout.write(json.dumps(found) + "\n")
                sys.stdout.flush()  # whoever reads them from a pipe waits for each
        elif outcome.analysis is not None:
            print_events(outcome.analysis, self._out, min_level=self._min_level)
            if not isinstance(outcome.error, OutputError):
                self._say(f"Report: {outcome.job.folder / 'report.html'}")
            self._out.print()
        elif outcome.earlier is not None:
            self._say(earlier_line(outcome.job, outcome.earlier))
        for warning in outcome.analysis.warnings if outcome.analysis is not None else ():
            tell(f"{outcome.job.path}: {warning}")

    def _say(self, line: str) -> None:
        self._out.print(Text(one_line(line)), soft_wrap=True)

    def sum_up(self, planned: int, done: int, failed: int) -> None:
        """A closing line for more than one recording, or when something is missing."""
        if done < planned:
            tell(f"interrupted: {planned - done} of {planned} recordings were not begun")
        elif planned > 1:
            tell(f"{done - failed} of {planned} recordings analysed, {failed} failed")


def clock(seconds: float) -> str:
    """``H:MM:SS`` of a time."""
    if not math.isfinite(seconds):
        return "?"
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def earlier_line(job: Job, found: dict[str, Any]) -> str:
    """One line for a recording that an earlier run has finished."""
    events = _standing(found)
    worst = max((event["level"] for event in events), key=LEVELS.index, default=None)
    what = f"{len(events)} event{'s' if len(events) > 1 else ''}, gravest {worst}" if worst else "no events"
    return f"{job.path}: analysed before, {what}; report: {job.folder / 'report.html'}"


def _standing(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of an ``events.json`` that were not retracted."""
    return [event for event in found.get("events", ()) if event.get("state") != "retracted"]


def reaches(outcome: Outcome, level: Level) -> bool:
    """Whether an event of ``level`` or graver was found."""
    if outcome.analysis is not None:
        levels = [event.level for event in outcome.analysis.standing]
    else:
        levels = [event["level"] for event in _standing(outcome.earlier or {})]
    return any(LEVELS.index(found) >= LEVELS.index(level) for found in levels)
