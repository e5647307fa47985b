"""What a training shows: a bar on a terminal, a line of JSON per epoch elsewhere."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, TextColumn

from vedette.counting import bars


class TrainingDisplay:
    """``on_step`` moves the bar, ``log`` takes the line of an epoch; both go where a training wants them.

    The bar is on stderr, and only if that is a terminal. JSON goes to stdout unless both are one terminal,
    where a short line above the bar says the same.
    """

    def __init__(self) -> None:
        self._progress = bars(
            TextColumn("epoch {task.fields[epoch]}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:.0f}% loss {task.fields[loss]:.3f}", markup=False),
        )
        self._terminal = self._progress.console.is_terminal
        self._task = self._progress.add_task("", total=1.0, epoch=0, loss=0.0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_step(self, share: float, epoch: int, loss: float) -> None:
        """A step is done: ``share`` of the whole, 0..1."""
        self._progress.update(self._task, completed=share, epoch=epoch, loss=loss)

    def log(self, line: dict[str, Any]) -> None:
        """An epoch is done."""
        if self._terminal and sys.stdout.isatty():
            self._progress.console.print(_short(line), markup=False)
            return
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _short(line: dict[str, Any]) -> str:
    fold = f"fold {line['fold']}, " if "fold" in line else ""
    text = f"{fold}epoch {line['epoch']}: loss {sum(line['loss'].values()):.3f}"
    if "val" in line:
        wanted = ("score", "accuracy", "auroc", "ap")
        text += "; held out: " + ", ".join(f"{k} {line['val'][k]:.3f}" for k in wanted if k in line["val"])
    return text
