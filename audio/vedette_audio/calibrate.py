"""Calibration of a sound model on the first third of ``val``'s recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette_audio.reliability import Curve
from vedette_audio.validation import Validation
from vedette_base.calibration import CalibrationMap, Choice, choose_map
from vedette_base.errors import DataError
from vedette_base.score import AUDIO_LABELS, FIREARMS, GUNSHOT
from vedette_base.statistics import CALIBRATION, FUSION, thirds

Floats = npt.NDArray[np.float32]
Score = Callable[[Floats], Floats]
OWN_RECORDINGS = 8
"""Recordings that a firearm must have, in the calibration third, for a map of its own."""
_ALARMS_PER_HOUR = 10.0
_TYPES = "firearm types, one against the rest"


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What goes into a card, and how well it fits.

    Attributes:
        maps: one per label; ``map.held_out`` has the losses of both kinds, ``map.shared`` the labels that
            share it.
        thresholds: of ``gunshot``.
        curves: probabilities before and after, for ``reliability.draw_reliability``; the latter by maps that
            saw nothing of the same recording. None where there are too few recordings for that.
    """

    maps: Mapping[str, CalibrationMap]
    thresholds: Mapping[str, float]
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """Windows of the calibration third: raw scores ``(n, labels)`` and the clip, recording, truth of each."""

    raw: Floats
    clip: npt.NDArray[np.int64]
    groups: Sequence[str]
    shot: npt.NDArray[np.bool_]


def calibrate(validation: Validation, score: Score) -> Calibration:
    """The better of Platt's and an isotonic map per label (``choose_map``, whole recordings held out), and
    the ``gunshot`` threshold of 10 false alarms per hour on the fusion third.

    The shot output is fitted on windows as they are and through a poor line alike. A firearm with fewer than
    ``OWN_RECORDINGS`` recordings shares one map with all others like it, fitted one against the rest on typed
    shots.

    Raises:
        DataError: the calibration third lacks shots, or anything else.
    """
    third = thirds([clip.group for clip in validation.clips])
    owners, shot = validation.owners, np.array([clip.shot for clip in validation.clips], bool)
    plain, poor = (validation.window_scores_of(score, poor=poor) for poor in (False, True))
    heard = np.flatnonzero((~shot[owners] | validation.holds_shot) & (third[owners] == CALIBRATION))
    clip = np.concatenate([owners[heard], owners[heard]])
    raw = np.concatenate([plain[heard], poor[heard]])
    windows = _Windows(raw, clip, [validation.clips[i].group for i in clip], shot[clip])
    if not windows.shot.any() or windows.shot.all():
        raise DataError("the calibration third of val needs recordings with and without shots")
    chosen = choose_map(raw[:, -1], windows.shot, windows.groups, weights=_per_clip(clip))
    curves = [Curve.of(GUNSHOT, raw[:, -1], chosen.held_out, windows.shot)]
    maps: dict[str, CalibrationMap] = {GUNSHOT: chosen.map}
    for labels, found, curve in _types(validation, windows):
        maps |= dict.fromkeys(labels, found.map)
        curves.append(curve)
    quiet = (third[owners] == FUSION) & ~shot[owners]
    return Calibration(
        {label: maps[label] for label in AUDIO_LABELS if label in maps},
        {GUNSHOT: _threshold(chosen.map.apply(plain[quiet, -1]), owners[quiet])},
        tuple(curve for curve in curves if curve is not None),
    )


def _types(validation: Validation, windows: _Windows) -> list[tuple[tuple[str, ...], Choice, Curve | None]]:
    """Maps of the firearms with the labels that each serves."""
    clips = validation.clips
    typed = np.array([bool(clips[i].types) for i in windows.clip], bool)
    if not typed.any():
        return []
    where = windows.clip[typed]
    truth = np.array([[label in clips[i].types for label in FIREARMS] for i in where], bool)
    raw, groups = windows.raw[typed, : len(FIREARMS)], np.array([clips[i].group for i in where])
    recordings = [np.unique(groups[column]).size for column in truth.T]
    own = [i for i, count in enumerate(recordings) if count >= OWN_RECORDINGS and not truth[:, i].all()]
    rest = [i for i in range(len(FIREARMS)) if i not in own]
    found = []
    for columns in [[i] for i in own] + ([rest] if rest else []):
        flat, true = raw[:, columns].ravel(), truth[:, columns].ravel()
        if not true.any() or true.all():
            continue
        choice = choose_map(flat, true, np.repeat(groups, len(columns)).tolist())
        labels = tuple(FIREARMS[i] for i in columns)
        if len(labels) > 1:
            shared = choice.map.model_copy(update={"shared": labels})
            choice = Choice(shared, choice.held_out)
        name = labels[0] if len(labels) == 1 else _TYPES
        found.append((labels, choice, Curve.of(name, flat, choice.held_out, true)))
    return found


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
