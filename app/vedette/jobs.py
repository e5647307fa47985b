"""Which recordings are analysed, and where the results of each go."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vedette.recording import RecordingOptions
from vedette.report.files import read_manifest
from vedette.sources import find_recordings, order_pieces
from vedette_base.errors import MediaError


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to analyse and the folder its results go to."""

    path: Path
    folder: Path
    options: RecordingOptions = field(default_factory=RecordingOptions)


def plan(inputs: Sequence[Path], out: Path, options: RecordingOptions | None = None) -> list[Job]:
    """Jobs for files and folders, in a stable order.

    A folder's recordings keep their relative paths below ``out``; results of earlier runs that lie in it are
    no recordings. Results go to a folder of the recording's name without the ending; the ending is kept where
    two recordings would share a name, or where results would lie within results. A file that was named
    outright becomes a job even when it is missing: its job then fails and says so.

    Raises:
        MediaError: a folder without a single recording.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for path, relative in _found(inputs):
        found.setdefault(os.path.abspath(path), (path, relative))  # given twice, analysed once
    folders = _result_folders([relative for _, relative in found.values()])
    options = options or RecordingOptions()
    return [
        Job(path, out / folder, options) for (path, _), folder in zip(found.values(), folders, strict=True)
    ]


def plan_sequence(inputs: Sequence[Path], out: Path, options: RecordingOptions | None = None) -> Job:
    """One job for the numbered pieces of a recording; its results are named for the first.

    Raises:
        MediaError: a folder without a single recording.
    """
    pieces = order_pieces(dict.fromkeys(path for path, _ in _found(inputs)))
    whole = replace(options or RecordingOptions(), sequence=tuple(pieces[1:]))
    return Job(pieces[0], out / pieces[0].stem, whole)


def _found(inputs: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Recordings, each with its path relative to where results go."""
    found: list[tuple[Path, Path]] = []
    for given in inputs:
        if not os.path.isdir(given):
            found.append((given, Path(given.name)))
            continue
        inside = find_recordings(given, passed_over=lambda folder: read_manifest(folder) is not None)
        if not inside:
            raise MediaError(f"{given}: no recordings in this folder", hint="give a folder with media files")
        found.extend((path, path.relative_to(given)) for path in inside)
    return found


def _result_folders(recordings: Sequence[Path]) -> list[Path]:
    """Where each recording's results go: no two in one folder, and none within another's."""
    names = [recording.with_suffix("") for recording in recordings]
    count = Counter(names)
    above = {parent for recording in recordings for parent in recording.parents}
    taken: set[Path] = set()
    folders = []
    for recording, name in zip(recordings, names, strict=True):
        wanted = recording if count[name] > 1 or name in above else name
        folder, number = wanted, 1
        while folder in taken or folder in above:  # `a/clip.mp4` and `b/clip.mp4` share even their ending
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")
        taken.add(folder)
        folders.append(folder)
    return folders
