"""Calibration of a sound model on the first third of ``val``'s recordings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vedette_audio.validation import Validation
from vedette_base.calibration import CalibrationMap, fit_platt
from vedette_base.errors import DataError
from vedette_base.score import AUDIO_LABELS, FIREARMS, GUNSHOT
from vedette_base.statistics import CALIBRATION, FUSION, thirds

Floats = npt.NDArray[np.float32]
Score = Callable[[Floats], Floats]
_ALARMS_PER_HOUR = 10.0


def calibrate(validation: Validation, score: Score) -> tuple[dict[str, CalibrationMap], dict[str, float]]:
    """Platt maps per label from windows, and the ``gunshot`` threshold of 10 false alarms per hour.

    The shot output is fitted on windows as they are and through a poor line alike. Types share one map,
    fitted one against the rest on typed shots: in a third of ``val`` most types have one recording or none.

    Raises:
        DataError: the calibration third lacks shots, or anything else.
    """
    groups = [clip.group for clip in validation.clips]
    third = thirds(groups)
    owners = validation.owners
    raw = np.concatenate([validation.window_scores_of(score, poor=poor) for poor in (False, True)])
    owner = np.concatenate([owners, owners])
    shot = np.array([clip.shot for clip in validation.clips])
    heard = validation.holds_shot
    keep = (~shot[owner] | np.concatenate([heard, heard])) & (third[owner] == CALIBRATION)
    if not shot[owner[keep]].any() or shot[owner[keep]].all():
        raise DataError("the calibration third of val needs recordings with and without shots")
    weights = _per_clip(owner[keep])
    maps: dict[str, CalibrationMap] = {GUNSHOT: fit_platt(raw[keep, -1], shot[owner[keep]], weights=weights)}
    typed = np.array([bool(clip.types) for clip in validation.clips])
    chosen = keep & typed[owner]
    if chosen.any():
        wanted = np.stack([clip.targets[: len(FIREARMS)] for clip in validation.clips])[owner[chosen]]
        shared = fit_platt(raw[chosen, : len(FIREARMS)].ravel(), wanted.ravel())
        maps |= dict.fromkeys(FIREARMS, shared)
    calibrated = maps[GUNSHOT].apply(raw[: owners.size, -1])
    quiet = (third[owners] == FUSION) & ~shot[owners]
    return {label: maps[label] for label in AUDIO_LABELS if label in maps}, {
        GUNSHOT: _threshold(calibrated[quiet], owners[quiet])
    }


def _per_clip(owner: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Every clip counts once, however many windows it has."""
    return 1.0 / np.bincount(owner)[owner]


def _threshold(scores: npt.NDArray[np.float32], owner: npt.NDArray[np.int64]) -> float:
    """Least probability, within 0.05..0.95, that fires at most 10 times an hour on clips without shots (2 s a
    window)."""
    if scores.size == 0:
        return 0.5
    best = np.zeros(owner.max() + 1)
    np.maximum.at(best, owner, scores)
    allowed = int(_ALARMS_PER_HOUR * scores.size * 2.0 / 3600.0)
    ranked = np.sort(best[np.unique(owner)])[::-1]
    return float(np.clip(round(float(ranked[min(allowed, ranked.size - 1)]) + 1e-3, 4), 0.05, 0.95))
