"""Imports a file of ``benchmarks/``, which is no package. ``from tests.benchmark_modules import ...``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def benchmark_module(root: Path, name: str) -> ModuleType:
    """``benchmarks/<name>.py`` of the checkout, under a name that hides no other module."""
    full_name = f"benchmark_{name}"
    spec = importlib.util.spec_from_file_location(full_name, root / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[full_name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module
