#!/usr/bin/env python3
"""Shot or not: Vedette against YAMNet, the tagger that home video recorders use, on the same clips.

    python benchmarks/yamnet.py MANIFEST --yamnet yamnet.tflite --class-map yamnet_class_map.csv

YAMNet hears 0.975 s at 16 kHz every 0.48 s, as published; a clip's score is the greatest of its gun classes
in any frame. Differences are paired: both models answer for the same recordings in every bootstrap sample.
Needs the extra ``bench`` (``pip install -e '.[bench]' -c constraints.txt``); the weights are not part of this
repository.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from vedette_audio.evaluate import rounded, score_part
from vedette_audio.evaluation.measures import (
    Figure,
    auroc,
    average_precision,
    expected_calibration_error,
    figure,
    grouped,
    recall_at,
)
from vedette_audio.evaluation.scored import Scored, Sounds, read_table
from vedette_audio.evaluation.tables import between, number
from vedette_base.errors import BundleError, DataError, MissingDependencyError, VedetteError
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float32]
Frames = Callable[[Floats], Floats]
"""From a frame ``(FRAME,)`` to the scores of YAMNet's classes ``(521,)``."""
Statistic = Callable[[npt.NDArray[np.float64]], float]

RATE, FRAME, HOP = 16_000, 15_600, 7_680  # Hz, samples, samples
GUN = {
    421: "Gunshot, gunfire",
    422: "Machine gun",
    423: "Fusillade",
    424: "Artillery fire",
    425: "Cap gun",
}
ALARMS = 10.0  # per hour
SAMPLES = 300  # of the bootstrap


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of both models. ``difference``: Vedette's less YAMNet's, with its paired interval."""

    name: str
    vedette: Figure
    yamnet: Figure
    difference: Figure


def load_yamnet(weights: Path, class_map: Path) -> Frames:
    """YAMNet from its TFLite file. Raises MissingDependencyError, BundleError, DataError."""
    check_class_map(class_map)
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingDependencyError(
            "YAMNet needs ai-edge-litert", hint="pip install ai-edge-litert"
        ) from error
    try:
        interpreter = Interpreter(str(weights), num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError, OSError) as error:
        raise BundleError(
            f"{weights}: not a TFLite model that can be read", hint="give yamnet.tflite"
        ) from error
    given, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if given["shape"].tolist()[-1] != FRAME:
        raise BundleError(f"{weights}: hears {given['shape'].tolist()} samples, YAMNet hears {FRAME}")

    def ask(frame: Floats) -> Floats:
        interpreter.set_tensor(given["index"], frame.reshape(given["shape"]))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(out["index"])[0], np.float32)

    return ask


def check_class_map(path: Path) -> None:
    """Raise DataError where the gun classes are not those of YAMNet's published map."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names = {int(row["index"]): row["display_name"] for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not YAMNet's class map", hint="give yamnet_class_map.csv") from error
    for index, name in GUN.items():
        if names.get(index) != name:
            raise DataError(f"{path}: class {index} is {names.get(index)!r}, in YAMNet's map {name!r}")


