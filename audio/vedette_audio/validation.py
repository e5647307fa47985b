"""Figures on held-out clips while training: fixed windows, as they are and through a poor line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import scipy.signal
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, nn

from vedette_audio.dataset import Clip, SoundCache, shot_peaks
from vedette_audio.features import HOP, MELS, samples_for
from vedette_audio.network import probabilities
from vedette_audio.torch_features import TorchLogMel, to_picture
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import FIREARMS

Floats = npt.NDArray[np.float32]
_BATCH = 16
EDGE = SAMPLE_RATE // 10  # a shot in the last 0.1 s of a window is not heard well enough to count
_STEP = 2 * SAMPLE_RATE  # windows of a clip do not overlap here: half the time, the same order of models
_KEPT = 2**29  # bytes of pictures that stay in memory; more are made anew for each measurement


class Validation:
    """The clips kept aside, as pictures; ``figures`` measures a network on them.

    ``flagged``: shots that are flagged as hardly audible count too.
    """

    def __init__(
        self, clips: Sequence[Clip], cache: SoundCache, frames: int, *, flagged: bool = False
    ) -> None:
        self.clips = [clip for clip in clips if flagged or not (clip.shot and clip.flag == "yamnet_low")]
        self._cache, self._length = cache, samples_for(frames)
        self._step = max(_STEP, (frames - 1) * HOP)
        self._mel = TorchLogMel(center=False)
        self._pictures: dict[bool, Tensor] = {}
        owners: list[int] = []
        held: list[bool] = []
        for index, clip in enumerate(self.clips):
            peaks = shot_peaks(cache.sound(clip)) if clip.shot else np.empty(0, np.int64)
            for first in starts(cache.pcm(clip).size, self._step):
                owners.append(index)
                held.append(bool(((peaks >= first) & (peaks < first + self._length - EDGE)).any()))
        self.owners = np.array(owners, np.int64)
        """Index into ``clips`` of each window."""
        self.holds_shot = np.array(held, bool)
        """Whether a window of a shot clip holds one of its loudest impulses."""
        self._keep = self.owners.size * MELS * frames * 2 <= _KEPT

    def figures(self, network: nn.Module) -> dict[str, float]:
        """Type accuracy over recordings, AUROC and AP of ``gunshot``, plain and poor, and one ``score``."""
        if not self.clips:
            return {"score": 0.0}
        plain = self._measure(network, poor=False)
        poor = self._measure(network, poor=True)
        result = plain | {f"poor_{name}": value for name, value in poor.items()}
        result["score"] = (
            0.35 * plain["accuracy"] + 0.15 * poor["accuracy"] + 0.15 * plain["ap"] + 0.2 * plain["ap_others"]
            + 0.05 * poor["ap"] + 0.1 * poor["ap_others"]
        )  # fmt: skip
        return result

    def clip_scores(self, network: nn.Module, *, poor: bool = False) -> Floats:
        """Per clip the greatest probability of each label over its windows, shape ``(clips, labels)``."""
        place = next(network.parameters()).device

        def score(pictures: Floats) -> Floats:
            return np.asarray(probabilities(network, torch.from_numpy(pictures).to(place)).cpu().numpy())

        return self.clip_scores_of(score, poor=poor)

    def clip_scores_of(self, score: Callable[[Floats], Floats], *, poor: bool = False) -> Floats:
        """The same of any function from pictures ``(n, 1, MELS, frames)`` to probabilities."""
        found = self.window_scores_of(score, poor=poor)
        scores = np.zeros((len(self.clips), found.shape[1]), np.float32)
        np.maximum.at(scores, self.owners, found)
        return scores

    def window_scores_of(self, score: Callable[[Floats], Floats], *, poor: bool = False) -> Floats:
        """Probabilities of each window, shape ``(windows, labels)``."""
        return np.concatenate([score(part.float().numpy()) for part in self._batches(poor)])

    def _batches(self, poor: bool) -> Iterator[Tensor]:
        """Pictures in batches, in half precision: those of long windows are too many to keep."""
        if not self._keep:
            yield from self._made(poor)
            return
        if poor not in self._pictures:
            made = [part.numpy() for part in self._made(poor)]
            self._pictures[poor] = torch.from_numpy(np.concatenate(made))
        yield from torch.split(self._pictures[poor], _BATCH)

    def _made(self, poor: bool) -> Iterator[Tensor]:
        line = PoorLine() if poor else None
        batch: list[npt.NDArray[np.float16]] = []
        for clip in self.clips:
            for first in starts(self._cache.pcm(clip).size, self._step):
                sound = self._cache.sound(clip, first, self._length)
                sound = np.pad(sound, (0, self._length - sound.size))
                heard = line(sound) if line else sound
                batch.append(self._picture(heard))
                if len(batch) == _BATCH:
                    yield torch.from_numpy(np.concatenate(batch))
                    batch = []
        if batch:
            yield torch.from_numpy(np.concatenate(batch))

    def _picture(self, sound: Floats) -> npt.NDArray[np.float16]:
        """Mels need float32 also where the network around them runs in mixed precision."""
        with torch.autocast("cpu", enabled=False):
            return to_picture(self._mel(torch.from_numpy(sound[None]))).half().numpy()

    def _measure(self, network: nn.Module, *, poor: bool) -> dict[str, float]:
        return clip_figures(self.clips, self.clip_scores(network, poor=poor))


class PoorLine:
    """A telephone's band, noise 12 dB below the sound, and a low level; the same noise in every pass."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._band = scipy.signal.butter(6, 3800, fs=SAMPLE_RATE, output="sos")

    def __call__(self, sound: Floats) -> Floats:
        """The sound as it arrives, same length."""
        noise = self._rng.standard_normal(sound.size, np.float32) * np.sqrt(np.mean(sound**2)) * 0.25
        return np.asarray(scipy.signal.sosfilt(self._band, sound + noise) * 0.3, np.float32)


