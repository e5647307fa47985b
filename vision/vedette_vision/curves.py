"""Curves of a training: what was lost, and what was found on pictures it did not see."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

LOSSES = ("box", "cls", "dfl")


def draw_curves(log_path: Path, png_path: Path) -> None:
    """Draw a run's ``log.jsonl`` as a PNG: losses on the left, AP50 per subset and their mean on the right.

    Args:
        log_path: a line of JSON per note; those with ``box`` are losses, those with ``val`` measurements.
        png_path: written whole or not at all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # not pyplot: no windows, no state

    notes = read_log(log_path)
    losses = [note for note in notes if "box" in note]
    measured = [note for note in notes if "val" in note]
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in LOSSES:
        left.plot([n["step"] for n in losses], [n.get(name) for n in losses], label=name, linewidth=1)
    for subset in sorted({name for note in measured for name in note["val"]}):
        seen = [n for n in measured if subset in n["val"]]
        right.plot([n["step"] for n in seen], [n["val"][subset] for n in seen], marker=".", label=subset)
    if measured:
        means = [n.get("mean") for n in measured]
        right.plot([n["step"] for n in measured], means, "k--", label="mean that picks the best")
    left.set(title="loss (batches of training)", xlabel="step", yscale="log" if losses else "linear")
    right.set(title="AP50 (pictures it did not learn from)", xlabel="step", ylim=(0, 1))
    for axes, shown in ((left, losses), (right, measured)):
        axes.grid(alpha=0.3)
        if shown:
            axes.legend(fontsize=8)
    part = png_path.with_name(f"{png_path.name}.part")
    FigureCanvasAgg(figure).print_png(str(part))  # type: ignore[no-untyped-call]
    os.replace(part, png_path)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The notes of a log, the later one where a resumed run repeats a step; in order of steps."""
    latest: dict[tuple[int, bool], dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        note = json.loads(line)
        latest[note["step"], "val" in note] = note
    return [latest[key] for key in sorted(latest)]
