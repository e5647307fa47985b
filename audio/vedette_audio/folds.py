"""Folds for cross-validation: whole recordings, every class spread over them as evenly as it goes."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from vedette_audio.training_data import Collection, TrainingData, stratum
from vedette_base.errors import DataError

Folds = npt.NDArray[np.int64]
Kind = Literal["grouped", "random"]


def assign_folds(collection: Collection, number: int, *, kind: Kind = "grouped", seed: int = 0) -> Folds:
    """Fold of each clip, shape ``(clips,)``, 0 to ``number - 1``.

    The rarest class is dealt out first. Within a class the greatest recording comes first and goes to the
    fold that has the fewest recordings of the class, then the fewest of its clips, then of all. Equals are
    taken in the order of a hash of name and ``seed``, so the same data gives the same folds on any machine.
    ``random`` deals single clips in the same way: neighbours from one recording are then on both sides.

    Raises:
        DataError: a firearm with a single recording, shots or other sounds of a single one, too few in all.
    """
    clips = collection.clips
    units = [
        collection.recordings[clip.group] if kind == "grouped" else f"clip {clip.path}" for clip in clips
    ]
    classes = [stratum(clip) for clip in clips]
    _refuse_what_cannot_be_split(collection, units, number)
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for unit, name in zip(units, classes, strict=True):
        sizes[name][unit] += 1
    total = Counter(units)
    fold_of: dict[str, int] = {}
    clips_in: Counter[int] = Counter()
    for name in sorted(sizes, key=lambda name: (len(sizes[name]), name)):
        units_here: Counter[int] = Counter()
        clips_here: Counter[int] = Counter()
        for unit in sorted(sizes[name], key=lambda unit: (-sizes[name][unit], _shuffled(unit, seed))):
            if unit not in fold_of:
                fold_of[unit] = min(
                    range(number), key=lambda k: (units_here[k], clips_here[k], clips_in[k], k)
                )
                clips_in[fold_of[unit]] += total[unit]
            units_here[fold_of[unit]] += 1
            clips_here[fold_of[unit]] += sizes[name][unit]
    return np.array([fold_of[unit] for unit in units], np.int64)


def _shuffled(unit: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {unit}".encode()).digest()


def _refuse_what_cannot_be_split(collection: Collection, units: Sequence[str], number: int) -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for clip, unit in zip(collection.clips, units, strict=True):
        if clip.types:
            owners[stratum(clip)].add(unit)
        owners["gunshot" if clip.shot else "other"].add(unit)
    for name, found in sorted(owners.items()):
        if len(found) < 2:
            raise DataError(
                f"{name} has one recording ({next(iter(found))}): it cannot be split into folds",
                hint="add a recording of it, or take it out of the manifest",
            )
    if len(set(units)) < number:
        raise DataError(f"{len(set(units))} recordings cannot be split into {number} folds")


def fold_data(collection: Collection, folds: Folds, fold: int, *, choose: bool) -> TrainingData:
    """What the training of one fold sees.

    With ``choose`` (early stopping) the fold after it is kept out of training too, and chooses: the clips of
    the fold itself choose nothing, or its figures would be flattered.
    """
    number = int(folds.max()) + 1
    inner = (fold + 1) % number if choose and number > 2 else fold
    training = [c for c, k in zip(collection.clips, folds, strict=True) if k not in (fold, inner)]
    held = [c for c, k in zip(collection.clips, folds, strict=True) if k == inner]
    return TrainingData(tuple(training), tuple(held), collection.sounds, chooses=inner != fold)
