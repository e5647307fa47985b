"""``GunshotClassifier``: a clip of any length in, how likely it holds a shot and of which firearm out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette_audio.scorer import AudioScorer
from vedette_base.bundle import load_bundle
from vedette_base.bursts import SUPPORT, rank_families, rank_firearms
from vedette_base.config import AudioConfig
from vedette_base.engine import Backend
from vedette_base.errors import InputError
from vedette_base.media import SAMPLE_RATE, AudioBlock
from vedette_base.score import AUDIO_LABELS, FIREARMS, Ranked, Score

Floats = npt.NDArray[np.float32]
_NEAR = 0.8  # share of the greatest P(shot) from which a window speaks for the types
_SHORTEST = SAMPLE_RATE // 10  # samples; the scorer takes a few milliseconds between silences for a fault


@dataclass(frozen=True, slots=True)
class Classification:
    """What was heard in a clip.

    Attributes:
        gunshot: calibrated probability, 0..1, that it holds a shot: the greatest of its windows.
        types: for each of the nine firearms the probability, 0..1, that it was this one if it was a shot.
            Not exclusive (twins in the training set share theirs); all low: a firearm not among them.
        observed: False where there was nothing to hear (digital silence): ``gunshot`` then means nothing.
    """

    gunshot: float
    types: Mapping[str, float]
    observed: bool = True

    @property
    def firearms(self) -> tuple[Ranked, ...]:
        """Types ranked, best first, as shares of 1; ``unknown firearm`` where none is supported."""
        return rank_firearms((self.types,), SUPPORT)

    @property
    def families(self) -> tuple[Ranked, ...]:
        """The same of firearm families: pistol, rifle, submachine gun, machine gun."""
        return rank_families((self.types,), SUPPORT)


class GunshotClassifier:
    """A sound model with one call for whole clips.

    ``GunshotClassifier.load().classify(samples, 44_100).gunshot``
    """

    def __init__(self, scorer: AudioScorer) -> None:
        self._scorer = scorer

    @classmethod
    def load(cls, bundle: str | Path | None = None, *, backend: Backend = "auto") -> GunshotClassifier:
        """The shipped model, or the one in a bundle folder. Raises BundleError where there is none."""
        config = AudioConfig(gate=False)  # a single clip is worth hearing whole
        return cls(AudioScorer(load_bundle(bundle or config.model), config, backend=backend))

    def classify(self, samples: npt.ArrayLike, rate: int) -> Classification:
        """Hear a clip.

        Args:
            samples: shape ``(n,)``, or ``(n, channels)`` / ``(channels, n)`` (the longer side is time;
                channels are averaged); floats in -1..1 or integers of full range.
            rate: samples per second, 1 kHz to 768 kHz.

        Raises:
            InputError: no samples, values that are not finite, a wrong shape or rate.
        """
        return self.hear((AudioBlock(0.0, resampled(mono(samples), rate)),))

    def hear(self, blocks: Iterable[AudioBlock]) -> Classification:
        """Hear a clip that comes in blocks, in order of time; memory does not grow with its length.

        Without any sound the result is not ``observed``.
        """
        loudest, heard, end = _Loudest(), 0, 0.0
        try:
            for block in blocks:
                for found in self._scorer.push(block):
                    loudest.add(found.scores)
                heard, end = heard + block.samples.size, block.end
            if 0 < heard < _SHORTEST:
                rest = AudioBlock(end, np.zeros(_SHORTEST - heard, np.float32))
                for found in self._scorer.push(rest):
                    loudest.add(found.scores)
            for found in self._scorer.flush():
                loudest.add(found.scores)
        finally:
            self._scorer.reset()
        return loudest.classification()


class _Loudest:
    """The windows that speak for a clip: those whose P(shot) is near its greatest."""

    def __init__(self) -> None:
        self._rows = np.empty((0, len(AUDIO_LABELS)), np.float32)

    def add(self, score: Score) -> None:
        """Take scores; what is not among the loudest any more is forgotten."""
        if len(score):
            rows = np.concatenate([self._rows, score.probabilities])
            shot = rows[:, -1].astype(np.float64)
            self._rows = rows[shot >= _NEAR * shot.max()]

    def classification(self) -> Classification:
        """What they say together."""
        if not len(self._rows):
            return Classification(0.0, dict.fromkeys(FIREARMS, 0.0), observed=False)
        shot = self._rows[:, -1].astype(np.float64)
        types = np.clip((self._rows[:, :-1] / np.maximum(shot[:, None], 1e-9)).mean(axis=0), 0.0, 1.0)
        return Classification(float(shot.max()), dict(zip(FIREARMS, map(float, types), strict=True)))


def mono(samples: npt.ArrayLike) -> Floats:
    """Samples as float32 of one channel; see ``GunshotClassifier.classify``."""
    given = np.asarray(samples)
    if given.ndim == 2 and min(given.shape) > 0:
        given = _as_float(given).mean(axis=int(given.shape[1] < given.shape[0]) if given.shape[0] != 1 else 0)
    if given.ndim != 1:
        raise InputError(f"samples must be (n,) or (n, channels), got shape {given.shape}")
    sound = _as_float(given)
    if sound.size == 0:
        raise InputError("samples must hold at least one sample, got none")
    if not np.all(np.isfinite(sound)):
        raise InputError("samples must be finite, got NaN or infinity")
    return sound


def _as_float(given: npt.NDArray[np.generic]) -> Floats:
    if np.issubdtype(given.dtype, np.integer):
        return (given.astype(np.float32) / float(np.iinfo(given.dtype.name).max)).astype(np.float32)
    if not np.issubdtype(given.dtype, np.floating):
        raise InputError(f"samples must be numbers, got {given.dtype}")
    return given.astype(np.float32)


def resampled(sound: Floats, rate: int) -> Floats:
    """Sound at ``SAMPLE_RATE``. Raises InputError for a rate outside 1 kHz to 768 kHz."""
    if not 1_000 <= rate <= 768_000 or int(rate) != rate:
        raise InputError(f"rate must be a whole number of Hz within 1000..768000, got {rate}")
    if rate == SAMPLE_RATE:
        return sound
    from scipy.signal import resample_poly

    common = gcd(SAMPLE_RATE, int(rate))
    return np.asarray(resample_poly(sound, SAMPLE_RATE // common, int(rate) // common), np.float32)
