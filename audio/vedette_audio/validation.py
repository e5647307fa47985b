"""Figures on ``val`` while training: fixed windows, as they are and through a poor line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.signal
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, nn

from vedette_audio.dataset import Clip, SoundCache, shot_peaks
from vedette_audio.features import samples_for
from vedette_audio.network import probabilities
from vedette_audio.torch_features import TorchLogMel, to_picture
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import FIREARMS

Floats = npt.NDArray[np.float32]
_BATCH = 16
_EDGE = SAMPLE_RATE // 10  # a shot in the last 0.1 s of a window is not heard well enough to count
_STEP = 2 * SAMPLE_RATE  # windows of a clip do not overlap here: half the time, the same order of models


class Validation:
    """The clips kept aside, as pictures; ``figures`` measures a network on them."""

    def __init__(self, clips: Sequence[Clip], cache: SoundCache, frames: int) -> None:
        self.clips = [clip for clip in clips if not (clip.shot and clip.flag == "yamnet_low")]
        mel, length = TorchLogMel(center=False), samples_for(frames)
        rng = np.random.default_rng(0)
        poor = scipy.signal.butter(6, 3800, fs=SAMPLE_RATE, output="sos")
        pictures: dict[bool, list[Tensor]] = {False: [], True: []}
        owners: list[int] = []
        held: list[bool] = []
        for index, clip in enumerate(self.clips):
            whole = cache.sound(clip)
            peaks = shot_peaks(whole)
            for first, sound in windows(whole, length):
                owners.append(index)
                held.append(clip.shot and bool(((peaks >= first) & (peaks < first + length - _EDGE)).any()))
                pictures[False].append(to_picture(mel(torch.from_numpy(sound[None]))).half())
                noise = rng.standard_normal(sound.size, np.float32) * np.sqrt(np.mean(sound**2)) * 0.25
                bad = (scipy.signal.sosfilt(poor, sound + noise) * 0.3).astype(np.float32)
                pictures[True].append(to_picture(mel(torch.from_numpy(bad[None]))).half())
        self.owners = np.array(owners, np.int64)
        """Index into ``clips`` of each window."""
        self.holds_shot = np.array(held, bool)
        """Whether a window of a shot clip holds one of its loudest impulses."""
        self._pictures = {k: torch.cat(v) if v else torch.empty(0) for k, v in pictures.items()}

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
        return self.clip_scores_of(lambda p: probabilities(network, torch.from_numpy(p)).numpy(), poor=poor)

    def clip_scores_of(self, score: Callable[[Floats], Floats], *, poor: bool = False) -> Floats:
        """The same of any function from pictures ``(n, 1, MELS, frames)`` to probabilities."""
        found = self.window_scores_of(score, poor=poor)
        scores = np.zeros((len(self.clips), found.shape[1]), np.float32)
        np.maximum.at(scores, self.owners, found)
        return scores

    def window_scores_of(self, score: Callable[[Floats], Floats], *, poor: bool = False) -> Floats:
        """Probabilities of each window, shape ``(windows, labels)``."""
        parts = torch.split(self._pictures[poor], _BATCH)
        return np.concatenate([score(part.float().numpy()) for part in parts])

    def _measure(self, network: nn.Module, *, poor: bool) -> dict[str, float]:
        scores = self.clip_scores(network, poor=poor)
        shot = np.array([clip.shot for clip in self.clips])
        others = np.array([not clip.types for clip in self.clips])
        figures = {"accuracy": type_accuracy(self.clips, scores)}
        for name, chosen in (("", np.ones_like(shot)), ("_others", others)):
            truth = shot[chosen]
            both = 0 < truth.sum() < truth.size
            figures["auroc" + name] = float(roc_auc_score(truth, scores[chosen, -1])) if both else 0.0
            figures["ap" + name] = float(average_precision_score(truth, scores[chosen, -1])) if both else 0.0
        return figures


def windows(sound: Floats, length: int) -> list[tuple[int, Floats]]:
    """Windows of ``length`` samples with their first sample; the last is padded, or left out when short."""
    starts = [s for s in range(0, max(1, sound.size), _STEP) if s == 0 or sound.size - s >= _STEP // 2]
    return [(s, np.pad(part, (0, length - part.size))) for s in starts for part in (sound[s : s + length],)]


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