def windows(sound: Floats, length: int, step: int = _STEP) -> list[tuple[int, Floats]]:
    """Windows of ``length`` samples with their first sample; the last is padded, or left out when short."""
    parts = [(start, sound[start : start + length]) for start in starts(sound.size, step)]
    return [(start, np.pad(part, (0, length - part.size))) for start, part in parts]


def starts(size: int, step: int = _STEP) -> list[int]:
    """First samples of the windows of a sound of ``size`` samples; less than half a step is no window."""
    return [start for start in range(0, max(1, size), step) if start == 0 or size - start >= step // 2]


def clip_figures(clips: Sequence[Clip], scores: Floats) -> dict[str, float]:
    """Type accuracy over recordings; AUROC and AP of ``gunshot``, also without typed shots (``_others``)."""
    shot = np.array([clip.shot for clip in clips])
    others = np.array([not clip.types for clip in clips])
    figures = {"accuracy": type_accuracy(clips, scores)}
    for name, chosen in (("", np.ones_like(shot)), ("_others", others)):
        truth = shot[chosen]
        both = 0 < truth.sum() < truth.size
        figures["auroc" + name] = float(roc_auc_score(truth, scores[chosen, -1])) if both else 0.0
        figures["ap" + name] = float(average_precision_score(truth, scores[chosen, -1])) if both else 0.0
    return figures


def type_accuracy(clips: Sequence[Clip], scores: Floats) -> float:
    """Share of typed shots whose best type is right (either of two twins), as the mean over recordings."""
    hits: dict[tuple[str, ...], list[bool]] = defaultdict(list)
    for clip, row in zip(clips, scores, strict=True):
        if clip.types:
            hits[(*clip.types, clip.group)].append(FIREARMS[int(row[: len(FIREARMS)].argmax())] in clip.types)
    return float(np.mean([np.mean(values) for values in hits.values()])) if hits else 0.0


def clip_accuracy(clips: Sequence[Clip], scores: Floats) -> float:
    """The same over clips: one clip that changes sides moves it less than over 24 recordings."""
    hits = [
        FIREARMS[int(row[: len(FIREARMS)].argmax())] in c.types
        for c, row in zip(clips, scores, strict=True)
        if c.types
    ]
    return float(np.mean(hits)) if hits else 0.0
