"""The figures of DESIGN section 7 for a sound bundle, on clips of ``val`` that nothing was fitted to.

Recordings (``group``) are the unit of every interval. Scores are those a user gets: ``AudioScorer`` with
every window, calibrated. A clip's score is the greatest of its windows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from vedette_audio.classify import Classification, GunshotClassifier
from vedette_audio.dataset import Clip, SoundCache, read_manifest, share_targets, twin_types, without_doubles
from vedette_base.bundle import Bundle, write_bundle
from vedette_base.calibration import calibration_error
from vedette_base.engine import Backend
from vedette_base.errors import DataError
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import FIREARMS
from vedette_base.statistics import TEST, bootstrap_interval, thirds

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval over recordings (None where it is not defined)."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class AudioReport:
    """What a sound model can do.

    Attributes:
        recordings, typed_recordings: how many there were, and with a known firearm.
        negative_hours: sound without shots, hours.
        accuracy_8, accuracy_9: type accuracy as the mean over recordings, M4 and M16 merged or not.
        macro_f1_8, macro_auc_8: over the merged types.
        auroc, ap: of ``gunshot`` per clip, all sources; ``_others``: without the nine-type set, whose clips
            differ from all negatives by more than their shots.
        recall_10, recall_1: share of shot clips found at 10 and 1 false alarms per hour of negative sound.
        ece: expected calibration error of ``gunshot``.
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


