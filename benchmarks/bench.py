#!/usr/bin/env python3
"""How fast is Vedette, against decoding alone and the plain loop that one would write: ``make bench``.

Everything is measured in one run on one machine, each job in a process of its own, one after another.
Recordings are made from ../shared/datasets/clips: a street in 1080p, repeated to a minute, with the sound of
a party.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from conditions import DATASETS, conditions, print_conditions
from jobs import measured
from recordings import repeat, still
from rich.console import Console
from rich.table import Table

CLIPS = DATASETS / "clips"
PACKAGES = ("av", "openvino", "opencv-python", "torch", "ultralytics", "timm")
MEMORY_BUDGET = 700e6  # bytes


@dataclass
class Row:
    """One measured job: ``work``, ``start`` and the recording's ``length`` in seconds, ``peak`` in bytes.

    ``processor`` is the processor time of the work, seconds.
    """

    name: str
    length: float
    work: float
    processor: float
    start: float
    peak: float
    budget: str = ""
    met: bool | None = None

    @property
    def real_time(self) -> float:
        """How many times faster than real time."""
        return self.length / self.work


def measure(name: str, job: str, file: Path, length: float, repeats: int) -> Row:
    """The fastest of ``repeats`` runs, with the largest memory of them."""
    print(f"  {name} ...", file=sys.stderr)
    runs = [measured(job, file) for _ in range(repeats)]
    best = min(runs, key=lambda run: run["work"])
    processor = min(run["processor"] for run in runs)
    return Row(name, length, best["work"], processor, best["start"], max(run["peak"] for run in runs))


def judge(row: Row, budget: str, met: bool) -> None:
    """Put a budget of the design beside a row."""
    row.budget, row.met = budget, met


def bench(street: Path, party: Path, folder: Path, length: float, repeats: int) -> list[Row]:
    """Every row of the table, in order, judged by the design's budgets."""
    moving = repeat(folder / "moving.mp4", length, picture=street, sound=party)
    picture = still(folder / "picture.mp4", min(length, 10.0), street)
    nothing = repeat(folder / "nothing-moves.mp4", length, picture=picture, sound=party)
    sound = repeat(folder / "sound.mp4", length, sound=party)
    ten = repeat(folder / "ten-seconds.mp4", 10.0, picture=street, sound=party)

    def row(name: str, job: str, file: Path) -> Row:
        return measure(name, job, file, length, repeats)

    decode = row("decode only", "decode", moving)
    plain = row("plain loop", "plain", moving)
    ours = row("Vedette", "vedette", moving)
    command = row("vedette analyze, from start to exit", "command", moving)
    decode_still = row("decode only, nothing moves", "decode", nothing)
    ours_still = row("Vedette, nothing moves", "vedette", nothing)
    every = row("Vedette, sound alone, every window", "vedette", sound)
    short = measure("vedette analyze, 10 s, from start to exit", "command", ten, 10.0, repeats)
    page = measure("vedette --help", "help_page", ten, 0.0, repeats)

    slower, faster = ours.work / decode.work, plain.work / ours.work
    judge(
        ours,
        f"{slower:.2f}x decoding (at most 2), {faster:.1f}x faster than plain (at least 3)",
        slower <= 2 and faster >= 3,
    )
    judge(command, f"{command.peak / 1e6:.0f} MB (under 700)", command.peak < MEMORY_BUDGET)
    slower = ours_still.work / decode_still.work
    judge(ours_still, f"{slower:.2f}x decoding (at most 1.2)", slower <= 1.2)
    judge(every, f"{every.real_time:.0f}x real time (at least 100)", every.real_time >= 100)
    judge(short, "everything within 4 s, the first event sooner", short.work < 4)
    judge(page, "within 0.5 s", page.work < 0.5)
    return [decode, plain, ours, command, decode_still, ours_still, every, short, page]


def show(rows: list[Row], around: dict[str, str]) -> None:
    """Print the table and the conditions."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title=f"{rows[0].length:.0f} s of 1920x1080 with sound, one run")
    table.add_column("job")
    for heading in ("work", "processor", "real time", "start", "peak memory"):
        table.add_column(heading, justify="right")
    table.add_column("budget")
    for row in rows:
        verdict = "" if row.met is None else ("met: " if row.met else "MISSED: ")
        table.add_row(
            row.name,
            f"{row.work:.2f} s",
            f"{row.processor:.2f} s",
            f"{row.real_time:.1f}x" if row.length else "",
            f"{row.start:.2f} s",
            f"{row.peak / 1e6:.0f} MB",
            verdict + row.budget,
        )
    console.print(table)
    print_conditions(console, around, "processor times")


def main() -> None:
    """Make the recordings, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", type=Path, default=CLIPS / "street_1080p.mp4", help="clip to repeat")
    parser.add_argument(
        "--sound", type=Path, default=CLIPS / "party.mp4", help="clip whose sound is repeated"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="length of every recording")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each job; the fastest counts")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    for clip in (options.picture, options.sound):
        if not clip.is_file():
            parser.error(f"{clip} is not there: name other clips with --picture and --sound")
    around = conditions(("audio", "vision"), PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        rows = bench(options.picture, options.sound, Path(folder), options.seconds, options.repeat)
    if options.json:
        print(json.dumps({"conditions": around, "rows": [asdict(row) for row in rows]}, indent=1))
    else:
        show(rows, around)


if __name__ == "__main__":
    main()
