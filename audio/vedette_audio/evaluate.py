"""The figures of DESIGN section 7 for a sound bundle, on clips of ``val`` that nothing was fitted to.

Recordings (``group``) are the unit of every interval. Scores are those a user gets: ``AudioScorer`` with
every window, calibrated. A clip's score is the greatest of its windows. The rest of the evaluation (tables,
curves, pictures) is in ``vedette_audio.evaluation``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vedette_audio.classify import GunshotClassifier
from vedette_audio.evaluation.firearms import firearm_figures
from vedette_audio.evaluation.measures import (
    Figure,
    auroc,
    average_precision,
    expected_calibration_error,
    figure,
    grouped,
    recall_at,
)
from vedette_audio.evaluation.scored import Part, Scored, Sounds, Tell, listen
from vedette_base.bundle import Bundle, write_bundle
from vedette_base.engine import Backend
from vedette_base.errors import DataError


@dataclass(frozen=True, slots=True)
class AudioReport:
    """What a sound model can do.

    Attributes:
        recordings, typed_recordings: how many there were, and with a known firearm.
        clips: distinct sounds; ``shots`` of them hold a shot, ``typed_clips`` one of a known firearm.
        negative_hours: sound without shots, hours.
        accuracy_8, accuracy_9: type accuracy as the mean over recordings, M4 and M16 merged or not. Nine-way,
            a sound that lies in two folders is right in one of them at most.
        macro_f1_8, macro_f1_9, macro_auc_8: over the types; in F1 each recording weighs the same.
        auroc, ap: of ``gunshot`` per clip, all sources; ``_others``: without the nine-type set, whose clips
            differ from all negatives by more than their shots.
        recall_10, recall_1: share of shot clips found at 10 and 1 false alarms per hour of negative sound.
        ece: expected calibration error of ``gunshot``.
        shots_others, recordings_others: shots and recordings (with and without shots) behind ``_others``.
    """

    part: str
    recordings: int
    typed_recordings: int
    clips: int
    negative_hours: float
    accuracy_8: Figure
    accuracy_9: Figure
    macro_f1_8: Figure
    macro_auc_8: Figure
    auroc: Figure
    ap: Figure
    auroc_others: Figure
    ap_others: Figure
    recall_10: Figure
    recall_1: Figure
    ece: Figure
    macro_f1_9: Figure
    shots: int
    typed_clips: int
    shots_others: int
    recordings_others: int


def evaluate(
    manifest_path: str | Path,
    bundle: Bundle | str | Path,
    *,
    cache: str | Path,
    part: Part = "test",
    backend: Backend = "openvino",
    samples: int = 300,
) -> AudioReport:
    """Measure a bundle on the test third of ``val`` (``part="val"``: all of ``val``, calibration included).

    Args:
        cache: folder for decoded sound.
        samples: bootstrap samples per interval.

    Raises:
        DataError: no such manifest, or nothing to measure in it. BundleError: a bundle that cannot be used.
    """
    scored = score_part(manifest_path, bundle, cache=cache, part=part, backend=backend)
    return report(scored, part, samples)


def score_part(
    manifest: str | Path,
    bundle: Bundle | str | Path,
    *,
    cache: str | Path,
    part: Part = "test",
    backend: Backend = "openvino",
    tell: Tell = lambda done, of: None,
) -> Scored:
    """What a bundle says of the clips of a part; arguments and errors are those of ``evaluate``."""
    sounds = Sounds.open(manifest, cache).part(part)
    if not sounds.clips:
        raise DataError(f"{manifest}: no clips of {part} to measure on", hint="--part val or all has more")
    folder = bundle.folder if isinstance(bundle, Bundle) else bundle
    return listen(sounds, GunshotClassifier.load(folder, backend=backend), tell)


def evaluate_into_card(
    manifest: str | Path, bundle: Bundle, *, cache: str | Path, samples: int = 300
) -> Bundle:
    """Measure on the test third and on all of ``val`` and write both into the bundle's card."""
    parts: tuple[Part, ...] = ("test", "val")
    reports = {
        part: asdict(evaluate(manifest, bundle, cache=cache, part=part, samples=samples)) for part in parts
    }
    card = bundle.card.model_copy(update={"metrics": rounded(reports)})
    files: dict[str, Path | bytes] = {name: (bundle.folder / name).read_bytes() for name in bundle.card.files}
    return write_bundle(bundle.folder, card, files)


def report(scored: Scored, part: str, samples: int) -> AudioReport:
    """The figures of what was heard in clips."""
    shot, groups = scored.shot, scored.groups
    typed, hours = scored.typed, scored.negative_hours
    rows = np.stack([shot.astype(float), scored.scores[:, -1]], axis=1)
    others_groups = [group for group, known in zip(groups, typed, strict=True) if not known]
    detection, others = grouped(rows, groups), grouped(rows[~typed], others_groups)
    firearms = firearm_figures(scored, samples)
    return AudioReport(
        part=part,
        recordings=len(set(groups)),
        typed_recordings=len({group for group, known in zip(groups, typed, strict=True) if known}),
        clips=len(scored.clips),
        negative_hours=hours,
        accuracy_8=firearms.accuracy_8,
        accuracy_9=firearms.accuracy_9,
        macro_f1_8=firearms.macro_f1_8,
        macro_auc_8=firearms.macro_auc_8,
        auroc=figure(detection, auroc, samples),
        ap=figure(detection, average_precision, samples),
        auroc_others=figure(others, auroc, samples),
        ap_others=figure(others, average_precision, samples),
        recall_10=figure(detection, lambda r: recall_at(r, 10.0, hours), samples),
        recall_1=figure(detection, lambda r: recall_at(r, 1.0, hours), samples),
        ece=figure(detection, expected_calibration_error, samples),
        macro_f1_9=firearms.macro_f1_9,
        shots=int(shot.sum()),
        typed_clips=int(typed.sum()),
        shots_others=int((shot & ~typed).sum()),
        recordings_others=len(set(others_groups)),
    )


def rounded(tree: Any, places: int = 4) -> Any:
    """A tree of plain values with its numbers rounded, as JSON would give it back."""
    return json.loads(json.dumps(tree), parse_float=lambda text: round(float(text), places))
