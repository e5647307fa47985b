#!/usr/bin/env python3
"""How fast is the sound alone: every window scored, with the impulse gate, and the plain loop.

One run on one machine, each job in a process of its own, the jobs taking turns ``--repeat`` times; the
fastest turn of each counts. Recordings are M4A (AAC), made of what the data set has:

- ``street``: clips without a shot of the street classes of ``urbansound8k``, of ``val``, one after another;
- ``party``: the sound of ``clips/party.mp4``, repeated, or of the recording named with ``--sound``.

``python benchmarks/sound.py`` needs ../shared/datasets.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from conditions import DATASETS, conditions, print_conditions
from jobs import measured
from recordings import repeat
from rich.console import Console
from rich.table import Table

RATE = 48_000
PACKAGES = ("openvino", "torch", "torchaudio", "timm", "numpy")
JOBS = {"every window": "every_window", "with the gate": "with_gate", "plain loop": "plain"}
"""What the table calls the jobs of ``jobs.py``."""


@dataclass
class Row:
    """One job on one recording: seconds of wall-clock and processor time of the work, times real time."""

    recording: str
    job: str
    work: float
    processor: float
    real_time: float


def street(out: Path, seconds: float) -> Path:
    """So many seconds of street sound without a shot, from clips that nothing was fitted on."""
    from vedette_audio.dataset import decode, read_manifest

    folder = DATASETS / "audio"
    clips = [c for c in read_manifest(folder / "manifest.csv") if c.split == "val" and not c.shot]
    clips = [clip for clip in clips if clip.source == "urbansound8k"]
    parts, count = [], 0
    for index in np.random.default_rng(0).permutation(len(clips)):
        parts.append(decode(folder / clips[index].path))
        count += parts[-1].size
        if count >= seconds * RATE:
            break
    return encode(out, np.resize(np.concatenate(parts), round(seconds * RATE)))


def encode(out: Path, sound: np.ndarray) -> Path:
    """Write mono sound at 48 kHz as AAC."""
    with av.open(str(out), "w") as target:
        stream = target.add_stream("aac", rate=RATE, layout="mono")
        for start in range(0, sound.size, 1024):
            frame = av.AudioFrame.from_ndarray(
                sound[None, start : start + 1024], format="fltp", layout="mono"
            )
            frame.rate, frame.pts = RATE, start
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out


def skipped(file: Path) -> float:
    """Share of the windows of a recording that the gate skips."""
    from vedette_audio.dataset import decode
    from vedette_audio.gate import shipped_gate
    from vedette_audio.windows import Run
    from vedette_base.config import AudioConfig

    config = AudioConfig()
    windows = Run(0.0, config.window, config.hop).add(decode(file))
    return 1 - float(np.mean([shipped_gate().may_hold_shot(w.log_mels[None])[0] for w in windows]))


def bench(recordings: dict[str, Path], seconds: float, repeats: int) -> list[Row]:
    """Every job on every recording, taking turns; the fastest turn of each."""
    rows = []
    for name, file in recordings.items():
        turns: dict[str, list[dict[str, float]]] = {job: [] for job in JOBS}
        for _ in range(repeats):
            for job in JOBS:
                print(f"  {name}: {job} ...", file=sys.stderr)
                turns[job].append(measured(JOBS[job], file))
        for job, times in turns.items():
            work, processor = (min(turn[kind] for turn in times) for kind in ("work", "processor"))
            rows.append(Row(name, job, work, processor, seconds / work))
    return rows


def show(rows: list[Row], shares: dict[str, float], around: dict[str, str], seconds: float) -> None:
    """Print the table and the conditions."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(title=f"{seconds:.0f} s of sound, one run")
    for heading in ("recording", "job", "work", "processor", "real time", "plain loop's work / this"):
        table.add_column(heading)
    plain = {row.recording: row.work for row in rows if row.job == "plain loop"}
    for row in rows:
        times = f"{plain[row.recording] / row.work:.1f}x"
        work, processor = f"{row.work:.2f} s", f"{row.processor:.2f} s"
        table.add_row(row.recording, row.job, work, processor, f"{row.real_time:.0f}x", times)
    console.print(table)
    for name, share in shares.items():
        console.print(f"the gate skips {share:.0%} of the windows of {name}", highlight=False)
    print_conditions(console, around, "ratios and processor times")


def main() -> None:
    """Make the recordings, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="length of every recording")
    parser.add_argument("--repeat", type=int, default=2, help="turns of each job; the fastest counts")
    parser.add_argument(
        "--sound", type=Path, default=DATASETS / "clips" / "party.mp4", help="second recording"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if not options.sound.is_file() or not (DATASETS / "audio").is_dir():
        parser.error("../shared/datasets is not there")
    around = conditions(("audio",), PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        recordings = {
            "street": street(Path(folder) / "street.m4a", options.seconds),
            options.sound.stem: repeat(Path(folder) / "second.m4a", options.seconds, sound=options.sound),
        }
        shares = {name: skipped(file) for name, file in recordings.items()}
        rows = bench(recordings, options.seconds, options.repeat)
    if options.json:
        result = {"conditions": around, "skipped": shares, "rows": [asdict(row) for row in rows]}
        print(json.dumps(result, indent=1))
    else:
        show(rows, shares, around, options.seconds)


if __name__ == "__main__":
    main()
