"""Clips with what a model said of them: heard by a bundle now, or read from a cross-validation's table."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from vedette_audio.classify import GunshotClassifier
from vedette_audio.dataset import Clip, SoundCache, distinct_sounds, read_manifest
from vedette_base.errors import DataError, OutputError
from vedette_base.media import SAMPLE_RATE, AudioBlock
from vedette_base.score import AUDIO_LABELS, FIREARMS
from vedette_base.statistics import TEST, thirds

Part = Literal["test", "val", "all", "out_of_fold"]
Floats = npt.NDArray[np.float64]
Tell = Callable[[int, int], None]
"""Told how many clips of how many are done."""
_KEYS = ("path", "label", "fine", "group", "fold", "source")


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Distinct sounds and their scores.

    Attributes:
        clips: each sound once; ``types`` holds all names of twins.
        names: per clip the names under which this very sound occurs in the manifest.
        scores: shape ``(n, len(AUDIO_LABELS))``: P(this type | shot) and, last, P(shot); 0..1.
        seconds: shape ``(n,)``, how long each is.
        missing: clips of the manifest that a table of scores does not have.
        folds: of a table of scores; 0 where it names none.
        leaks: clips of one recording were scored in different folds: random folds.
    """

    clips: tuple[Clip, ...]
    names: tuple[tuple[str, ...], ...]
    scores: Floats
    seconds: Floats
    missing: int = 0
    folds: int = 0
    leaks: bool = False

    @property
    def shot(self) -> npt.NDArray[np.bool_]:
        """Whether each clip holds a shot."""
        return np.array([clip.shot for clip in self.clips], bool)

    @property
    def typed(self) -> npt.NDArray[np.bool_]:
        """Whether the firearm is known."""
        return np.array([bool(clip.types) for clip in self.clips], bool)

    @property
    def groups(self) -> list[str]:
        """The recording of each clip."""
        return [clip.group for clip in self.clips]

    @property
    def negative_hours(self) -> float:
        """Sound without shots, hours."""
        return float(self.seconds[~self.shot].sum() / 3600)

    def only(self, keep: npt.NDArray[np.bool_]) -> Scored:
        """The clips for which ``keep`` is true."""
        index = np.flatnonzero(keep)
        return Scored(
            tuple(self.clips[i] for i in index),
            tuple(self.names[i] for i in index),
            self.scores[index],
            self.seconds[index],
            self.missing,
            self.folds,
            self.leaks,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Sounds:
    """The distinct sounds of a manifest."""

    clips: tuple[Clip, ...]
    names: tuple[tuple[str, ...], ...]
    cache: SoundCache

    @classmethod
    def open(cls, manifest: str | Path, cache: str | Path) -> Sounds:
        """Read a manifest; decoded sound is kept in ``cache``. Raises DataError."""
        clips = read_manifest(manifest)
        sounds = SoundCache.open(Path(manifest).parent, clips, cache)
        names: dict[str, set[str]] = defaultdict(set)
        digests = {clip.path: sounds.digest(clip) for clip in clips}
        for clip in clips:
            names[digests[clip.path]].add(clip.fine)
        distinct = distinct_sounds(clips, sounds)
        return cls(distinct, tuple(tuple(sorted(names[digests[clip.path]])) for clip in distinct), sounds)

    def seconds(self) -> Floats:
        """How long each clip is."""
        return np.array([self.cache.pcm(clip).size / SAMPLE_RATE for clip in self.clips])

    def part(self, part: Part) -> Sounds:
        """The clips of the test third of ``val``, of all of ``val``, or all."""
        if part not in ("test", "val", "all"):
            raise DataError(f"part must be test, val or all, got {part!r}")
        numbers = thirds([clip.group for clip in self.clips])
        index = [
            i
            for i, clip in enumerate(self.clips)
            if part == "all" or (clip.split == "val" and (part == "val" or numbers[i] == TEST))
        ]
        return Sounds(tuple(self.clips[i] for i in index), tuple(self.names[i] for i in index), self.cache)


def listen(sounds: Sounds, classifier: GunshotClassifier, tell: Tell = lambda done, of: None) -> Scored:
    """Score clips as a user's are: every window, calibrated; the greatest window is the clip's score."""
    rows = []
    for done, clip in enumerate(sounds.clips):
        tell(done, len(sounds.clips))
        heard = classifier.hear(_blocks(sounds.cache, clip))
        rows.append([*(heard.types[name] for name in FIREARMS), heard.gunshot])
    table = np.array(rows, np.float64).reshape(-1, len(AUDIO_LABELS))
    return Scored(sounds.clips, sounds.names, table, sounds.seconds())


def _blocks(cache: SoundCache, clip: Clip) -> Iterator[AudioBlock]:
    time = 0.0
    for samples in cache.blocks(clip):
        yield AudioBlock(time, samples)
        time += samples.size / SAMPLE_RATE


def read_table(path: str | Path, sounds: Sounds) -> Scored:
    """Scores from a table, a row per clip: ``out_of_fold.csv`` of a cross-validation, or ``write_table``'s.

    Recordings and labels are taken from the manifest; a recording in two folds marks the table as leaking.

    Raises:
        DataError: no such file, a column is missing, a clip is there twice, a score is no number within 0..1,
            or none of its clips is in the manifest.
    """
    scores: dict[str, list[float]] = {}
    group_of = {clip.path: clip.group for clip in sounds.clips}
    folds: dict[str, set[str]] = defaultdict(set)
    for line, row in _rows(Path(path)):
        name = row["path"]
        if name in scores:
            raise DataError(f"{path}, line {line}: {name} is there twice")
        if name in group_of:
            folds[group_of[name]].add(row.get("fold", ""))
        scores[name] = _probabilities(Path(path), line, row)
    leaks = any(len(found) > 1 for found in folds.values())
    named = set[str]().union(*folds.values())
    return replace(_joined(Path(path), scores, sounds), folds=0 if "" in named else len(named), leaks=leaks)


def write_table(scored: Scored, path: str | Path) -> None:
    """Write scores as a table that ``read_table`` reads. Raises OutputError."""
    try:
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*_KEYS, *AUDIO_LABELS])
            for clip, row in zip(scored.clips, scored.scores, strict=True):
                label = "gunshot" if clip.shot else "other"
                writer.writerow(
                    [
                        clip.path,
                        label,
                        clip.fine,
                        clip.group,
                        "",
                        clip.source,
                        *(f"{value:.6f}" for value in row),
                    ]
                )
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in ("path", *AUDIO_LABELS) if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: no column {', '.join(missing)}", hint="give a table of scores")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: {why}", hint="give the out_of_fold.csv of a cross-validation") from error


def _probabilities(path: Path, line: int, row: dict[str, str]) -> list[float]:
    found = []
    for label in AUDIO_LABELS:
        try:
            value = float(row[label])
        except (TypeError, ValueError):
            value = float("nan")
        if not 0 <= value <= 1:
            raise DataError(f"{path}, line {line}: {label} must be within 0..1, got {row[label]!r}")
        found.append(value)
    return found


def _joined(path: Path, scores: dict[str, list[float]], sounds: Sounds) -> Scored:
    index = [i for i, clip in enumerate(sounds.clips) if clip.path in scores]
    if not index:
        raise DataError(
            f"{path}: none of its {len(scores)} clips is in the manifest",
            hint="give the manifest that the cross-validation used",
        )
    clips: Sequence[Clip] = [sounds.clips[i] for i in index]
    return Scored(
        tuple(clips),
        tuple(sounds.names[i] for i in index),
        np.array([scores[clip.path] for clip in clips], np.float64),
        sounds.seconds()[index],
        missing=len(sounds.clips) - len(index),
    )
