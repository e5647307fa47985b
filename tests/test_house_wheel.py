"""What is installed from the source distribution works in an empty folder, far from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("vedette", "vedette_base", "vedette_audio", "vedette_vision", "vedette_fusion")


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from that sdist."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(root)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (file,) = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone, unpacked by pip; its dependencies are those of the test environment."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", str(target), str(wheel)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return target


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=240
    )


@pytest.mark.parametrize(
    ("folder", "inside"), [("configs", "vedette/configs"), ("data/models", "vedette/models")]
)
def test_configurations_and_models_are_in_the_wheel(
    root: Path, wheel: Path, folder: str, inside: str
) -> None:
    here = {
        file.relative_to(root / folder).as_posix() for file in (root / folder).rglob("*") if file.is_file()
    }
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name.removeprefix(f"{inside}/") for name in names if name.startswith(f"{inside}/")}
    assert here, f"{folder} is empty"
    assert packed == here


def test_the_wheel_holds_the_five_packages_and_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_licence_travels_with_the_wheel_and_the_source(built: Path, wheel: Path) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"LICENSE", "README.md", "Makefile", "constraints.txt", "pyproject.toml"} <= names


def test_every_package_is_imported_from_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    code = f"import json; print(json.dumps([__import__(name).__file__ for name in {PACKAGES}]))"
    done = run(installed, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert all(Path(file).is_relative_to(installed) for file in json.loads(done.stdout))


def test_resources_come_from_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    code = (
        "from vedette_base.bundle import resource; print(resource('configs'), resource('models'), sep='\\n')"
    )
    done = run(installed, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert [Path(line) for line in done.stdout.split("\n")[:2]] == [
        installed / "vedette" / "configs",
        installed / "vedette" / "models",
    ]


def test_the_installed_command_analyses_a_recording_in_an_empty_folder(
    root: Path, installed: Path, tmp_path: Path
) -> None:
    recording = str(root / "data" / "demo" / "demo.mp4")
    done = run(installed, tmp_path, str(installed / "bin" / "vedette"), "analyze", recording)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "vedette-out" / "demo" / "events.json").read_text(encoding="utf-8"))
    assert report["complete"] is True
