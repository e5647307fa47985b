"""Which times and pitches made the network say what it says of a clip, and what it says without them.

Two maps over the mel picture. ``coarse`` is Grad-CAM of the last feature map (Selvaraju et al. 2017), which
for a network that ends in average pooling and a linear layer is CAM (Zhou et al. 2016): with feature maps
A_k and classifier weights w_k of the label, ``max(0, sum_k w_k A_k)``. Its cells are 32 mels by 0.34 s, too
wide to tell a shot from what follows it. ``evidence`` is Grad-CAM cell by cell (HiResCAM, Draelos and Carin
2020) of a map with cells of 8 mels by 85 ms: ``max(0, sum_k dz/dA_k A_k)``, z the label's log-odds; smoothed
over a cell, since a network's strides favour every other cell.

Chosen by trial on 18 clips of ``val``. Blanking all but the strongest quarter cost, in log-odds (median): at
random 6.8, CAM 2.4, just the loudest 3.3, this one 0.9. Blanking the strongest tenth cost 0.9, 1.2, 2.6, 2.0.
Maps with cells of 43 ms or without smoothing kept far less; by blanking, one of them did better (4.2).

A second opinion has no map: maps are those of the first network, probabilities those of both.
Maps tell where a network looked, not what it would do otherwise. So the sound is also scored with the shots
blanked, and with all but the shots blanked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from vedette_audio.classify import mono, resampled
from vedette_audio.features import (
    HOP,
    MELS,
    N_FFT,
    frame_mels,
    frames_in,
    mel_hertz,
    samples_for,
    to_log,
    to_picture,
)
from vedette_audio.scorer import AudioScorer, calibrated, check_card
from vedette_audio.shots import AFTER, BEFORE, GRID, find_onsets
from vedette_base.bundle import Bundle
from vedette_base.calibration import logistic
from vedette_base.config import AudioConfig
from vedette_base.engine import Engine
from vedette_base.errors import InputError
from vedette_base.gradients import GradientEngine, Layer
from vedette_base.media import SAMPLE_RATE, AudioBlock
from vedette_base.score import AUDIO_LABELS, GUNSHOT, Score

Floats = npt.NDArray[np.float32]
SHORTEST = 0.1
"""Seconds: in less sound there is nothing to point at."""
SHOT_BEFORE, SHOT_AFTER = 0.05, 0.25
"""Seconds around an onset that count as the shot."""
BANDS: tuple[tuple[str, float, float], ...] = (
    ("below 500 Hz", 0.0, 500.0),
    ("0.5-2 kHz", 500.0, 2000.0),
    ("2-8 kHz", 2000.0, 8000.0),
    ("above 8 kHz", 8000.0, float("inf")),
)
_STRIDE = 8  # frames, and mels, of a cell of the finer map
_SMOOTH = 4.0  # the same, standard deviation
_QUIET = 0.1
"""What is blanked becomes as loud as the quietest tenth of its band: silence would be a cue of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One window of a clip, explained. Times are seconds of the clip, frames are ``HOP`` samples apart.

    Attributes:
        start: of the window.
        heard: seconds of the window that the clip fills; the rest is nothing.
        probability: calibrated, 0..1: of a shot, or for a firearm that it was this one if it was a shot.
        log_mels: shape ``(MELS, frames)``, natural logarithm of mel power; lowest band first.
        evidence: the same shape, at least 0, sums to 1 (to 0 where nothing spoke for the label).
        coarse: the same of the last feature map.
        onsets: where something like a blast begins, whatever the network thinks of it.
        without_shots: probability with the spans around the onsets blanked; None where there is no onset.
        only_shots: probability with all but these spans blanked; None where there is no onset.
    """

    start: float
    heard: float
    probability: float
    log_mels: Floats
    evidence: Floats
    coarse: Floats
    onsets: tuple[float, ...]
    without_shots: float | None
    only_shots: float | None

    @property
    def shot_frames(self) -> npt.NDArray[np.bool_]:
        """Which frames lie within a shot: 0.05 s before to 0.25 s after an onset; shape ``(frames,)``."""
        return _shot_frames(self.onsets, self.start, self.log_mels.shape[1])

    @property
    def in_shots(self) -> float | None:
        """Share of the evidence within the shots, 0..1; None where there is no onset or no evidence."""
        return self._share(self.evidence) if self.onsets and self.evidence.any() else None

    @property
    def coarse_in_shots(self) -> float | None:
        """The same of the coarse map."""
        return self._share(self.coarse) if self.onsets and self.coarse.any() else None

    @property
    def time_in_shots(self) -> float:
        """Share of the heard time that shots take: what ``in_shots`` would be if sound did not matter."""
        heard = max(1, min(self.log_mels.shape[1], frames_in(round(self.heard * SAMPLE_RATE))))
        return float(self.shot_frames[:heard].mean())

    @property
    def bands(self) -> Mapping[str, float]:
        """Share of the evidence in each of ``BANDS``, 0..1."""
        hertz, rows = mel_hertz()[1:-1], self.evidence.sum(axis=1)
        return {name: float(rows[(hertz >= low) & (hertz < high)].sum()) for name, low, high in BANDS}

    def _share(self, evidence: Floats) -> float:
        return float(min(1.0, evidence[:, self.shot_frames].sum()))


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What carried the decision on a clip.

    Attributes:
        label: whose evidence it is, one of AUDIO_LABELS.
        duration: seconds of the clip.
        windows: the windows that spoke most for the label, in order of probability; at least one.
    """

    label: str
    duration: float
    windows: tuple[Look, ...]


