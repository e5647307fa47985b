"""What this machine has, what each model does on it, what is missing and how to get it.

Nothing beyond the run-time set is needed, and whatever is broken becomes a finding, never a crash: this is
what people run when something else crashed.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from vedette_base.bundle import load_bundle, shipped_bundles
from vedette_base.engine import cache_folder, open_engine
from vedette_base.errors import VedetteError
from vedette_base.probe import run_probe
from vedette_base.telemetry import load_openvino

RUN_TIME = (
    "av",
    "librosa",
    "numpy",
    "opencv-python",
    "openvino",
    "pydantic",
    "pyyaml",
    "rich",
    "scikit-learn",
    "scipy",
    "sounddevice",
    "typer",
)
"""Packages that everything needs; equal to ``pyproject.toml`` (tested)."""
TRAIN = (
    "torch",
    "torchaudio",
    "torchvision",
    "timm",
    "ultralytics",
    "nncf",
    "onnx",
    "safetensors",
    "matplotlib",
)
"""Packages of the extra ``train``."""

FEATURES = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx512_vnni", "avx_vnni", "asimddp"),
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
}
"""Instruction sets that make models fast, with the flags that say so in ``/proc/cpuinfo``."""

_LIBRARIES = {"libGL": "libgl1", "libgthread": "libglib2.0-0", "libglib": "libglib2.0-0"}
_SAME_MODULE = {"opencv-python": ("opencv-python-headless", "opencv-contrib-python")}
Severity = Literal["problem", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something not as it should be. ``problem``: analysing will fail; ``note``: another job will."""

    severity: Severity
    subject: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package, or ``version`` None."""

    name: str
    version: str | None
    needed_for: Literal["everything", "training"]


@dataclass(frozen=True, slots=True)
class Processor:
    """The processor; each feature is True, False, or None where the system does not say."""

    name: str
    cores: int
    features: dict[str, bool | None]


@dataclass(frozen=True, slots=True)
class BundleState:
    """What a model does on this machine.

    ``difference`` is how far its stored input's outputs are from those of its export, as a share of the
    largest; ``passed`` is None where the bundle stores none.
    """

    name: str
    version: str = ""
    task: str = ""
    engine: str = ""
    precision: str = ""
    passed: bool | None = None
    difference: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that ``diagnose`` found. ``as_dict()`` is ready for JSON."""

    vedette: str
    python: str
    system: str
    packages: tuple[Package, ...]
    processor: Processor
    bundles: tuple[BundleState, ...]
    cameras: tuple[str, ...]
    microphones: tuple[str, ...]
    cache: str | None
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether recordings can be analysed on this machine."""
        return not any(finding.severity == "problem" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain dicts, lists, numbers and texts."""
        return {**asdict(self), "healthy": self.healthy}


def _version(name: str) -> str | None:
    for candidate in (name, *_SAME_MODULE.get(name, ())):
        try:
            return metadata.version(candidate)
        except metadata.PackageNotFoundError:
            continue
    return None


