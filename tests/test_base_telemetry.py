"""What Vedette loads reports to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import os, sys
os.environ.pop("CI", None)
import openvino_telemetry.backend.backend_ga4 as ga4
sent = []
ga4.GA4Backend.send = lambda self, message: sent.append(message)
import openvino_telemetry.main as telemetry
"""
RUN_TIME = (
    WATCH
    + """
from vedette_base.telemetry import load_openvino
load_openvino().Core().available_devices
"""
)
EXPORT = (
    WATCH
    + """
import numpy as np, torch
from vedette_base.export import quantise, to_openvino
net, batch = torch.nn.Conv2d(1, 2, 3), np.ones((1, 1, 8, 8), np.float32)
quantise(to_openvino(net, batch), [batch])
"""
)
PLAIN = (
    WATCH
    + """
import openvino
"""
)
REPORT = """
import time; time.sleep(0.3)  # the sender is a thread
print(len(sent))
assert "openvino_telemetry" in sys.modules  # put back for others
"""


def reports(program: str, home: Path) -> int:
    """How many events a program sends from an account that never refused."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program + REPORT],
        env={"HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout.split()[-1])


@pytest.mark.parametrize("program", [RUN_TIME, EXPORT], ids=["run time", "export"])
def test_nothing_is_reported_to_anybody(program: str, tmp_path: Path) -> None:
    assert reports(program, tmp_path) == 0
    assert list(tmp_path.glob("intel*")) == []  # nor is an identity put into the user's home


def test_the_watch_would_notice(tmp_path: Path) -> None:
    if reports(PLAIN, tmp_path) == 0:
        pytest.skip("this OpenVINO no longer reports when it is imported")