class Explainer:
    """A sound model that shows its reasons.

    Args:
        bundle: a sound model.
        config: windows and what counts as silence; the model it names is not looked at.
        engine: an engine already open on the bundle, to find the windows with.

    Raises:
        BundleError: no sound model of these labels, or a network that does not end in a pooled feature map.
    """

    def __init__(
        self, bundle: Bundle, config: AudioConfig | None = None, *, engine: Engine | None = None
    ) -> None:
        check_card(bundle.card)
        self._bundle, self._config = bundle, (config or AudioConfig()).model_copy(update={"gate": False})
        self._given = engine
        self._frames = frames_in(round(self._config.window * SAMPLE_RATE))
        self._gradients = GradientEngine(bundle, (1, MELS, self._frames), stride=_STRIDE)

    @cached_property
    def _scorer(self) -> AudioScorer:
        return AudioScorer(self._bundle, self._config, engine=self._given)

    def explain(
        self,
        samples: npt.ArrayLike,
        rate: int,
        *,
        label: str = GUNSHOT,
        at: float | None = None,
        windows: int = 3,
    ) -> Explanation:
        """Show what speaks for ``label`` in a clip.

        Args:
            samples, rate: as for ``GunshotClassifier.classify``.
            label: one of AUDIO_LABELS.
            at: seconds; explain the window centred there instead of those that speak most for the label.
            windows: most windows to explain; they do not overlap.

        Raises:
            InputError: a label or time that does not exist, or a clip that is no sound, is shorter than
                ``SHORTEST``, or digital silence.
        """
        if label not in AUDIO_LABELS:
            raise InputError(f"no label {label!r}", hint=f"labels are {', '.join(AUDIO_LABELS)}")
        if windows < 1:
            raise InputError(f"windows must be at least 1, got {windows}")
        sound = resampled(mono(samples), rate)
        duration = sound.size / SAMPLE_RATE
        if duration < SHORTEST:
            raise InputError(f"the clip lasts {duration:.3f} s, explaining one takes {SHORTEST} s at least")
        if at is not None and not 0 <= at <= duration:
            raise InputError(f"second {at:g} is not in the clip, which lasts {duration:.2f} s")
        starts = self._strongest(sound, label, windows) if at is None else [self._start(at, duration)]
        looks = sorted((self._look(sound, start, label) for start in starts), key=lambda w: -w.probability)
        return Explanation(label, duration, tuple(looks))

    def _start(self, centre: float, duration: float) -> float:
        return max(0.0, min(centre, duration - self._config.window / 2) - self._config.window / 2)

    def _strongest(self, sound: Floats, label: str, most: int) -> list[float]:
        """Starts of the windows that speak most for the label, best first."""
        duration = sound.size / SAMPLE_RATE
        if duration <= self._config.window:
            if float(np.abs(sound).max()) < 10 ** (self._config.silence_dbfs / 20):
                raise InputError(_SILENT)
            return [0.0]
        blocks = [*self._scorer.push(AudioBlock(0.0, sound)), *self._scorer.flush()]
        self._scorer.reset()
        score = Score.join([block.scores for block in blocks], AUDIO_LABELS)
        if not len(score):
            raise InputError(_SILENT)
        found: list[float] = []
        for index in np.argsort(-score.column(label), kind="stable"):
            start = self._start(float(score.times[index]), duration)
            if all(abs(start - other) >= self._config.window for other in found):
                found.append(start)
            if len(found) == most:
                break
        return found

    def _look(self, sound: Floats, start: float, label: str) -> Look:
        first = round(start * SAMPLE_RATE)
        heard = min(self._config.window, sound.size / SAMPLE_RATE - start)
        log_mels = self._log_mels(sound, first)
        number = AUDIO_LABELS.index(label)
        _, last, fine = self._gradients.run(to_picture(log_mels)[None], number)
        onsets = _onsets(sound, first, first + round(heard * SAMPLE_RATE))
        inside = _shot_frames(onsets, start, self._frames)
        without, only = None, None
        if onsets:
            without, only = (self._blanked(log_mels, hide, heard, number) for hide in (inside, ~inside))
        return Look(
            start,
            heard,
            self._probability(log_mels, number),
            log_mels,
            _smoothed(_stretched(_hires_cam(fine), self._frames)),
            _stretched(_grad_cam(last), self._frames),
            onsets,
            without,
            only,
        )

    def _log_mels(self, sound: Floats, first: int) -> Floats:
        """The window's picture with what comes before and after it at the edges, as the scorer hears it."""
        begin = first - N_FFT // 2
        end = begin + samples_for(self._frames)
        part = sound[max(0, begin) : min(sound.size, end)]
        return to_log(frame_mels(np.pad(part, (max(0, -begin), max(0, end - sound.size)))))

    def _blanked(self, log_mels: Floats, hide: npt.NDArray[np.bool_], heard: float, number: int) -> float:
        quiet = np.quantile(log_mels[:, : frames_in(round(heard * SAMPLE_RATE))], _QUIET, axis=1)
        picture = np.where(hide, quiet[:, None].astype(np.float32), log_mels)
        return self._probability(picture, number)

    def _probability(self, log_mels: Floats, number: int) -> float:
        """With the second opinion, where the bundle has one."""
        logits = self._scorer.engine.run(to_picture(log_mels)[None, None])[0]
        return float(calibrated(self._bundle.card, logistic(logits))[0, number])


