"""Setting up a bare machine: what is missing is installed, or named on one line; nothing else is touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


class BareMachine:
    """A folder of stand-in commands, put first on the path: a machine that lacks what we say it lacks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"

    def command(self, name: str, script: str) -> None:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def run(self, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(
            ["sh", str(script), *arguments], env=environment, capture_output=True, text=True, timeout=60
        )

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> BareMachine:
    """A Python without venv on a system without libGL, run by root."""
    bare = BareMachine(tmp_path)
    bare.command("id", "echo 0")
    bare.command("uname", "echo Linux")
    bare.command("python3", 'case "$*" in *ensurepip* | *libGL*) exit 1 ;; *) exit 0 ;; esac')
    bare.command("apt-get", f'echo "$*" >> {bare.calls}')
    return bare


@pytest.fixture
def script(root: Path) -> Path:
    return root / "scripts" / "system-packages.sh"


def test_without_root_the_missing_packages_are_named_on_one_line(machine: BareMachine, script: Path) -> None:
    machine.command("id", "echo 1000")
    done = machine.run(script, "python3")
    assert done.returncode == 1
    assert "sudo apt-get install -y python3-venv libgl1\n" in done.stderr
    assert machine.called() == []


def test_root_gets_what_is_missing_and_nothing_else(machine: BareMachine, script: Path) -> None:
    done = machine.run(script, "python3")
    assert done.returncode == 0, done.stderr
    (call,) = machine.called()
    assert call.startswith("install ")
    assert call.endswith(" python3-venv libgl1")


def test_package_lists_are_updated_only_when_installing_fails(machine: BareMachine, script: Path) -> None:
    updated = machine.folder / "updated"
    machine.command(
        "apt-get",
        f'echo "$1" >> {machine.calls}; [ "$1" = update ] && touch {updated}; [ -e {updated} ] || exit 100',
    )
    done = machine.run(script, "python3")
    assert done.returncode == 0, done.stderr
    assert machine.called() == ["install", "update", "install"]


def test_a_complete_machine_is_left_alone(machine: BareMachine, script: Path) -> None:
    machine.command("python3", "exit 0")
    done = machine.run(script, "python3")
    assert (done.returncode, machine.called(), done.stdout, done.stderr) == (0, [], "", "")


def test_an_old_python_is_refused_in_one_line(machine: BareMachine, script: Path) -> None:
    machine.command("python3", 'case "$*" in -V) echo Python 3.10.12 ;; *version_info*) exit 1 ;; esac')
    done = machine.run(script, "python3")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "3.11 or newer, python3 is Python 3.10.12" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(machine: BareMachine, root: Path) -> None:
    machine.command("python3", "exit 1")
    machine.command("python3.13", "exit 1")
    machine.command("python3.12", "exit 0")
    done = machine.run(root / "scripts" / "find-python.sh")
    assert done.stdout == "python3.12\n"


def test_every_shell_script_is_plain_sh_and_executable(root: Path) -> None:
    scripts = [*(root / "scripts").glob("*.sh")]
    assert scripts
    for file in scripts:
        assert file.stat().st_mode & 0o100, f"{file.name} is not executable"
        assert subprocess.run(["sh", "-n", str(file)]).returncode == 0, file.name
    ci = root / ".ci" / "run"
    assert ci.stat().st_mode & 0o100
    assert subprocess.run(["bash", "-n", str(ci)]).returncode == 0


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "docs"])
def test_make_knows_its_targets(root: Path, target: str) -> None:
    done = subprocess.run(["make", "-n", "-C", str(root), target], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_demo_installs_no_training_package(root: Path, tmp_path: Path) -> None:
    """In a checkout that has no environment yet, ``make demo`` asks pip for the run-time set alone."""
    done = subprocess.run(
        ["make", "-n", "-C", str(root), f"VENV={tmp_path}/venv", "demo"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "pip install" in done.stdout
    assert "[train" not in done.stdout
    assert "-c constraints.txt" in done.stdout
