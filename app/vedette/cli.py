"""The `vedette` command: it parses, calls the library and prints.

Results go to stdout or files, all else to stderr.

Exit codes: 0 it ran; 1 some input failed (each is named, the rest was done); 2 wrong usage or configuration;
3 with ``--fail-on LEVEL`` when such an event was found; 130 it was interrupted.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli_classify import classify
from vedette.cli_data import data_app
from vedette.cli_detect import detect
from vedette.cli_evaluate import evaluate_app
from vedette.cli_explain import explain
from vedette.cli_export import export_app
from vedette.cli_train import train_app
from vedette.messages import complain, tell
from vedette_base.errors import InputError, VedetteError

if TYPE_CHECKING:
    from vedette.jobs import Job
    from vedette.recording import RecordingOptions

app = typer.Typer(
    help="Hear gunshots, see weapons, and rank what matters.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(export_app, name="export")
app.command()(classify)
app.command()(detect)
app.command()(explain)


class Level(StrEnum):
    """Threat levels, lowest first."""

    low = "low"
    elevated = "elevated"
    high = "high"
    critical = "critical"


class Sensitivity(StrEnum):
    """How readily an event is raised."""

    low = "low"
    normal = "normal"
    high = "high"


class Senses(StrEnum):
    """Which senses to use."""

    both = "both"
    audio = "audio"
    vision = "vision"


class Backend(StrEnum):
    """What runs the networks."""

    auto = "auto"
    openvino = "openvino"
    torch = "torch"


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"


def main() -> None:
    """Entry point: every expected error is one line and a hint, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end the work
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="vedette")
    except VedetteError as error:
        complain(error)
        raise SystemExit(2 if isinstance(error, InputError) else 1) from None
    except KeyboardInterrupt:
        tell("interrupted")
        raise SystemExit(130) from None
    except OSError as error:  # a full disk under stdout, say; what concerns a recording is a VedetteError
        tell(f"{error.filename or 'output'}: {(error.strerror or str(error)).lower()}")
        with suppress(OSError):  # stdout may be no file at all
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or it fails again at exit
        raise SystemExit(1) from None


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from vedette import __version__

        typer.echo(f"vedette {__version__}")
        raise typer.Exit


def local_path(text: str) -> Path:
    """A path as it was typed; an empty one (of an unset variable, say) must not become the current folder."""
    if not text:
        raise typer.BadParameter("the name of a recording is empty")
    if re.match(r"[a-z][a-z0-9+.-]+://", text):
        raise typer.BadParameter(f"{text} is an address: download the recording first")
    return Path(text)


