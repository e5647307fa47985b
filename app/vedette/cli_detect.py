"""`vedette detect`: boxes on stills, videos and cameras."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.messages import complain, tell
from vedette.report.wording import one_line
from vedette_base.errors import InputError, VedetteError

if TYPE_CHECKING:
    from threading import Event

    from rich.progress import Progress

    from vedette.boxdrawing import Drawings
    from vedette.boxlists import BoxTable
    from vedette.detecting import Item, Looker, Sight
    from vedette.trackkeeping import TrackKeeper
    from vedette.window import Window
    from vedette_base.config import VisionConfig


def detect(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE_OR_VIDEO...",
            help="Pictures, videos, folders of them, or camera:0 for a camera of this machine.",
        ),
    ],
    model: Annotated[str | None, typer.Option(help="Bundle name or folder.")] = None,
    config: Annotated[Path | None, typer.Option(help="vision YAML: zones, masks, closer look.")] = None,
    min_probability: Annotated[float, typer.Option(min=0, max=1, help="Leave out boxes below this.")] = 0.25,
    fps: Annotated[
        float | None,
        typer.Option(min=0.01, max=120, help="Pictures a second of video at most; 5 by default."),
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json", help="JSON lines also on a terminal: one per picture looked at.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Also write a CSV with a line per box.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for copies with boxes, and chips of tracks.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show them in a window; q or Esc closes it.")] = False,
) -> None:
    """List the weapons, and what is mistaken for them: a table on a terminal, else JSON lines.

    Boxes are pixels (x1, y1, x2, y2) of the picture as people see it: a photograph is turned as its EXIF
    says. In videos, animations and cameras things are followed: a box has the number of its track. A panorama
    is looked at whole and in overlapping tiles.
    """
    from vedette.boxdrawing import Drawings
    from vedette.boxlists import BoxTable
    from vedette.cli import stoppable
    from vedette.detecting import Looker, items_of
    from vedette.report.files import check_writable
    from vedette.trackkeeping import TrackKeeper
    from vedette.window import Window
    from vedette_vision.detector import WeaponDetector

    detector = WeaponDetector.load(model, _settings(config, fps))
    looker = Looker(detector, min_probability)
    items = items_of(inputs, out)
    if csv is not None and any(item.path and _is_same(item.path, csv) for item in items):
        raise InputError(f"{csv}: is a picture that was given, and no list", hint="give --csv a new name")
    if out is not None:
        check_writable(out)
    with ExitStack() as stack:
        written = stack.enter_context(BoxTable(csv)) if csv else None
        window = stack.enter_context(closing(Window())) if show else None
        stop = stack.enter_context(stoppable())
        bars = stack.enter_context(_bars())
        card = detector.card
        keeper = TrackKeeper(out, f"{card.name} {card.version}") if out else None
        run = _Run(looker, bars, stop, written, Drawings(out, items) if out else None, window, keeper)
        run.listed = not (json_lines or not sys.stdout.isatty())
        failed = run.all(items)
    run.print_table()
    if stop.is_set() and not run.closed:
        raise typer.Exit(130)
    raise typer.Exit(int(failed))


class _Run:
    """One run of the command: every item, and where what is found on it goes."""

    def __init__(
        self,
        looker: Looker,
        bars: Progress,
        stop: Event,
        written: BoxTable | None,
        drawings: Drawings | None,
        window: Window | None,
        keeper: TrackKeeper | None = None,
    ) -> None:
        from vedette.boxlists import ThingTable

        self._looker, self._bars, self._stop = looker, bars, stop
        self._written, self._drawings, self._window = written, drawings, window
        self._keeper = keeper
        self._table = ThingTable()
        self.listed = False  # as a table, and not as JSON lines
        self.closed = False  # the window, which ends the run

    def all(self, items: list[Item]) -> bool:
        """Look at everything; one that cannot be read is named. True where there was such a one."""
        failed = False
        task = self._bars.add_task("looking", total=len(items), visible=len(items) > 1)
        for item in items:
            if self._stop.is_set():
                break
            try:
                self._one(item)
            except VedetteError as error:
                complain(error)
                failed = True
            self._bars.advance(task)
        return failed

    def print_table(self) -> None:
        """What `listed` runs print at the end."""
        from rich.console import Console

        table = self._table.render()
        if self.listed and table is not None:
            Console(highlight=False).print(table)

    def _one(self, item: Item) -> None:
        video, task = False, None
        try:
            for sight in self._looker.look(item, self._stop):
                if sight.time is not None:
                    video = True
                    task = (
                        self._bars.add_task(one_line(item.name), total=sight.duration)
                        if task is None
                        else task
                    )
                    self._bars.update(task, completed=sight.time)
                self._take(sight)
        finally:
            if task is not None:
                self._bars.remove_task(task)
            if self._keeper is not None and video:
                self._keeper.finish(item)
            if self._drawings is not None and not self._drawings.finish(item, video=video, stop=self._stop):
                tell(f"{item.name}: stopped before its copy with boxes was done")
        self._table.finish(item)
        for note in self._looker.notes:
            if not note.startswith("pictures are "):  # turned ones are everyday: JSON says it
                tell(f"{item.name}: {note}")

    def _take(self, sight: Sight) -> None:
        if sight.looked:
            if self.listed:
                self._table.add(sight)
            else:
                from vedette.boxlists import as_line

                notes = self._looker.notes if sight.time is None else ()
                sys.stdout.write(json.dumps(as_line(sight, notes)) + "\n")
                sys.stdout.flush()  # whoever reads them from a pipe waits for each
            if self._written is not None:
                self._written.add(sight)
        if self._drawings is not None:
            self._drawings.add(sight)
        if self._keeper is not None:
            self._keeper.add(sight)
        if self._window is not None and not self._show(self._window, sight):
            self.closed = True
            self._stop.set()

    @staticmethod
    def _show(window: Window, sight: Sight) -> bool:
        from vedette.boxdrawing import draw
        from vedette.window import LONGEST

        return window.show(draw(sight.frame, sight.boxes, sight.time, LONGEST), wait=sight.time is None)


def _is_same(one: Path, two: Path) -> bool:
    try:
        return one.samefile(two)
    except OSError:  # there is no such file
        return False


def _settings(config: Path | None, fps: float | None) -> VisionConfig:
    from vedette_base.config import VisionConfig, load_config

    settings = load_config(config, VisionConfig) if config is not None else VisionConfig()
    return settings if fps is None else settings.model_copy(update={"frames_per_second": fps})


def _bars() -> Progress:
    """Bars on a terminal only."""
    from rich.progress import BarColumn, TextColumn

    from vedette.counting import bars

    return bars(TextColumn("{task.description}", markup=False), BarColumn())
