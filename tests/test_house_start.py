"""Starting is quick and needs no torch: measured on fresh interpreters, as a user starts them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

TRAINING_ONLY = ("torch", "torchaudio", "torchvision", "timm", "ultralytics", "nncf", "onnx", "safetensors")
MAIN = "from vedette.cli import main; main()"
HELP = f"import sys; sys.argv = ['vedette', '--help']; {MAIN}"


@pytest.fixture(scope="module")
def environment(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """As users have it: compiled modules are kept, one thread, our five roots on the path."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    folders = (str(root / name) for name in ("app", "base", "audio", "vision", "fusion"))
    return kept | {
        "PYTHONPATH": os.pathsep.join(folders),
        "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("pycache")),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def run(code: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=dict(environment), capture_output=True, text=True, timeout=120
    )


def processor_seconds(code: str, environment: Mapping[str, str], times: int) -> float:
    """The least processor time of several runs: other work on the machine only ever adds to it."""
    least = float("inf")
    for _ in range(times + 1):  # the first one compiles
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run(code, environment)
        assert done.returncode == 0, done.stderr
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def test_import_vedette_takes_less_than_a_third_of_a_second(environment: dict[str, str]) -> None:
    spent = processor_seconds("import vedette", environment, 4) - processor_seconds("pass", environment, 4)
    assert spent < 0.3


def test_help_takes_less_than_half_a_second(environment: dict[str, str]) -> None:
    assert processor_seconds(HELP, environment, 4) < 0.5


@pytest.mark.parametrize("code", ["import vedette", HELP], ids=["import", "help"])
def test_starting_loads_no_torch(environment: dict[str, str], code: str) -> None:
    ask = f"import atexit, sys; atexit.register(lambda: print('loaded:', *sys.modules)); {code}"
    done = run(ask, environment)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.rsplit("loaded:", 1)[1].split())
    heavy = {"librosa", "openvino", "av", "cv2", "sklearn", "sounddevice", *TRAINING_ONLY}
    assert "vedette" in loaded
    assert not loaded & heavy


def test_the_demo_is_analysed_without_torch_installed(
    root: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """What `make demo` does, with every training package made impossible to import."""
    for name in TRAINING_ONLY:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not installed')\n")
    blocked = environment | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"}
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "analyze", str(root / "data/demo/demo.mp4"), "--out", str(out)],
        env=blocked,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (out / "demo" / "events.json").is_file()
    assert "Traceback" not in done.stderr
