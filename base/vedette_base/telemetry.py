"""OpenVINO and NNCF loaded so that they report to nobody.

``import openvino`` by itself sends an event to Google Analytics (``openvino/tools/ovc/__init__.py``) and
puts an identity file into the user's home; converting and quantising send more. A tool for security footage
must not. Both packages fall back to a stub where ``openvino_telemetry`` is absent, so it is absent while they
load. Always load them from here, never by an ``import`` of their own.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vedette_base.errors import MissingDependencyError

_TELEMETRY = "openvino_telemetry"
_lock = threading.Lock()
_cores_lock = threading.Lock()
_cores: dict[int, Any] = {}  # by process: a fork must not use its parent's


def load_openvino() -> Any:
    """The ``openvino`` module. Raises MissingDependencyError where it cannot be loaded."""
    return _load("openvino", "pip install --force-reinstall openvino")


def openvino_core() -> Any:
    """The one ``openvino.Core`` of this process, never let go.

    Each core loads the processor plugin anew, which gives the calling thread another stack for signals and
    puts the one before back when it goes. Cores that go in another order than they came leave the thread
    with a stack that is freed, and the next Ctrl-C kills the process (OpenVINO 2026.4, seen with gdb).
    """
    openvino = load_openvino()
    with _cores_lock:
        if os.getpid() not in _cores:
            _cores[os.getpid()] = openvino.Core()
        return _cores[os.getpid()]


def load_nncf() -> Any:
    """The ``nncf`` module. Raises MissingDependencyError where it is not installed."""
    load_openvino()
    nncf = _load("nncf", "pip install 'vedette[train]'")
    nncf.set_log_level(logging.WARNING)  # it would print every operation that it leaves alone to stdout
    return nncf


def _load(name: str, remedy: str) -> Any:
    if name in sys.modules:
        return importlib.import_module(name)
    with _lock, _absent(_TELEMETRY):
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise MissingDependencyError(f"{name} cannot be loaded: {error}", hint=remedy) from error


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """Python's own way to say that a module cannot be imported: None in ``sys.modules``."""
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