@app.command()
def analyze(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            parser=local_path, metavar="RECORDING...", help="Recordings, pictures, or folders of them."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("vedette-out"),
    start: Annotated[float | None, typer.Option(help="Begin at this second.")] = None,
    end: Annotated[float | None, typer.Option(help="Stop at this second.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Take the sound from this file instead.")] = None,
    audio_offset: Annotated[float, typer.Option(help="Where the sound file's second 0 lies.")] = 0.0,
    audio_track: Annotated[int, typer.Option(min=0, help="Which sound track, from 0.")] = 0,
    recorded_at: Annotated[
        str | None, typer.Option(help="Wall-clock time of second 0, with its zone.")
    ] = None,
    sequence: Annotated[bool, typer.Option(help="The files are pieces of one recording, in order.")] = False,
    senses: Annotated[Senses, typer.Option(help="Use both senses or one.")] = Senses.both,
    sensitivity: Annotated[Sensitivity, typer.Option(help="Fewer false alarms, or fewer misses.")] = (
        Sensitivity.normal
    ),
    min_level: Annotated[Level, typer.Option(help="Print no events below this level.")] = Level.low,
    fail_on: Annotated[Level | None, typer.Option(help="Exit with 3 on an event of this level.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Another model bundle; repeatable.")] = None,
    config: Annotated[
        list[Path] | None, typer.Option(help="audio, vision or fusion YAML; repeatable.")
    ] = None,
    backend: Annotated[Backend, typer.Option(help="What runs the networks.")] = Backend.auto,
    clips: Annotated[bool, typer.Option("--clips", help="Put playable clips in the report.")] = False,
    annotate: Annotated[bool, typer.Option("--annotate", help="Also write the video with boxes.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Recordings at a time.")] = 1,
    resume: Annotated[bool, typer.Option(help="Keep results that an earlier run has finished.")] = True,
    format: Annotated[Format, typer.Option(help="A table for people, or JSON lines.")] = Format.table,  # noqa: A002
) -> None:
    """Find the seconds that matter in recordings: ranked threat events with reasons and evidence."""
    from vedette.batch import AnalyzerMaker, Output, run_jobs
    from vedette.display import Display, reaches
    from vedette.recording import RecordingOptions
    from vedette.report.files import check_writable

    options = RecordingOptions(
        start=start,
        end=end,
        audio_track=audio_track,
        audio_file=audio,
        audio_offset=audio_offset,
        recorded_at=parse_time(recorded_at),
    )
    planned = plan_jobs(recordings, out, options, sequence=sequence)
    maker = AnalyzerMaker(
        tuple(model or ()), tuple(config or ()), sensitivity.value, senses.value, backend.value
    )
    check_writable(out)  # once, and not for each of a thousand recordings
    done, errors, alarming = 0, list[VedetteError](), False
    with stoppable() as stop, Display(min_level.value, format.value) as display:
        outcomes = run_jobs(
            planned,
            maker,
            Output(clips, annotate),
            workers=min(jobs, len(planned)),
            resume=resume,
            on_progress=display.progress_of,
            stop=stop,
        )
        for outcome in outcomes:
            display.show(outcome)
            done += 1
            errors += [outcome.error] if outcome.error else []
            alarming = alarming or (fail_on is not None and reaches(outcome, fail_on.value))
        display.sum_up(len(planned), done, len(errors))
    if stop.is_set():
        raise typer.Exit(130)
    if errors:  # options that fit none of the recordings are wrong usage
        unfit = len(errors) == len(planned) and all(isinstance(error, InputError) for error in errors)
        raise typer.Exit(2 if unfit else 1)
    if alarming:
        raise typer.Exit(3)


@app.command()
def doctor(
    format: Annotated[Format, typer.Option(help="A table for people, or JSON.")] = Format.table,  # noqa: A002
) -> None:
    """Show what runs here: versions, processor, models and their parity, devices, and what is missing."""
    from vedette.doctor import diagnose, render

    report = diagnose()
    if format is Format.json:
        typer.echo(json.dumps(report.as_dict()))
    else:
        from rich.console import Console

        render(report, Console(highlight=False))
    raise typer.Exit(int(not report.healthy))


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Video file to write.")],
) -> None:
    """Make the demo recording: a synthesised scene with shots, written like any camera's file."""
    from vedette.demo import make_demo

    make_demo(out)
    typer.echo(f"written: {out}", err=True)


def plan_jobs(recordings: list[Path], out: Path, options: RecordingOptions, *, sequence: bool) -> list[Job]:
    """The jobs that the arguments of `analyze` ask for.

    Raises:
        InputError: options that belong to one recording, given with several.
    """
    from vedette.jobs import plan, plan_sequence

    if sequence:
        return [plan_sequence(recordings, out, options)]
    planned = plan(recordings, out, options)
    own = {"--audio": options.audio_file, "--recorded-at": options.recorded_at}
    given = [name for name, value in own.items() if value is not None]
    if len(planned) > 1 and given:
        raise InputError(
            f"{given[0]} belongs to one recording, but {len(planned)} are given",
            hint="analyse them one by one, or add --sequence if they are pieces of one recording",
        )
    return planned


@contextmanager
def stoppable() -> Iterator[Event]:
    """Set by the first Ctrl-C, SIGTERM or hang-up, so that finds get written; a second ends it."""
    stop = Event()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            tell("interrupted; what was in hand is dropped")
            raise KeyboardInterrupt
        stop.set()
        tell("stopping; what was found so far is being written")

    asking = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: the work goes on without a terminal
        asking.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in asking}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def parse_time(text: str | None) -> datetime | None:
    """An ISO 8601 time that carries its zone."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"--recorded-at {text!r} is not an ISO 8601 time", hint="for example 2026-05-01T14:00:00+02:00"
        ) from error
    if time.tzinfo is None:
        raise InputError(f"--recorded-at {text} says no zone", hint=f"for example {text}+00:00 or {text}Z")
    return time