def explain(
    bundle: Bundle,
    samples: npt.ArrayLike,
    rate: int,
    *,
    label: str = GUNSHOT,
    at: float | None = None,
    windows: int = 3,
) -> Explanation:
    """``Explainer(bundle).explain(...)``, for one clip."""
    return Explainer(bundle).explain(samples, rate, label=label, at=at, windows=windows)


_SILENT = "the clip is digital silence: there is nothing to explain"


def _onsets(sound: Floats, first: int, last: int) -> tuple[float, ...]:
    """Seconds of the clip at which blasts begin from sample ``first`` to ``last``."""
    grid = max(0, first // GRID - BEFORE)
    part = sound[grid * GRID : last + AFTER * GRID]
    refractory = round(AudioConfig().refractory * 1000)
    found = find_onsets(part, first // GRID - grid, last // GRID - grid, refractory)
    return tuple((grid + int(step)) / 1000 for step in found)


def _shot_frames(onsets: tuple[float, ...], start: float, frames: int) -> npt.NDArray[np.bool_]:
    times = start + np.arange(frames) * HOP / SAMPLE_RATE
    inside = np.zeros(frames, bool)
    for onset in onsets:
        inside |= (times >= onset - SHOT_BEFORE) & (times <= onset + SHOT_AFTER)
    return inside


def _grad_cam(layer: Layer) -> Floats:
    """``max(0, sum_k a_k A_k)``, a_k the mean gradient of channel k (Selvaraju et al. 2017, eq. 1, 2)."""
    weights = layer.gradient.mean(axis=(1, 2), keepdims=True)
    return np.asarray(np.maximum((weights * layer.values).sum(axis=0), 0), np.float32)


def _hires_cam(layer: Layer) -> Floats:
    """``max(0, sum_k dz/dA_k A_k)`` cell by cell (Draelos and Carin 2020, eq. 3)."""
    return np.asarray((layer.gradient * layer.values).sum(axis=0).clip(min=0), np.float32)


def _smoothed(evidence: Floats) -> Floats:
    from scipy.ndimage import gaussian_filter  # nothing else at run time needs it

    return _sum_to_one(gaussian_filter(evidence, _SMOOTH, mode="nearest"))


def _sum_to_one(evidence: npt.NDArray[np.floating]) -> Floats:
    total = float(evidence.sum())
    return np.asarray(evidence / total if total > 0 else evidence, np.float32)


def _stretched(cells: Floats, frames: int) -> Floats:
    """A map over the mel picture that sums to 1, by straight lines between the centres of its cells.

    Cell i of a map that is s times smaller is centred on input cell ``s * i``: so odd kernels with equal
    padding on both sides have it.
    """
    rows, columns = cells.shape
    at, centres = np.arange(frames), np.arange(columns) * (frames / columns)
    wide = np.stack([np.interp(at, centres, row) for row in cells])
    at, centres = np.arange(MELS), np.arange(rows) * (MELS / rows)
    full = np.stack([np.interp(at, centres, column) for column in wide.T], axis=1)
    return _sum_to_one(full)
