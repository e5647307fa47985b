"""What a run writes down as it goes: a line per epoch, curves to look at, TensorBoard where it is wanted."""

from __future__ import annotations

import io
import json
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vedette_base.errors import MissingDependencyError, OutputError
from vedette_base.whole_files import write_whole, write_whole_text

LOG, CURVES = "log.jsonl", "curves.png"
_DRAW_EVERY = 20.0  # s: drawing takes half of one
Line = dict[str, Any]


class Journal:
    """The log of one run folder.

    Args:
        step: where the run goes on; lines after it are of work that a kill undid, and are dropped.
        tensorboard: also write scalars for TensorBoard.

    Raises:
        MissingDependencyError: ``tensorboard`` without the package.
    """

    def __init__(self, run: Path, *, step: int = 0, tensorboard: bool = False) -> None:
        self.run = run
        self.lines = [line for line in read_log(run / LOG) if 0 < line["step"] <= step]
        write_whole_text(run / LOG, "".join(json.dumps(line) + "\n" for line in self.lines))
        self._drawn = 0.0
        self._board = _board(run, step) if tensorboard else None

    def add(self, line: Line) -> None:
        """One epoch. Raises OutputError."""
        self.lines.append(line)
        try:
            with (self.run / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputError(f"{self.run / LOG}: cannot be written: {error.strerror or error}") from error
        if self._board is not None:
            for name, value in scalars(line).items():
                self._board.add_scalar(name, value, line["step"])
            self._board.flush()
        if time.monotonic() - self._drawn > _DRAW_EVERY:
            self.draw()

    def draw(self) -> None:
        """Draw ``curves.png`` anew. Raises OutputError."""
        picture = draw_curves(self.lines)
        write_whole(self.run / CURVES, lambda file: file.write(picture))
        self._drawn = time.monotonic()

    def close(self) -> None:
        """Last picture, and the end of TensorBoard's file."""
        if self.lines:
            self.draw()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[Line]:
    """Whole lines of a log; a line that a kill cut short is left out, and no file is an empty log."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines


def scalars(line: Line) -> dict[str, float]:
    """Numbers of a line by name: ``loss/shot``, ``val/score``, ``rate``."""
    found = {"rate": float(line["rate"]), "loss/total": float(sum(line["loss"].values()))}
    for part in ("loss", "val"):
        found |= {f"{part}/{name}": float(value) for name, value in line.get(part, {}).items()}
    return found


def draw_curves(lines: list[Line]) -> bytes:
    """A PNG of the parts of the loss and of the figures on held-out clips, over epochs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [line["epoch"] for line in lines]
    for name in lines[-1]["loss"]:
        left.plot(epochs, [line["loss"].get(name) for line in lines], label=name)
    left.set(title="loss on training scenes", xlabel="epoch", yscale="log")
    measured = [line for line in lines if "val" in line]
    for name in ("score", "accuracy", "poor_accuracy", "auroc", "ap", "ap_others"):
        points = [(line["epoch"], line["val"][name]) for line in measured if name in line["val"]]
        if points:
            right.plot(*zip(*points, strict=True), marker=".", label=name)
    right.set(title="held-out recordings", xlabel="epoch", ylim=(0.0, 1.0))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="small")
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def need_tensorboard() -> None:
    """Raise MissingDependencyError where the package is not installed."""
    if find_spec("tensorboard") is None:
        raise MissingDependencyError(
            "train.tensorboard is true, and the package tensorboard is not installed",
            hint="pip install tensorboard, or set it to false: log.jsonl and curves.png are there anyway",
        )


def _board(run: Path, step: int) -> Any:
    need_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)
