"""The table that `vedette analyze` prints: what was found, graver first, and what could not be observed."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vedette.analysis import Analysis
from vedette.report.wording import (
    KIND_WORDS,
    clock,
    not_observed,
    one_line,
    percent,
    shots_words,
    summary,
    wall,
    what,
    why,
)
from vedette_base.score import LEVELS, Level, ThreatEvent

# Never colour alone: the level is always spelt out, so the table reads the same with NO_COLOR.
_STYLES: dict[Level, str] = {
    "critical": "bold white on red",
    "high": "bold red",
    "elevated": "bold yellow",
    "low": "dim",
}
_WIDE = 100  # columns from which the reasons get a column of their own


def print_events(analysis: Analysis, console: Console, *, min_level: Level = "low") -> None:
    """Print one recording's result: a table of events from ``min_level`` up, and what was not observed."""
    console.print(event_table(analysis, min_level=min_level, width=console.width))


def event_table(analysis: Analysis, *, min_level: Level = "low", width: int = 80) -> RenderableType:
    """One recording's result as something rich can print, made for ``width`` columns."""
    title = Text(one_line(analysis.source.name), style="bold")
    title.append(f"  {clock(analysis.duration)}", style="dim")
    events = analysis.standing
    shown = [event for event in events if LEVELS.index(event.level) >= LEVELS.index(min_level)]
    parts: list[RenderableType] = [title]
    if not analysis.complete:
        parts.append(Text("Stopped before the end: what follows is only what was found so far.", "yellow"))
    hidden = len(events) - len(shown)
    if shown:
        parts.append(_table(analysis, shown, width))
    elif not hidden:
        parts.append(Text(summary(analysis)))
    if hidden:
        parts.append(Text(f"{hidden} event{'s' if hidden > 1 else ''} below {min_level} not listed.", "dim"))
    parts.extend(Text(sentence, style="yellow") for sentence in not_observed(analysis))
    return Group(*parts)


def _table(analysis: Analysis, events: list[ThreatEvent], width: int) -> Table:
    wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("level", no_wrap=True)
    table.add_column("kind", no_wrap=wide)
    table.add_column("time", no_wrap=analysis.source.recorded_at is None or wide)
    table.add_column("prob.", justify="right", no_wrap=True)
    table.add_column("what")
    if wide:
        table.add_column("why (log-odds)", style="dim")
    for event in events:
        recognised = Text(_recognised(event))
        if not wide:
            recognised.append(f"\n{why(event)}", style="dim")
        cells: list[RenderableType] = [
            str(event.rank),
            Text(event.level, style=_STYLES[event.level]),
            KIND_WORDS[event.kind].lower(),
            _when(analysis, event),
            percent(event.probability),
            recognised,
        ]
        table.add_row(*cells, *([why(event)] if wide else []))
    return table


def _when(analysis: Analysis, event: ThreatEvent) -> Text:
    text = Text(clock(event.start))
    moment = analysis.wall_clock(event.start)
    if moment is not None:
        text.append(f"\n{wall(moment)}", style="dim")
    return text


def _recognised(event: ThreatEvent) -> str:
    return "; ".join(part for part in (shots_words(event), what(event)) if part)
