"""What the figures of a benchmark depend on, for all of them alike."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from vedette_base.bundle import load_bundle
from vedette_base.engine import processors

DATASETS = Path(__file__).resolve().parent.parent.parent / "shared" / "datasets"


def conditions(models: Sequence[str], packages: Sequence[str]) -> dict[str, str]:
    """The machine, its load, and the versions of the named models and packages."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    cards = [load_bundle(name).card for name in models]
    return {
        "processor": model,
        "cores": str(processors()),
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "models": ", ".join(f"{c.name} {c.version} {c.architecture} {c.precision}" for c in cards),
        "packages": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def print_conditions(console: Console, around: dict[str, str], still_fair: str) -> None:
    """Print them, and where other work disturbed the run, which figures are ``still_fair``."""
    for name, value in around.items():
        console.print(f"{name}: {value}", highlight=False)
    if max(float(around["load before"].split(",")[0]), os.getloadavg()[0] - 2) > 0.5:
        console.print(f"other work was running on this machine: only {still_fair} are fair")
