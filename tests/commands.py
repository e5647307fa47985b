"""Runs `vedette` in this process, with models that are loaded once for all tests.

``from tests.commands import Command, clip``
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.media import Sound, Video, noise, write_media
from vedette import batch, cli
from vedette.api import Analyzer

_analyzers: dict[batch.AnalyzerMaker, Analyzer] = {}
_make = batch.AnalyzerMaker.__call__


def make_once(maker: batch.AnalyzerMaker, threads: int | None = None) -> Analyzer:
    """Like the real one, but shipped models with the shipped configuration are loaded once per process."""
    if maker.models or maker.configs:
        return _make(maker, threads)
    if maker not in _analyzers:
        _analyzers[maker] = _make(maker, threads)
    return _analyzers[maker]


@dataclass(frozen=True)
class Result:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> list[str]:
        """The lines of its errors and warnings, without hints; fails on a traceback."""
        assert "Traceback" not in self.err, self.err
        return [
            line.removeprefix("vedette: ") for line in self.err.splitlines() if line.startswith("vedette: ")
        ]

    @property
    def hints(self) -> list[str]:
        """What it advises."""
        return [line.strip() for line in self.err.splitlines() if line.startswith("  hint: ")]


class Command:
    """``command("analyze", "clip.mp4")`` runs the command in ``folder``."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capfd, self._patch = capfd, patch
        self.folder = folder
        patch.chdir(folder)
        patch.setenv("COLUMNS", "160")
        patch.setattr(batch.AnalyzerMaker, "__call__", make_once)

    def __call__(self, *arguments: object) -> Result:
        self._patch.setattr(sys, "argv", ["vedette", *map(str, arguments)])
        self._capfd.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code
        out, err = self._capfd.readouterr()
        assert code is None or isinstance(code, int)
        return Result(code or 0, out, err)

    def events(self, name: str, out: str = "vedette-out") -> Mapping[str, Any]:
        """``events.json`` of a recording's results."""
        found: Mapping[str, Any] = json.loads((self.folder / out / name / "events.json").read_text("utf-8"))
        return found


def clip(path: Path, seconds: float = 0.6) -> Path:
    """A small recording with quiet noise and a moving square."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = Video(seconds=seconds, width=96, height=64, rate=5)
    return write_media(path, video=video, sound=Sound(noise(seconds, level=0.01)))


def half_written(out: Path) -> list[Path]:
    """Work folders that a run left behind."""
    return [path for path in out.rglob(".*") if path.is_dir()]