def frames_of(sound: Floats) -> list[Floats]:
    """A clip at 48 kHz as YAMNet's frames: all of it is heard, the last frame is padded with zeros."""
    low = resample_poly(sound, 1, SAMPLE_RATE // RATE).astype(np.float32)
    count = 1 + max(0, -(-(low.size - FRAME) // HOP))
    low = np.pad(low, (0, (count - 1) * HOP + FRAME - low.size))
    return [low[start * HOP : start * HOP + FRAME] for start in range(count)]


def yamnet_scores(ask: Frames, scored: Scored, sounds: Sounds) -> npt.NDArray[np.float64]:
    """YAMNet's score of each clip, shape ``(n,)``."""
    classes = list(GUN)
    found = []
    for done, clip in enumerate(scored.clips):
        if done % 100 == 0:
            print(f"  YAMNet: {done} of {len(scored.clips)} clips", file=sys.stderr)
        found.append(max(float(ask(frame)[classes].max()) for frame in frames_of(sounds.cache.sound(clip))))
    return np.array(found)


def compare(scored: Scored, theirs: npt.NDArray[np.float64], samples: int = SAMPLES) -> tuple[Line, ...]:
    """Every figure of both models and their difference, with intervals over recordings."""
    rows = np.column_stack([scored.shot.astype(float), scored.scores[:, -1], theirs])
    hours = scored.negative_hours
    keep = ~scored.typed
    everything = grouped(rows, scored.groups)
    others = grouped(rows[keep], [group for group, kept in zip(scored.groups, keep, strict=True) if kept])
    wanted: tuple[tuple[str, dict[str, npt.NDArray[np.float64]], Statistic], ...] = (
        ("AUROC", everything, auroc),
        ("average precision", everything, average_precision),
        ("AUROC without the nine-type set", others, auroc),
        ("average precision without the nine-type set", others, average_precision),
        (f"recall at {ALARMS:g} false alarms per hour", everything, lambda r: recall_at(r, ALARMS, hours)),
        ("the same without the nine-type set", others, lambda r: recall_at(r, ALARMS, hours)),
        ("calibration error (ECE)", everything, expected_calibration_error),
    )
    return tuple(_line(name, table, statistic, samples) for name, table, statistic in wanted)


def _line(name: str, rows: dict[str, npt.NDArray[np.float64]], statistic: Statistic, samples: int) -> Line:
    def of(column: int) -> Statistic:
        return lambda r: statistic(r[:, [0, column]])

    ours, theirs = of(1), of(2)
    return Line(
        name,
        figure(rows, ours, samples),
        figure(rows, theirs, samples),
        figure(rows, lambda r: ours(r) - theirs(r), samples),
    )


def show(lines: tuple[Line, ...], scored: Scored, console: Console) -> None:
    """One table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(("shot or not", "Vedette", "95 %", "YAMNet", "95 %", "difference", "95 %")):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    for line in lines:
        cells = (cell for f in (line.vedette, line.yamnet, line.difference) for cell in (f.value, f))
        table.add_row(line.name, *(between(c) if isinstance(c, Figure) else number(c) for c in cells))
    console.print(table)
    console.print(
        f"{len(scored.clips)} clips, {len(set(scored.groups))} recordings, {int(scored.shot.sum())} shots "
        f"({int((scored.shot & ~scored.typed).sum())} without the nine-type set), "
        f"{scored.negative_hours:.2f} h without shots; 95 % over recordings, differences paired"
    )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("manifest", type=Path, help="manifest.csv of the sound data")
    parser.add_argument("--yamnet", type=Path, required=True, help="yamnet.tflite")
    parser.add_argument("--class-map", type=Path, required=True, help="yamnet_class_map.csv")
    parser.add_argument("--model", default="audio", help="bundle name or folder")
    parser.add_argument("--part", default="val", choices=("test", "val", "all"))
    parser.add_argument("--scores", type=Path, help="a table of Vedette's scores (out_of_fold.csv) instead")
    parser.add_argument("--cache", type=Path, default=Path("runs/audio/cache"), help="decoded sound")
    parser.add_argument("--json", action="store_true", help="a JSON document instead of a table")
    options = parser.parse_args()
    try:
        ask = load_yamnet(options.yamnet, options.class_map)
        sounds = Sounds.open(options.manifest, options.cache)
        if options.scores:
            scored = read_table(options.scores, sounds)
        else:
            scored = score_part(options.manifest, options.model, cache=options.cache, part=options.part)
        lines = compare(scored, yamnet_scores(ask, scored, sounds))
    except VedetteError as error:
        raise SystemExit(f"{error}\n  hint: {error.hint}" if error.hint else str(error)) from None
    if options.json:
        print(json.dumps(rounded([asdict(line) for line in lines])))
    else:
        show(lines, scored, Console(highlight=False, width=None if sys.stdout.isatty() else 160))


if __name__ == "__main__":
    main()
