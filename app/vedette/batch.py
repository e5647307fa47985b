"""Many recordings: what is done already, several at a time, and failures that do not end the rest."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vedette.analysis import Analysis
from vedette.api import Analyzer, OnProgress, Senses, Sensitivity
from vedette.jobs import Job
from vedette.pipeline import StopFlag
from vedette.recording import recording_hash
from vedette.report.evidence import reopen_file
from vedette.report.files import check_replaceable, read_manifest, write_results
from vedette.workers import run_in_workers
from vedette_base.config import AudioConfig, FusionConfig, VisionConfig, load_config
from vedette_base.engine import Backend
from vedette_base.errors import ConfigError, MediaError, OutputError, VedetteError

PLACE: Final = "place"  # key of the manifest's record of a run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job.

    Attributes:
        analysis: the new result, already written to ``job.folder``.
        earlier: ``events.json`` of a finished earlier run with the same recording, models and configuration.
        error: why it failed; one line, with its hint. Beside an ``analysis`` it says what
            could not be written.
    """

    job: Job
    analysis: Analysis | None = None
    earlier: dict[str, Any] | None = None
    error: VedetteError | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What is written besides the standard results."""

    clips: bool = False
    annotate: bool = False


def run_job(
    analyzer: Analyzer,
    job: Job,
    output: Output,
    *,
    resume: bool = True,
    on_progress: OnProgress | None = None,
    stop: StopFlag | None = None,
) -> Outcome:
    """Analyse one recording and write its results, unless an earlier run has done so already.

    A recording that was interrupted gets neither clips nor an annotated video: who stops wants to be gone.
    """
    analysis = None
    try:
        if resume:
            earlier = finished_before(job, analyzer.fingerprint, output)
            if earlier is not None:
                return Outcome(job, earlier=earlier)
        _refuse_anothers(job)
        check_replaceable(job.folder)
        analysis = analyzer.run(job.path, job.options, on_progress=on_progress, stop=stop)
        write_results(
            analysis,
            job.folder,
            clips=output.clips and analysis.complete,
            annotate=output.annotate and analysis.complete,
            run=run_record(job, analyzer.fingerprint, output) | {PLACE: _place(job.path)},
            cards={medium: bundle.card for medium, bundle in analyzer.bundles.items()},
            reopen=reopen_file(job.path, **job.options.reading()),
            stop=stop,
        )
    except VedetteError as error:
        return Outcome(job, analysis=analysis, error=error)
    except MemoryError:
        hint = "fewer --jobs need less memory; very large pictures need much"
        return Outcome(job, analysis=analysis, error=MediaError(f"{job.path}: not enough memory", hint=hint))
    return Outcome(job, analysis=analysis)


def finished_before(job: Job, fingerprint: str, output: Output) -> dict[str, Any] | None:
    """``events.json`` of a complete earlier run of the same recording, models and settings, or None.

    Raises:
        MediaError: there are such results, but the recording cannot be read any more.
    """
    manifest = read_manifest(job.folder)
    if manifest is None or not manifest.get("complete"):
        return None
    asked = {key: value for key, value in (manifest.get("run") or {}).items() if key != PLACE}
    if asked != run_record(job, fingerprint, output):
        return None
    try:
        sizes = {name: (job.folder / name).stat().st_size for name in manifest["files"]}
        events: dict[str, Any] = json.loads((job.folder / "events.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if any(manifest["files"][name].get("bytes") != size for name, size in sizes.items()):
        return None  # a file was changed or cut since
    same = manifest["input"].get("sha256") == recording_hash(job.options.files(job.path))
    return events if same else None


def _refuse_anothers(job: Job) -> None:
    """Refuse to replace results of another recording, which only has the same name, say of another camera.

    A recording that was changed where it lies, or moved as it is, is still the same.
    """
    manifest = read_manifest(job.folder) or {}
    place = (manifest.get("run") or {}).get(PLACE)
    if place is None or place == _place(job.path):
        return
    if manifest["input"].get("sha256") != recording_hash(job.options.files(job.path)):
        raise OutputError(
            f"{job.folder} holds the results of another recording, {manifest['input'].get('path')}",
            hint="choose another folder with --out",
        )


def _place(path: Path) -> str:
    """Stands for where a recording lies, which results that are handed on need not tell."""
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:16]


def run_record(job: Job, fingerprint: str, output: Output) -> dict[str, Any]:
    """What was asked of a run, as it stands in its manifest: a later run that asks the same may skip it."""
    from vedette import __version__

    options = job.options
    asked = {
        "start": options.start,
        "end": options.end,
        "audio_track": options.audio_track,
        "audio_file": options.audio_file.name if options.audio_file else None,
        "audio_offset": options.audio_offset,
        "recorded_at": options.recorded_at.isoformat() if options.recorded_at else None,
        "pieces": len(options.sequence) + 1,
        "clips": output.clips,
        "annotate": output.annotate,
    }
    return {"vedette": __version__, "fingerprint": fingerprint, "options": asked}


def run_jobs(
    jobs: Sequence[Job],
    make_analyzer: Callable[[int | None], Analyzer],
    output: Output,
    *,
    workers: int = 1,
    resume: bool = True,
    on_progress: Callable[[Job], OnProgress] | None = None,
    stop: StopFlag | None = None,
) -> Iterator[Outcome]:
    """Outcomes as they come. With ``workers`` over 1 each worker is a process with its own models.

    ``make_analyzer`` takes the number of threads for a worker's models and must be picklable. After ``stop``
    is set the recordings in hand are written as far as they got, and no other is begun.

    Raises:
        BundleError, ConfigError: the models or the configuration cannot be used.
    """
    analyzer = make_analyzer(None)  # also where workers do the work: what is wrong with it is said once
    if workers > 1:
        task = _Task(make_analyzer, output, resume)
        yield from run_in_workers(
            jobs, task, workers=workers, crashed=_crashed, on_progress=on_progress, stop=stop
        )
        return
    for job in jobs:
        if stop is not None and stop.is_set():
            return
        progress = on_progress(job) if on_progress else None
        yield run_job(analyzer, job, output, resume=resume, on_progress=progress, stop=stop)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker does; called in it with the number of threads for its models."""

    make_analyzer: Callable[[int | None], Analyzer]
    output: Output
    resume: bool

    def __call__(self, threads: int) -> Callable[[Job, OnProgress, StopFlag], Outcome]:
        analyzer = self.make_analyzer(threads)

        def run(job: Job, on_progress: OnProgress, stop: StopFlag) -> Outcome:
            return run_job(analyzer, job, self.output, resume=self.resume, on_progress=on_progress, stop=stop)

        return run


