"""Cross-validation of the tutors: every sound is judged by tutors that never heard its recording.

The first network of a bundle takes hours to train and has no figures out of fold here; its second opinion is
quick enough. A folder then holds ``fold-0``, ``fold-1``, ... (each a folder of tutors), ``out_of_fold.csv``
and ``folds.json``, as a cross-validation of the network does. What is there already is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vedette_audio.cross_validation import PREDICTIONS, put_together, write_predictions
from vedette_audio.features import frames_in
from vedette_audio.folds import assign_folds, fold_data
from vedette_audio.second import read_tutors
from vedette_audio.teacher import Teacher
from vedette_audio.training_data import Collection
from vedette_audio.tutoring import fit_several
from vedette_audio.validation import Validation
from vedette_base.config import AudioTrainConfig
from vedette_base.media import SAMPLE_RATE


def cross_validate_tutors(
    config: AudioTrainConfig,
    collection: Collection,
    teacher: Teacher,
    out: Path,
    *,
    count: int,
    epochs: int,
    on_step: Callable[[float, int, float], None] = lambda share, number, loss: None,
) -> dict[str, Any]:
    """Make the tutors of ``config.folds`` folds and judge each fold by those that did not hear it.

    Arguments as for ``fit_several``; ``on_step`` gets the number of the fold. Returns what ``folds.json``
    holds.

    Raises:
        DataError: a firearm with one recording, or too few recordings. OutputError: no room.
    """
    folds = assign_folds(collection, config.folds, kind=config.folds_kind, seed=config.seed)
    for number in range(config.folds):
        folder = out / f"fold-{number}"

        def tell(share: float, _: int, loss: float, number: int = number) -> None:
            on_step((number + share) / config.folds, number, loss)

        if (folder / PREDICTIONS).is_file():
            continue
        data = fold_data(collection, folds, number, choose=False)
        fit_several(config, data, teacher, folder, count=count, epochs=epochs, on_step=tell)
        clips = [clip for clip, k in zip(collection.clips, folds, strict=True) if k == number]
        frames = frames_in(round(config.heard * SAMPLE_RATE))
        validation = Validation(clips, collection.sounds, frames, flagged=True)
        write_predictions(folder, clips, validation.clip_scores(read_tutors(folder)))
    return put_together(config, collection, folds, out)
