"""Writes a recording's results into its folder: all of them, or none."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vedette.analysis import Analysis
from vedette.pipeline import StopFlag
from vedette.report.evidence import Evidence, Reopen, reopen_file
from vedette.report.labels import audacity_labels, events_csv, raven_table
from vedette.report.page import make_page
from vedette.report.timeline import save_timeline
from vedette.report.tracks import write_tracks
from vedette.report.wording import printable
from vedette_base.bundle import Card
from vedette_base.errors import OutputError, VedetteError

MANIFEST = "manifest.json"
NAME_BYTES = 255  # of a file name, on every file system in use


def write_results(
    analysis: Analysis,
    folder: Path,
    *,
    clips: bool = False,
    annotate: bool = False,
    pictures: int = 12,
    run: Mapping[str, Any] | None = None,
    cards: Mapping[str, Card] | None = None,
    reopen: Reopen | None = None,
    stop: StopFlag | None = None,
) -> Path:
    """Write all results into ``folder``, which is made, or replaced when it holds older results.

    Args:
        analysis: what was found.
        folder: where to; its parents are made.
        clips: put a playable clip of each pictured event into the report.
        annotate: also write ``annotated.mp4``.
        pictures: how many events, from the gravest, get stills, spectrogram and clip.
        run: what was asked for, kept in the manifest so that a later run knows whether it may skip.
        cards: sense -> card of its model, shown in the report.
        reopen: how to open the recording again for pictures; the file at ``analysis.path`` by default.
        stop: once set, clips, pictures of tracks and an annotated video that are not done yet are left away.

    Returns:
        ``folder``.

    Raises:
        OutputError: the folder cannot be written, or holds something that is not Vedette's.
        MediaError: ``annotate`` was asked for and could not be done; all other results are written.

    Whatever happens, ``folder`` is whole: the old results or the new ones. A recording that cannot be read
    again costs the report its pictures (it says so), never the results.
    """
    if reopen is None and analysis.path is not None:
        reopen = reopen_file(analysis.path)
    with replaced(folder) as work:
        evidence = Evidence(reopen, analysis.source, analysis.duration) if reopen is not None else None
        _write(work / "events.json", json.dumps(analysis.to_dict(), indent=1, ensure_ascii=False) + "\n")
        _write(work / "events.csv", events_csv(analysis))
        _write(work / "labels-audacity.txt", audacity_labels(analysis))
        _write(work / "labels-raven.txt", raven_table(analysis))
        save_timeline(analysis, work / "timeline.npz")
        failed = _annotate(analysis, work, reopen, stop) if annotate else None
        hurried = stop is not None and stop.is_set()
        clips, left = clips and not hurried, clips and hurried
        tracks = write_tracks(analysis, evidence, work, pictures=not hurried)
        page = make_page(
            analysis, evidence, folder=work, clips=clips, pictures=pictures, cards=cards or {}, tracks=tracks
        )
        _write(work / "report.html", page)
        # Without what was asked for the next run must not take it for done.
        kept = None if failed is not None or left or (hurried and tracks) else run
        source = {"path": printable(analysis.source.name), "sha256": analysis.sha256}
        write_manifest(work, source, analysis.models, complete=analysis.complete, run=kept)
    if failed is not None:
        raise failed
    return folder


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A work folder beside ``folder`` that takes its place when the block ends well, and vanishes otherwise.

    Raises:
        OutputError: it cannot be made, filled or moved, or ``folder`` holds something that is not ours.
    """
    folder = Path(os.path.realpath(folder))  # through a link: results go where it leads, and it stays
    mark = f".{uuid.uuid4().hex[:8]}.part"
    work = folder.with_name(f".{_shortened(folder.name, NAME_BYTES - len(mark) - len('..old'))}{mark}")
    with _explained(folder):
        _refuse_foreign(folder)
        work.mkdir(parents=True)
        try:
            yield work
            _swap(work, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Find out before hours of work whether results can go to ``folder``; its parents are made.

    Raises:
        OutputError: they cannot: no permission, no space, something else lies there.
    """
    folder = Path(os.path.realpath(folder))
    with _explained(folder):
        _refuse_foreign(folder)
    check_writable(folder.parent)


def check_writable(folder: Path) -> None:
    """Make ``folder`` unless it is there, and try to write a file in it.

    Raises:
        OutputError: that failed.
    """
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"Vedette")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder of results, or None where ``folder`` is no such folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and {"schema", "input", "versions", "files"} <= manifest.keys()
    return manifest if ours and isinstance(manifest["files"], dict) else None


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Errors of the file system meanwhile become one line that names ``folder``."""
    try:
        yield
    except VedetteError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "check that there is space and that you may write there, or choose another folder with --out"
        raise OutputError(f"cannot write results to {printable(str(folder))}: {reason}", hint=hint) from error


def _refuse_foreign(folder: Path) -> None:
    """Replacing means deleting: only what Vedette wrote, or an empty folder, may be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(
            f"cannot write results to {printable(str(folder))}: a file of that name is in the way",
            hint="choose another folder with --out",
        )
    manifest = read_manifest(folder)
    ours = {folder / name for name in (MANIFEST, *manifest["files"])} if manifest else set()
    foreign = sorted(path for path in folder.rglob("*") if path not in ours and not path.is_dir())
    if foreign:
        raise OutputError(
            f"{printable(str(folder))} holds files that are not results of Vedette, such as "
            f"{printable(foreign[0].name)}; they would be lost",
            hint="choose another folder with --out, or move them away",
        )


def _shortened(name: str, size: int) -> str:
    """The start of a name that takes at most ``size`` bytes in a file system."""
    return os.fsencode(name)[:size].decode(errors="ignore")


def _swap(work: Path, folder: Path) -> None:
    """Put ``work`` in the place of ``folder``; the older results go only when the new ones are there."""
    if not folder.is_dir():
        os.replace(work, folder)
        return
    aside = folder.with_name(f"{work.name}.old")
    os.replace(folder, aside)
    try:
        os.replace(work, folder)
    except OSError:
        os.replace(aside, folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _annotate(
    analysis: Analysis, work: Path, reopen: Reopen | None, stop: StopFlag | None
) -> VedetteError | None:
    """Write the annotated video; what went wrong is given back: it must not cost the other results."""
    from vedette.report.annotate import annotate as write_video

    target = work / "annotated.mp4"
    try:
        write_video(analysis, target, reopen=reopen, stop=stop)
    except VedetteError as error:
        target.unlink(missing_ok=True)
        return error
    return None


def write_manifest(
    work: Path,
    source: Mapping[str, Any],
    models: Mapping[str, str],
    *,
    complete: bool = True,
    run: Mapping[str, Any] | None = None,
) -> None:
    """Write hashes of every file in ``work`` and of its source, with the versions that made them.

    Args:
        source: ``path`` and ``sha256`` of the recording.
        models: sense -> name and version.
        run: what was asked for.

    Raises:
        OSError: it cannot be written.
    """
    from vedette import __version__

    files = sorted(path for path in work.rglob("*") if path.is_file())
    manifest = {
        "schema": 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": {"path": source["path"], "sha256": source["sha256"]},
        "complete": complete,
        "versions": {"vedette": __version__, "python": platform.python_version(), **models},
        "run": dict(run) if run is not None else None,
        "files": {path.relative_to(work).as_posix(): _described(path) for path in files},
    }
    _write(work / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}


def _write(path: Path, text: str) -> None:
    # A file name may hold bytes that are no UTF-8; in JSON they become valid \udcxx escapes.
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