def _crashed(job: Job, code: int) -> Outcome:
    """The outcome of a recording whose worker process died."""
    if code < 0:
        how, hint = f"was killed ({signal.Signals(-code).name})", "fewer --jobs need less memory"
    else:
        how, hint = f"ended unexpectedly (exit code {code})", "please report what it wrote above"
    return Outcome(job, error=MediaError(f"{job.path}: its worker process {how}", hint=hint))


@dataclass(frozen=True, slots=True)
class AnalyzerMaker:
    """Makes an `Analyzer` from plain values, so that worker processes can make their own.

    Attributes:
        models: bundle names or folders.
        configs: YAML files named for their part: ``audio*.yaml``, ``vision*.yaml`` or ``fusion*.yaml``.
        sensitivity, senses, backend: as in `Analyzer`.
    """

    models: tuple[str, ...] = ()
    configs: tuple[Path, ...] = ()
    sensitivity: Sensitivity = "normal"
    senses: Senses = "both"
    backend: Backend = "auto"

    def __call__(self, threads: int | None = None) -> Analyzer:
        """An analyzer whose models use ``threads`` processor threads, or what the engine chooses."""
        parts: dict[str, Any] = {}
        for path in self.configs:
            part, model = _config_kind(path)
            if part in parts:
                raise ConfigError(f"{path}: a second configuration of {part}", hint="give one for each part")
            parts[part] = load_config(path, model)
        return Analyzer(
            models=self.models,
            audio=parts.get("audio"),
            vision=parts.get("vision"),
            fusion=parts.get("fusion"),
            sensitivity=self.sensitivity,
            senses=self.senses,
            backend=self.backend,
            threads=threads,
        )


def _config_kind(path: Path) -> tuple[str, type[AudioConfig] | type[VisionConfig] | type[FusionConfig]]:
    kinds: dict[str, type[AudioConfig] | type[VisionConfig] | type[FusionConfig]] = {
        "audio": AudioConfig,
        "vision": VisionConfig,
        "fusion": FusionConfig,
    }
    for part, model in kinds.items():
        if path.name.startswith(part):
            return part, model
    raise ConfigError(
        f"{path}: cannot tell which part this configures",
        hint="name it audio*.yaml, vision*.yaml or fusion*.yaml, as in configs/",
    )
