"""Several recordings at a time: worker processes with models of their own, which may crash one by one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final, Generic, TypeVar

from vedette.pipeline import StopFlag

Job = TypeVar("Job")
Result = TypeVar("Result")

POLL: Final = 0.2  # s between looks at whether to stop
PROGRESS_EVERY: Final = 0.25  # s between two reports of a worker
PATIENCE: Final = 10.0  # s for a worker to clean up after being told to drop everything
_TOLD: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_DROP: Final = signal.SIGUSR1  # tells a worker to end at once, removing what it has half written

Progress = Callable[[float, float | None], None]


Run = Callable[[Job, Progress, StopFlag], Result]
"""Does one job in a worker; ends early once the flag is set."""


@dataclass(slots=True)
class _Worker(Generic[Job]):
    process: SpawnProcess
    line: Connection
    job: Job


def run_in_workers(
    jobs: Iterable[Job],
    make_run: Callable[[int], Run[Job, Result]],
    *,
    workers: int,
    crashed: Callable[[Job, int], Result],
    on_progress: Callable[[Job], Progress] | None = None,
    stop: StopFlag | None = None,
) -> Iterator[Result]:
    """Results as they come. A worker that crashes costs the one job it had in hand.

    Args:
        jobs: what is to be done; picklable.
        make_run: called once in each worker with the number of threads it should use; picklable.
        workers: processes at a time.
        crashed: the result of a job whose process died, from its exit code (minus the signal that killed it).
        on_progress: gives what to call as a job goes on.
        stop: once set, jobs in hand end early and no other is begun.
    """
    context = multiprocessing.get_context("spawn")  # OpenVINO's threads do not survive a fork
    stopping = context.Event()
    threads = max(1, _cores() // workers)
    pending = deque(jobs)
    crew: list[_Worker[Job]] = []
    leaving: list[SpawnProcess] = []
    progress: dict[Connection, Progress] = {}

    def begin(worker: _Worker[Job]) -> None:
        if on_progress is not None:
            progress[worker.line] = on_progress(worker.job)
        with suppress(OSError):  # it has died already: its closed line says so in a moment
            worker.line.send(worker.job)

    try:
        while crew or pending:
            if stop is not None and stop.is_set():
                stopping.set()
                pending.clear()
            while pending and len(crew) < workers:
                line, far = context.Pipe()
                process = context.Process(target=_work, args=(far, make_run, threads, stopping), daemon=True)
                with _held_back():
                    process.start()
                far.close()
                crew.append(_Worker(process, line, pending.popleft()))
                begin(crew[-1])
            ready = wait([worker.line for worker in crew], timeout=POLL)
            for worker in [w for w in crew if w.line in ready]:
                try:
                    kind, content = worker.line.recv()
                except (EOFError, OSError):  # the process is gone, whatever it was doing
                    crew.remove(worker)
                    worker.process.join()
                    worker.line.close()
                    yield crashed(worker.job, worker.process.exitcode or 0)
                    continue
                if kind == "progress":
                    progress.get(worker.line, _ignore)(*content)
                    continue
                yield content
                if pending and not (stop is not None and stop.is_set()):
                    worker.job = pending.popleft()
                    begin(worker)
                else:
                    crew.remove(worker)
                    leaving.append(worker.process)
                    worker.line.close()  # its loop ends with its line
    finally:
        for worker in crew:
            worker.line.close()
        _dismiss([worker.process for worker in crew], leaving)


def _work(
    line: Connection, make_run: Callable[[int], Run[Job, Result]], threads: int, stop: StopFlag
) -> None:
    """What a worker process does until its line is closed."""
    # Ctrl-C and SIGTERM reach the whole process group; the parent decides and tells by `stop`.
    for number in _TOLD:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(_DROP, _drop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD)
    told = 0.0

    def tell(kind: str, content: object) -> None:
        try:
            line.send((kind, content))
        except OSError:  # the parent is gone
            _drop()

    def on_progress(done: float, total: float | None) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_EVERY:
            told = time.monotonic()
            tell("progress", (done, total))

    run = make_run(threads)
    while True:
        try:
            job = line.recv()
        except (EOFError, OSError):
            return
        tell("result", run(job, on_progress, stop))


def _drop(*_: object) -> None:
    raise SystemExit(1)  # passes every `finally`, so that nothing half-written stays


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals wait meanwhile; a process started here has them blocked until it is ready for them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _dismiss(busy: list[SpawnProcess], leaving: list[SpawnProcess]) -> None:
    """End workers: at once those that are still at work, for nobody waits for their results any more."""
    for process in busy:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, _DROP)
    for process in (*busy, *leaving):
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()


def _ignore(done: float, total: float | None) -> None:
    del done, total


def _cores() -> int:
    """Processors this process may use; a container often has fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