def evaluate(
    manifest_path: str | Path,
    bundle: Bundle | str | Path,
    *,
    cache: str | Path,
    part: str = "test",
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
    manifest = Path(manifest_path)
    clips = read_manifest(manifest)
    sounds = SoundCache.open(manifest.parent, clips, cache)
    clips = without_doubles(share_targets(clips, twin_types(clips, sounds)), sounds)
    chosen = [clip for clip in clips if clip.split == "val"]
    if part == "test":
        third = thirds([clip.group for clip in chosen])
        chosen = [clip for clip, number in zip(chosen, third, strict=True) if number == TEST]
    if not chosen:
        raise DataError(f"{manifest}: no clips of val to measure on")
    folder = bundle.folder if isinstance(bundle, Bundle) else bundle
    classifier = GunshotClassifier.load(folder, backend=backend)
    heard = [classifier.classify(sounds.sound(clip), SAMPLE_RATE) for clip in chosen]
    hours = sum(sounds.pcm(clip).size for clip in chosen if not clip.shot) / SAMPLE_RATE / 3600
    return report(chosen, heard, hours, part, samples)


def evaluate_into_card(
    manifest: str | Path, bundle: Bundle, *, cache: str | Path, samples: int = 300
) -> Bundle:
    """Measure on the test third and on all of ``val`` and write both into the bundle's card."""
    reports = {
        part: asdict(evaluate(manifest, bundle, cache=cache, part=part, samples=samples))
        for part in ("test", "val")
    }
    card = bundle.card.model_copy(update={"metrics": _rounded(reports)})
    files: dict[str, Path | bytes] = {name: (bundle.folder / name).read_bytes() for name in bundle.card.files}
    return write_bundle(bundle.folder, card, files)


def report(
    clips: Sequence[Clip], heard: Sequence[Classification], hours: float, part: str, samples: int
) -> AudioReport:
    """Figures of what was heard in ``clips``, in the same order; ``hours`` of them hold no shot."""
    shot = np.array([clip.shot for clip in clips])
    score = np.array([h.gunshot for h in heard])
    groups = [clip.group for clip in clips]
    rows = np.stack([shot.astype(float), score], axis=1)
    typed = [i for i, clip in enumerate(clips) if clip.types]
    others = np.array([not clip.types for clip in clips])
    types = np.array([[h.types[name] for name in FIREARMS] for h in heard]).reshape(-1, len(FIREARMS))
    typed_groups = [groups[i] for i in typed]
    right = _grouped(np.array([_right(clips[i], types[i]) for i in typed]).reshape(-1, 2), typed_groups)
    merged = merged_types([clips[i] for i in typed], types[typed])
    others_groups = [g for g, o in zip(groups, others, strict=True) if o]
    detection, detection_others = _grouped(rows, groups), _grouped(rows[others], others_groups)

    def figure(of: dict[str, Any], statistic: Callable[[Any], float]) -> Figure:
        return _figure(of, statistic, samples)

    return AudioReport(
        part,
        len(set(groups)),
        len(set(typed_groups)),
        len(clips),
        hours,
        figure(_per_recording(right, 0), lambda v: float(v.mean())),
        figure(_per_recording(right, 1), lambda v: float(v.mean())),
        figure(_grouped(merged, typed_groups), _macro_f1),
        Figure(_macro_auc(merged)),
        figure(detection, _auroc),
        figure(detection, _ap),
        figure(detection_others, _auroc),
        figure(detection_others, _ap),
        figure(detection, lambda r: recall_at(r, 10.0, hours)),
        figure(detection, lambda r: recall_at(r, 1.0, hours)),
        Figure(calibration_error(score, shot)),
    )


def recall_at(rows: Floats, alarms_per_hour: float, hours: float) -> float:
    """Share of shot clips above the threshold that this many false alarms (clips) an hour allow."""
    shot = rows[:, 0] > 0
    if not shot.any() or hours <= 0:
        return float("nan")
    ranked = np.sort(rows[~shot, 1])[::-1]
    allowed = int(alarms_per_hour * hours)
    limit = ranked[allowed] if allowed < ranked.size else -1.0
    return float(np.mean(rows[shot, 1] > limit))


def merged_types(clips: Sequence[Clip], types: Floats) -> Floats:
    """Rows of (number of the true merged type, score of each merged type); twins take the greater score."""
    sets = sorted({clip.types for clip in clips})
    columns = [types[:, [FIREARMS.index(name) for name in names]].max(axis=1) for names in sets]
    truth = np.array([float(sets.index(clip.types)) for clip in clips])
    return np.stack([truth, *columns], axis=1) if clips else np.empty((0, 1))


def _right(clip: Clip, types: Floats) -> tuple[bool, bool]:
    """Whether the best type is right when twins are merged, and when only the clip's own name counts."""
    best = FIREARMS[int(types.argmax())]
    return best in clip.types, best == clip.fine


def _grouped(rows: npt.NDArray[Any], groups: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    found: dict[str, list[npt.NDArray[Any]]] = defaultdict(list)
    for row, group in zip(rows, groups, strict=True):
        found[group].append(row)
    return {group: np.array(values) for group, values in found.items()}


def _figure(rows: dict[str, Any], statistic: Callable[[Any], float], samples: int) -> Figure:
    if not rows:
        return Figure(None)
    value = statistic(np.concatenate(list(rows.values())))
    low, high = bootstrap_interval(rows, statistic, n=samples)
    return Figure(*(None if np.isnan(v) else v for v in (value, low, high)))


def _per_recording(right: dict[str, Any], column: int) -> dict[str, Any]:
    """Accuracy within each recording: in the mean of these a long recording counts as much as a short one."""
    return {group: np.array([rows[:, column].mean()]) for group, rows in right.items()}


def _auroc(rows: Floats) -> float:
    truth = rows[:, 0] > 0
    return float(roc_auc_score(truth, rows[:, 1])) if truth.any() and not truth.all() else float("nan")


def _ap(rows: Floats) -> float:
    truth = rows[:, 0] > 0
    return float(average_precision_score(truth, rows[:, 1])) if truth.any() else float("nan")


def _macro_f1(rows: Floats) -> float:
    return float(f1_score(rows[:, 0], rows[:, 1:].argmax(axis=1), average="macro", zero_division=0.0))


def _macro_auc(rows: Floats) -> float | None:
    areas = [_auroc(np.stack([rows[:, 0] == k, rows[:, 1 + k]], axis=1)) for k in range(rows.shape[1] - 1)]
    return float(np.mean(areas)) if areas and not np.isnan(areas).any() else None


def _rounded(tree: Any) -> Any:
    return json.loads(json.dumps(tree), parse_float=lambda text: round(float(text), 4))
