"""How much a random split flatters: the same plain classifier on random and on grouped folds.

Two classifiers that know nothing of shots: a support vector machine on mean and standard deviation of each
mel band, and logistic regression on a public tagger's embedding. Clips of one recording share background,
microphone and codec; on random folds these alone name the class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.signal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from vedette_audio.evaluation.measures import Figure, figure, grouped, mean
from vedette_audio.evaluation.scored import Sounds, Tell
from vedette_audio.features import log_mel
from vedette_base.errors import DataError
from vedette_base.media import SAMPLE_RATE

Floats = npt.NDArray[np.float64]
RANDOM_FOLDS: Final = 10
GROUPED_FOLDS: Final = 5
WHY: Final = (
    "A random fold holds clips of recordings that were trained on, so remembering their background is "
    "enough; a grouped fold holds only recordings that were not."
)
_TEACHER_SECONDS = 2  # the tagger hears so much of each clip: it averages over time


@dataclass(frozen=True, slots=True)
class Leak:
    """One classifier on both kinds of folds; accuracy of the firearm, twins merged.

    Attributes:
        random: share of clips that are right on random folds; ``grouped``: on grouped ones.
        random_recordings, grouped_recordings: the same as the mean over recordings.
    """

    classifier: str
    clips: int
    recordings: int
    types: int
    random: Figure
    grouped: Figure
    random_recordings: Figure
    grouped_recordings: Figure


def measure_leak(
    sounds: Sounds,
    teacher: str | Path | None = None,
    *,
    samples: int = 300,
    tell: Tell = lambda done, of: None,
) -> tuple[Leak, ...]:
    """Both classifiers (the second with ``teacher``, EfficientAT's weights) on the clips of known firearm.

    Raises:
        DataError: fewer than two firearms, or one with fewer recordings than grouped folds.
        BundleError: ``teacher`` is not that network.
    """
    typed = [(clip, index) for index, clip in enumerate(sounds.clips) if clip.types]
    names = sorted({clip.types for clip, _ in typed})
    truth = np.array([names.index(clip.types) for clip, _ in typed], np.int64)
    groups = [clip.group for clip, _ in typed]
    _refuse_what_cannot_be_split(truth, groups, [" = ".join(name) for name in names])
    embed = _embedding(teacher) if teacher is not None else None
    statistics, embeddings = [], []
    for done, (clip, _) in enumerate(typed):
        tell(done, len(typed))
        sound = sounds.cache.sound(clip)
        statistics.append(mel_statistics(sound))
        if embed is not None:
            embeddings.append(embed(sound))
    machine = make_pipeline(StandardScaler(), SVC(C=10.0))
    found = [("SVM on mel statistics", machine, np.array(statistics))]
    if embed is not None:
        regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        found.append(("logistic regression on EfficientAT mn04 embeddings", regression, np.array(embeddings)))
    return tuple(_compare(name, model, table, truth, groups, samples) for name, model, table in found)


def mel_statistics(sound: npt.NDArray[np.float32]) -> Floats:
    """Mean and standard deviation over time of each log-mel band, shape ``(2 * MELS,)``."""
    picture = log_mel(sound).astype(np.float64)
    return np.concatenate([picture.mean(axis=1), picture.std(axis=1)])


def _compare(
    name: str, model: Any, table: Floats, truth: npt.NDArray[np.int64], groups: Sequence[str], samples: int
) -> Leak:
    random = _right(model, table, truth, _random_folds(truth))
    held = _right(model, table, truth, _grouped_folds(truth, groups))
    by_clip = [grouped(right, groups) for right in (random, held)]
    by_recording = [{group: np.array([v.mean()]) for group, v in rows.items()} for rows in by_clip]
    return Leak(
        name,
        len(truth),
        len(set(groups)),
        int(truth.max()) + 1,
        *(figure(rows, mean, samples) for rows in (*by_clip, *by_recording)),
    )


def _right(
    model: Any, table: Floats, truth: npt.NDArray[np.int64], folds: Iterator[tuple[Any, Any]]
) -> Floats:
    right = np.zeros(len(truth))
    for training, held in folds:
        right[held] = model.fit(table[training], truth[training]).predict(table[held]) == truth[held]
    return right


def _random_folds(truth: npt.NDArray[np.int64]) -> Iterator[tuple[Any, Any]]:
    folds = StratifiedKFold(RANDOM_FOLDS, shuffle=True, random_state=0)
    yield from folds.split(np.zeros(len(truth)), truth)


def _grouped_folds(truth: npt.NDArray[np.int64], groups: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    folds = StratifiedGroupKFold(GROUPED_FOLDS, shuffle=True, random_state=0)
    yield from folds.split(np.zeros(len(truth)), truth, groups)


def _refuse_what_cannot_be_split(
    truth: npt.NDArray[np.int64], groups: Sequence[str], names: Sequence[str]
) -> None:
    if len(names) < 2:
        raise DataError(f"comparing folds needs two firearms or more, the manifest has {len(names)}")
    for number, name in enumerate(names):
        own = np.flatnonzero(truth == number)
        recordings = len({groups[int(i)] for i in own})
        if recordings < GROUPED_FOLDS or own.size < RANDOM_FOLDS:
            raise DataError(
                f"{name} has {own.size} clips of {recordings} recordings; {RANDOM_FOLDS} random and "
                f"{GROUPED_FOLDS} grouped folds need as many clips and recordings of each firearm"
            )


def _embedding(weights: str | Path) -> Callable[[npt.NDArray[np.float32]], Floats]:
    import torch

    from vedette_audio.teacher import SAMPLE_RATE as TEACHER_RATE
    from vedette_audio.teacher import Teacher

    teacher = Teacher.load(weights)
    common = math.gcd(TEACHER_RATE, SAMPLE_RATE)

    def embed(sound: npt.NDArray[np.float32]) -> Floats:
        low = scipy.signal.resample_poly(sound, TEACHER_RATE // common, SAMPLE_RATE // common)
        length = _TEACHER_SECONDS * TEACHER_RATE
        low = np.pad(low, (0, max(0, length - low.size)))[:length].astype(np.float32)
        return np.asarray(teacher.embedding(torch.from_numpy(low[None]))[0].numpy(), np.float64)

    return embed
