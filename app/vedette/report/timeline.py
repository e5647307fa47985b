"""``timeline.npz``: both senses' scores as plain arrays, to rehearse a rule later without the recording."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vedette.analysis import Analysis
from vedette_base.errors import DataError
from vedette_base.score import FIREARMS, Coverage, Score, Segment, Shot, WeaponTrack

FORMAT = 1
"""Version of the arrays' names and shapes."""

_Loaded = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """What `vedette.fuse` needs: ``fuse(t.audio_scores, t.vision_scores, shots=t.shots, ...)``."""

    audio_scores: Score
    vision_scores: Score
    shots: tuple[Shot, ...]
    tracks: tuple[WeaponTrack, ...]
    coverage: Coverage
    duration: float


def save_timeline(analysis: Analysis, path: Path) -> None:
    """Write the timelines of an analysis to ``path``.

    Arrays, for each sense ``S`` of ``audio`` and ``vision``: ``S_times (n,)`` float64 seconds,
    ``S_probabilities (n, classes)`` float32, ``S_labels (classes,)`` text, ``S_quality (n,)`` float32,
    ``S_coverage (k, 2)`` float64 seconds. Shots: ``shot_times``, ``shot_probabilities``, ``shot_bursts`` and
    ``shot_types (n, 9)`` (NaN where types were not looked at). Tracks: ``track_ids``, ``track_labels``,
    ``track_probabilities``, ``track_spans (n, 2)``, ``track_peak_times``, ``track_peak_boxes (n, 4)``,
    ``track_looks``, ``track_confirmed``. And ``duration`` in seconds, ``format``.
    """
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **_arrays(analysis))


def load_timeline(path: str | Path) -> Timeline:
    """Read a ``timeline.npz`` back.

    Raises:
        DataError: not such a file, of another format, or damaged. Nothing pickled is ever loaded.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if int(arrays["format"]) != FORMAT:
                raise DataError(
                    f"{path}: timeline of format {int(arrays['format'])}, this version reads {FORMAT}",
                    hint="analyse the recording again",
                )
            return Timeline(
                audio_scores=_score("audio", arrays),
                vision_scores=_score("vision", arrays),
                shots=_shots(arrays),
                tracks=_tracks(arrays),
                coverage=Coverage(_segments(arrays["audio_coverage"]), _segments(arrays["vision_coverage"])),
                duration=float(arrays["duration"]),
            )
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file", hint="`vedette analyze` writes timeline.npz") from error
    except (KeyError, EOFError, OSError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path}: not a timeline of Vedette", hint="`vedette analyze` writes timeline.npz"
        ) from error


def _arrays(analysis: Analysis) -> dict[str, npt.NDArray[Any]]:
    shots, tracks = analysis.shots, analysis.tracks
    types = [[shot.types.get(name, np.nan) for name in FIREARMS] for shot in shots]
    return {
        "format": np.array(FORMAT),
        "duration": np.array(analysis.duration, np.float64),
        **_score_arrays("audio", analysis.audio_scores, analysis.coverage.audio),
        **_score_arrays("vision", analysis.vision_scores, analysis.coverage.vision),
        "shot_times": np.array([s.time for s in shots], np.float64),
        "shot_probabilities": np.array([s.probability for s in shots], np.float32),
        "shot_bursts": np.array([s.burst for s in shots], np.int64),
        "shot_types": np.array(types, np.float32).reshape(len(shots), len(FIREARMS)),
        "track_ids": np.array([t.id for t in tracks], np.int64),
        "track_labels": _texts([t.label for t in tracks]),
        "track_probabilities": np.array([t.probability for t in tracks], np.float32),
        "track_spans": _pairs([(t.start, t.end) for t in tracks]),
        "track_peak_times": np.array([t.peak_time for t in tracks], np.float64),
        "track_peak_boxes": np.array([t.peak_box for t in tracks], np.float64).reshape(len(tracks), 4),
        "track_looks": np.array([t.looks for t in tracks], np.int64),
        "track_confirmed": np.array([t.confirmed for t in tracks], np.bool_),
    }


def _score_arrays(sense: str, scores: Score, observed: Sequence[Segment]) -> dict[str, npt.NDArray[Any]]:
    return {
        f"{sense}_times": scores.times,
        f"{sense}_probabilities": scores.probabilities,
        f"{sense}_labels": _texts(scores.labels),
        f"{sense}_quality": scores.quality,
        f"{sense}_coverage": _pairs([(s.start, s.end) for s in observed]),
    }


def _texts(values: Sequence[str]) -> npt.NDArray[np.str_]:
    return np.array(list(values), dtype=np.str_)


def _pairs(values: Sequence[tuple[float, float]]) -> npt.NDArray[np.float64]:
    return np.array(values, np.float64).reshape(len(values), 2)


def _score(sense: str, arrays: _Loaded) -> Score:
    return Score(
        arrays[f"{sense}_times"].astype(np.float64),
        arrays[f"{sense}_probabilities"].astype(np.float32),
        tuple(str(label) for label in arrays[f"{sense}_labels"]),
        arrays[f"{sense}_quality"].astype(np.float32),
    )


def _segments(pairs: npt.NDArray[Any]) -> tuple[Segment, ...]:
    return tuple(Segment(start, end) for start, end in pairs.astype(np.float64).tolist())


def _shots(arrays: _Loaded) -> tuple[Shot, ...]:
    rows = zip(
        arrays["shot_times"].tolist(),
        arrays["shot_probabilities"].tolist(),
        arrays["shot_types"].tolist(),
        arrays["shot_bursts"].tolist(),
        strict=True,
    )
    return tuple(
        Shot(time, probability, {n: p for n, p in zip(FIREARMS, types, strict=True) if p == p}, burst)
        for time, probability, types, burst in rows
    )


def _tracks(arrays: _Loaded) -> tuple[WeaponTrack, ...]:
    names = (
        "track_ids",
        "track_labels",
        "track_probabilities",
        "track_spans",
        "track_peak_times",
        "track_peak_boxes",
        "track_looks",
        "track_confirmed",
    )
    rows = zip(*(arrays[name].tolist() for name in names), strict=True)
    return tuple(
        WeaponTrack(id_, label, probability, start, end, peak, (box[0], box[1], box[2], box[3]), looks, sure)
        for id_, label, probability, (start, end), peak, box, looks, sure in rows
    )
