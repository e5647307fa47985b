"""`vedette doctor` tells what is wrong and how to mend it, above all on a machine where things are."""

from __future__ import annotations

import importlib
import io
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset8
from rich.console import Console

from vedette.doctor import RUN_TIME, TRAIN, Finding, Machine, Report, diagnose, render
from vedette_base.bundle import Bundle, Card, write_bundle
from vedette_base.engine import open_engine
from vedette_base.probe import make_probe

CPUINFO = """processor\t: 0
model name\t: Imaginary 9000
flags\t\t: fpu avx2 avx512f avx512_vnni

processor\t: 1
model name\t: Imaginary 9000
flags\t\t: fpu
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def network(folder: Path, scale: float) -> dict[str, Path | bytes]:
    """The smallest picture of sound: one output per row, the mean of it."""
    given = opset8.parameter([-1, 1, 2, 16], np.float32, "x")
    mean = opset8.reduce_mean(given, opset8.constant(np.array([1, 3])), keep_dims=False)
    scaled = opset8.multiply(mean, opset8.constant(np.float32(scale)))
    openvino.save_model(
        openvino.Model([scaled], [given], "net"), str(folder / "ir.xml"), compress_to_fp16=False
    )
    return {"model.xml": folder / "ir.xml", "model.bin": folder / "ir.bin"}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    files = network(tmp_path, 1.0)
    card = Card(name="ear", task="audio", version="3", architecture="mean", labels=("a", "b"), licence="MIT")
    plain = write_bundle(tmp_path / "plain", card, files)
    probe = make_probe(open_engine(plain, backend="openvino"), (1, 1, 2, 16))
    return write_bundle(tmp_path / "ear", card.model_copy(update={"parity": {"probe": probe}}), files)


class PortAudioError(Exception):
    pass


def microphones(*names: str, fail: bool = False) -> Any:
    def query_devices() -> list[dict[str, Any]]:
        if fail:
            raise PortAudioError("Error querying device -1")
        speakers = {"name": "Speakers", "max_input_channels": 0}
        return [speakers, *({"name": name, "max_input_channels": 1} for name in names)]

    return SimpleNamespace(query_devices=query_devices, PortAudioError=PortAudioError)


def machine(tmp_path: Path, **broken: Exception | Any) -> Machine:
    """A machine with everything, except that loading a module named in ``broken`` raises or gives that."""
    (tmp_path / "cpuinfo").write_text(CPUINFO)

    def load(name: str) -> Any:
        found = broken.get(name, microphones("Desk microphone") if name == "sounddevice" else None)
        if isinstance(found, Exception):
            raise found
        return found or importlib.import_module(name)

    return Machine(tmp_path / "cpuinfo", tmp_path / "dev", tmp_path / "names", lambda name: "1.0", load)


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, report.findings
    return report.findings[0]


def printed(report: Report) -> str:
    console = Console(file=io.StringIO(), width=100)
    render(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_machine_with_everything_is_ready(tmp_path: Path, bundle: Bundle) -> None:
    report = diagnose([bundle.folder], machine=machine(tmp_path))
    assert report.healthy
    assert report.findings == ()
    (state,) = report.bundles
    assert (state.name, state.version, state.task, state.precision) == ("ear", "3", "audio", "fp32")
    assert state.engine.startswith("OpenVINO")
    assert state.passed
    assert report.microphones == ("Desk microphone",)
    text = printed(report)
    assert "Ready." in text
    assert re.search(r"ear\s+3\s+OpenVINO \S+ fp32 on CPU\s+ok, differs by 0\.0000", text)


def test_the_report_is_ready_for_json(tmp_path: Path, bundle: Bundle) -> None:
    report = diagnose([bundle.folder, "nope"], machine=machine(tmp_path))
    again = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert again["bundles"][0]["passed"] is True
    assert again["healthy"] is False
    assert again["findings"][0]["subject"] == "model nope"


def test_processor_features_are_those_of_the_first_processor(tmp_path: Path, bundle: Bundle) -> None:
    processor = diagnose([bundle.folder], machine=machine(tmp_path)).processor
    assert processor.name == "Imaginary 9000"
    assert processor.features == {"avx2": True, "avx512": True, "vnni": True, "bf16": False}
    assert processor.cores >= 1


def test_what_the_system_does_not_say_is_unknown(tmp_path: Path, bundle: Bundle) -> None:
    bare = machine(tmp_path)
    bare.cpuinfo.unlink()
    report = diagnose([bundle.folder], machine=bare)
    assert set(report.processor.features.values()) == {None}
    assert "avx2 unknown" in printed(report)


def test_a_model_that_gives_other_results_here_is_a_problem(tmp_path: Path, bundle: Bundle) -> None:
    other = tmp_path / "other"
    other.mkdir()
    changed = write_bundle(tmp_path / "changed", bundle.card, network(other, 1.5))
    report = diagnose([changed.folder], machine=machine(tmp_path))
    assert not report.healthy
    assert "gives other results than when it was exported" in only(report).text
    assert "FAILED" in printed(report)


def test_a_model_without_a_stored_input_is_no_problem(tmp_path: Path, bundle: Bundle) -> None:
    report = diagnose([tmp_path / "plain"], machine=machine(tmp_path))
    assert report.healthy
    assert report.bundles[0].passed is None
    assert "no stored input" in printed(report)


def test_a_damaged_model_is_a_finding_with_a_remedy(tmp_path: Path, bundle: Bundle) -> None:
    (bundle.folder / "model.bin").write_bytes(b"")
    finding = only(diagnose([bundle.folder], machine=machine(tmp_path)))
    assert finding.severity == "problem"
    assert "does not match its card" in finding.text
    assert finding.remedy


def test_no_models_at_all_is_a_problem(tmp_path: Path) -> None:
    assert only(diagnose([], machine=machine(tmp_path))).subject == "models"


@pytest.mark.parametrize(
    ("module", "error", "remedy"),
    [
        ("cv2", ImportError("libGL.so.1: cannot open shared object file"), "apt-get install libgl1"),
        ("cv2", ImportError("libgthread-2.0.so.0: cannot open"), "apt-get install libglib2.0-0"),
        ("av", OSError("bad ELF"), "pip install --force-reinstall av"),
        ("openvino", ImportError(""), "pip install --force-reinstall openvino"),
    ],
)
def test_a_missing_system_library_is_named_with_its_package(
    tmp_path: Path, bundle: Bundle, module: str, error: Exception, remedy: str
) -> None:
    finding = only(diagnose([bundle.folder], machine=machine(tmp_path, **{module: error})))
    assert finding.severity == "problem"
    assert finding.remedy == remedy


def test_no_portaudio_is_a_note_and_no_crash(tmp_path: Path, bundle: Bundle) -> None:
    deaf = machine(tmp_path, sounddevice=OSError("PortAudio library not found"))
    report = diagnose([bundle.folder], machine=deaf)
    assert report.healthy  # recordings can be analysed without a microphone
    assert only(report).remedy == "apt-get install libportaudio2"
    assert report.microphones == ()


def test_a_sound_system_that_does_not_answer_is_a_note(tmp_path: Path, bundle: Bundle) -> None:
    report = diagnose([bundle.folder], machine=machine(tmp_path, sounddevice=microphones(fail=True)))
    assert "cannot be listed: Error querying device" in only(report).text


def test_cameras_are_listed_by_name(tmp_path: Path, bundle: Bundle) -> None:
    here = machine(tmp_path)
    here.devices.mkdir()
    for number in (0, 1):
        (here.devices / f"video{number}").touch()
    (here.video_names / "video0").mkdir(parents=True)
    (here.video_names / "video0" / "name").write_text("Desk camera\n")
    report = diagnose([bundle.folder], machine=here)
    assert report.cameras == (f"{here.devices}/video0 (Desk camera)", f"{here.devices}/video1")


def test_missing_packages_are_told_apart_by_what_needs_them(tmp_path: Path, bundle: Bundle) -> None:
    everything = machine(tmp_path)
    absent = {"torch", "nncf", "scipy"}
    partial = Machine(
        everything.cpuinfo, version=lambda n: None if n in absent else "1.0", load=everything.load
    )
    report = diagnose([bundle.folder], machine=partial)
    problem, note = report.findings[:2]
    assert (problem.severity, problem.text) == ("problem", "not installed: scipy")
    assert note.severity == "note"
    assert "torch, nncf" in note.text
    assert note.remedy == "pip install 'vedette[train]'"


def test_an_unwritable_cache_is_a_note(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert only(diagnose([bundle.folder], machine=machine(tmp_path))).subject == "cache"


def test_the_packages_are_those_of_the_project(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9-]", text)[0] for text in requirements}

    assert set(RUN_TIME) == names(project["dependencies"])
    assert set(TRAIN) == names(project["optional-dependencies"]["train"])


def test_this_very_machine_can_be_looked_at() -> None:
    real = diagnose()
    assert {package.name: package.version for package in real.packages}["numpy"] == np.__version__
    printed(real)
    json.dumps(real.as_dict())


def test_the_doctor_needs_no_training_packages() -> None:
    program = (
        "import sys; from vedette.doctor import diagnose; diagnose();"
        "print([m for m in ('torch', 'timm', 'ultralytics', 'nncf') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"