def _load(name: str) -> Any:
    return load_openvino() if name == "openvino" else importlib.import_module(name)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where ``diagnose`` looks; tests give it another machine."""

    cpuinfo: Path = Path("/proc/cpuinfo")
    devices: Path = Path("/dev")
    video_names: Path = Path("/sys/class/video4linux")
    version: Callable[[str], str | None] = _version
    load: Callable[[str], Any] = _load


def diagnose(bundles: Sequence[str | Path] | None = None, *, machine: Machine | None = None) -> Report:
    """Look at this machine.

    Args:
        bundles: names or folders of models to try; all that ship with Vedette if not given.
        machine: where to look.
    """
    machine = machine or Machine()
    packages, missing = _packages(machine)
    states, broken = _bundles(shipped_bundles() if bundles is None else bundles)
    cameras, shut = _cameras(machine)
    microphones, deaf = _microphones(machine)
    cache = cache_folder()
    findings = [*missing, *_libraries(machine, packages), *broken, *shut, *deaf]
    if cache is None:
        findings.append(
            Finding(
                "note", "cache", "no cache folder can be written: models start slowly", "set XDG_CACHE_HOME"
            )
        )
    return Report(
        vedette=machine.version("vedette") or "from a checkout",
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        packages=packages,
        processor=_processor(machine),
        bundles=states,
        cameras=cameras,
        microphones=microphones,
        cache=None if cache is None else str(cache),
        findings=tuple(findings),
    )


def render(report: Report, console: Console) -> None:
    """Print a report for people."""

    def line(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    processor = report.processor
    features = ", ".join(f"{name} {_yes(has)}" for name, has in processor.features.items())
    line(f"Vedette {report.vedette}, Python {report.python}, {report.system}")
    line(f"Processor: {processor.name}, {processor.cores} cores; {features}")
    console.print(_package_table(report))
    console.print(_bundle_table(report))
    line(f"Cameras: {', '.join(report.cameras) or 'none seen'}")
    line(f"Microphones: {', '.join(report.microphones) or 'none seen'}")
    line(f"Cache: {report.cache or 'none'}")
    for finding in report.findings:
        line(f"{finding.severity}: {finding.subject}: {finding.text}")
        if finding.remedy:
            line(f"    {finding.remedy}")
    line("Ready." if report.healthy else "Not ready: see the problems above.")


def _packages(machine: Machine) -> tuple[tuple[Package, ...], list[Finding]]:
    run = tuple(Package(name, machine.version(name), "everything") for name in RUN_TIME)
    train = tuple(Package(name, machine.version(name), "training") for name in TRAIN)
    findings = []
    if lacking := [package.name for package in run if package.version is None]:
        findings.append(
            Finding("problem", "packages", f"not installed: {', '.join(lacking)}", "pip install vedette")
        )
    if lacking := [package.name for package in train if package.version is None]:
        text = f"training and exporting need {', '.join(lacking)}; analysing does not"
        findings.append(Finding("note", "training", text, "pip install 'vedette[train]'"))
    return run + train, findings


def _libraries(machine: Machine, packages: Sequence[Package]) -> list[Finding]:
    """Packages that are installed and yet do not load, mostly for want of a system library."""
    installed = {package.name for package in packages if package.version is not None}
    findings = []
    for package, module in (("opencv-python", "cv2"), ("av", "av"), ("openvino", "openvino")):
        if package not in installed:
            continue
        try:
            machine.load(module)
        except (ImportError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            system = next((debian for library, debian in _LIBRARIES.items() if library in reason), None)
            remedy = f"apt-get install {system}" if system else f"pip install --force-reinstall {package}"
            findings.append(Finding("problem", package, f"does not load: {reason}", remedy))
    return findings


def _processor(machine: Machine) -> Processor:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        text = machine.cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:  # only Linux has the file
        return Processor(platform.processor() or "unknown", cores, dict.fromkeys(FEATURES))
    pairs = [line.split(":", 1) for line in text.splitlines() if ":" in line]
    values = {key.strip(): value.strip() for key, value in reversed(pairs)}  # the first processor's
    flags = set(values.get("flags", values.get("Features", "")).split())
    features = {name: bool(flags & set(signs)) if flags else None for name, signs in FEATURES.items()}
    return Processor(values.get("model name", platform.machine()), cores, features)


def _bundles(names: Sequence[str | Path]) -> tuple[tuple[BundleState, ...], list[Finding]]:
    states, findings = [], []
    for name in names:
        state, hint = _try_bundle(name)
        states.append(state)
        if state.error:
            findings.append(Finding("problem", f"model {state.name}", state.error, hint))
    if not names:
        findings.append(
            Finding(
                "problem",
                "models",
                "no model is shipped with this copy",
                "pass --model, or reinstall Vedette",
            )
        )
    return tuple(states), findings


def _try_bundle(name: str | Path) -> tuple[BundleState, str]:
    """State of one bundle, and the hint of its error."""
    try:
        bundle = load_bundle(name)
        card = bundle.card
        engine = open_engine(bundle, backend="openvino")
        result = run_probe(bundle, engine)
    except VedetteError as error:
        return BundleState(str(name), error=str(error)), error.hint
    error_text = hint = ""
    if result is not None and not result.passed:
        error_text = (
            f"gives other results than when it was exported: they differ by {result.difference:.3f} "
            f"of the largest output (at most {result.tolerance} expected)"
        )
        hint = "report this with the processor named above; the torch backend may serve meanwhile"
    state = BundleState(
        card.name,
        card.version,
        card.task,
        engine.description,
        card.precision,
        None if result is None else result.passed,
        None if result is None else result.difference,
        error_text,
    )
    return state, hint


def _cameras(machine: Machine) -> tuple[tuple[str, ...], list[Finding]]:
    cameras, findings = [], []
    for device in sorted(machine.devices.glob("video[0-9]*")):
        try:
            name = (machine.video_names / device.name / "name").read_text(encoding="utf-8").strip()
        except OSError:
            name = ""
        cameras.append(f"{device} ({name})" if name else str(device))
        if not os.access(device, os.R_OK | os.W_OK):
            findings.append(
                Finding("note", str(device), "may not be opened by this user", "sudo usermod -aG video $USER")
            )
    return tuple(cameras), findings


def _microphones(machine: Machine) -> tuple[tuple[str, ...], list[Finding]]:
    """Input devices that PortAudio lists. Without them only live listening is missing."""
    remedy = ""
    try:
        sound = machine.load("sounddevice")
        try:
            devices = sound.query_devices()
        except sound.PortAudioError as error:
            text = f"cannot be listed: {error}"
        else:
            return tuple(str(d["name"]) for d in devices if d["max_input_channels"] > 0), []
    except ImportError as error:
        text, remedy = f"cannot be used: {error}", "pip install sounddevice"
    except OSError as error:  # what sounddevice raises where it finds no PortAudio
        text, remedy = f"cannot be used: {error}", "apt-get install libportaudio2"
    return (), [Finding("note", "microphones", text, remedy)]


def _yes(has: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[has]


def _package_table(report: Report) -> Table:
    table = Table("Package", "Version", "Needed for", box=None, pad_edge=False)
    for package in report.packages:
        table.add_row(package.name, package.version or "not installed", package.needed_for)
    return table


def _bundle_table(report: Report) -> Table:
    table = Table("Model", "Version", "Engine", "Parity", box=None, pad_edge=False)
    for bundle in report.bundles:
        if bundle.difference is None:
            parity = "not run" if bundle.error else "no stored input"
        else:
            parity = f"{'ok' if bundle.passed else 'FAILED'}, differs by {bundle.difference:.4f}"
        table.add_row(bundle.name, bundle.version, bundle.engine or "does not start", parity)
    return table
