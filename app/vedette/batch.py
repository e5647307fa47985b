"""Folders of recordings: where results go, what is done already, and failures that do not end the rest."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from vedette.analysis import Analysis
from vedette.api import Analyzer, OnProgress, Senses, Sensitivity
from vedette.recording import RecordingOptions, recording_hash
from vedette.report.evidence import reopen_file
from vedette.report.files import write_results
from vedette.sources import find_recordings
from vedette_base.config import AudioConfig, FusionConfig, VisionConfig, load_config
from vedette_base.engine import Backend
from vedette_base.errors import ConfigError, MediaError, VedetteError


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to analyse and the folder its results go to."""

    path: Path
    folder: Path
    options: RecordingOptions = field(default_factory=RecordingOptions)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: exactly one of ``analysis``, ``earlier`` and ``error`` is set.

    Attributes:
        analysis: the new result, already written to ``job.folder``.
        earlier: ``events.json`` of a finished earlier run with the same recording, models and configuration.
        error: why it failed; one line, with its hint.
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


def plan(inputs: Sequence[Path], out: Path, options: RecordingOptions | None = None) -> list[Job]:
    """Jobs for files and folders, in a stable order.

    A folder's recordings keep their relative paths below ``out``. A recording's results go to a folder of its
    name without the ending; the ending is kept where two recordings would share a name. A file that was named
    outright becomes a job even when it is missing: its job then fails and says so.

    Raises:
        MediaError: a folder without a single recording.
    """
    found: list[tuple[Path, Path]] = []  # recording, path relative to `out`
    for given in inputs:
        if given.is_dir():
            inside = find_recordings(given)
            if not inside:
                raise MediaError(
                    f"{given}: no recordings in this folder", hint="give a folder with media files"
                )
            found.extend((path, path.relative_to(given)) for path in inside)
        else:
            found.append((given, Path(given.name)))
    found = list(dict.fromkeys(found))
    names = [relative.with_suffix("") for _, relative in found]
    folders = [rel if names.count(name) > 1 else name for (_, rel), name in zip(found, names, strict=True)]
    return [
        Job(path, out / _unique(folder, index, folders), options or RecordingOptions())
        for index, ((path, _), folder) in enumerate(zip(found, folders, strict=True))
    ]


def _unique(folder: Path, index: int, folders: Sequence[Path]) -> Path:
    """Two inputs `a/clip.mp4` and `b/clip.mp4` share even their ending: number the later ones."""
    earlier = folders[:index].count(folder)
    return folder if earlier == 0 else folder.with_name(f"{folder.name}-{earlier + 1}")


def run_job(
    analyzer: Analyzer,
    job: Job,
    output: Output,
    *,
    resume: bool = True,
    on_progress: OnProgress | None = None,
    stop: Event | None = None,
) -> Outcome:
    """Analyse one recording and write its results, unless an earlier run has done so already."""
    try:
        if resume:
            earlier = finished_before(job, analyzer.fingerprint, output)
            if earlier is not None:
                return Outcome(job, earlier=earlier)
        analysis = analyzer.run(job.path, job.options, on_progress=on_progress, stop=stop)
        write_results(
            analysis,
            job.folder,
            clips=output.clips,
            annotate=output.annotate,
            run={"fingerprint": analyzer.fingerprint, "options": options_record(job.options, output)},
            cards={medium: bundle.card for medium, bundle in analyzer.bundles.items()},
            reopen=reopen_file(job.path, **job.options.reading()),
        )
    except VedetteError as error:
        return Outcome(job, error=error)
    return Outcome(job, analysis=analysis)


def finished_before(job: Job, fingerprint: str, output: Output) -> dict[str, Any] | None:
    """``events.json`` of a complete earlier run of the same recording, models and settings, or None."""
    try:
        manifest = json.loads((job.folder / "manifest.json").read_text("utf-8"))
        events: dict[str, Any] = json.loads((job.folder / "events.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    run = {"fingerprint": fingerprint, "options": options_record(job.options, output)}
    if not events.get("complete") or manifest.get("run") != run:
        return None
    same = events["source"]["sha256"] == recording_hash(job.options.files(job.path))
    return events if same else None


def options_record(options: RecordingOptions, output: Output) -> dict[str, Any]:
    """What was asked of a run, as it stands in its manifest."""
    return {
        "start": options.start,
        "end": options.end,
        "audio_track": options.audio_track,
        "audio_offset": options.audio_offset,
        "recorded_at": options.recorded_at.isoformat() if options.recorded_at else None,
        "clips": output.clips,
        "annotate": output.annotate,
    }


def run_jobs(
    jobs: Sequence[Job],
    make_analyzer: Callable[[int | None], Analyzer],
    output: Output,
    *,
    workers: int = 1,
    resume: bool = True,
    on_progress: Callable[[Job], OnProgress] | None = None,
    stop: Event | None = None,
) -> Iterator[Outcome]:
    """Outcomes as they come. With ``workers`` over 1 each worker is a process with its own models.

    ``make_analyzer`` takes the number of threads for a worker's models and must be picklable. After ``stop``
    is set the recordings in hand are written as far as they got, and no other is begun.
    """
    if workers == 1:
        analyzer = make_analyzer(None)
        for job in jobs:
            if stop is not None and stop.is_set():
                return
            progress = on_progress(job) if on_progress else None
            yield run_job(analyzer, job, output, resume=resume, on_progress=progress, stop=stop)
        return
    threads = max(1, (multiprocessing.cpu_count() or 1) // workers)
    context = multiprocessing.get_context("spawn")  # OpenVINO's threads do not survive a fork
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(make_analyzer, threads)
    ) as pool:
        waiting: dict[Future[Outcome], Job] = {
            pool.submit(_run_in_worker, job, output, resume): job for job in jobs
        }
        while waiting:
            done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            if stop is not None and stop.is_set():
                for future in [f for f in waiting if f.cancel()]:
                    del waiting[future]
            for future in done & waiting.keys():
                job = waiting.pop(future)
                yield _outcome_of(future, job)


def _outcome_of(future: Future[Outcome], job: Job) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        hint = "fewer --jobs need less memory"
        return Outcome(job, error=MediaError(f"{job.path}: its worker process was killed", hint=hint))


_worker: dict[str, Any] = {}


def _start_worker(make_analyzer: Callable[[int | None], Analyzer], threads: int) -> None:
    # Ctrl-C reaches the whole process group: a worker then ends its recording early and writes what it has.
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _worker.update(analyzer=make_analyzer(threads), stop=stop)


def _run_in_worker(job: Job, output: Output, resume: bool) -> Outcome:
    return run_job(_worker["analyzer"], job, output, resume=resume, stop=_worker["stop"])


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
