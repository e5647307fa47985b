"""Models that need no training, for tests: cards, a network of sound, and what runs it.

``from tests.fakes import ...``; the network of pictures is ``vedette_vision.fakes.PaintedEngine``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette_audio.features import MELS, PICTURE_OFFSET, PICTURE_SCALE
from vedette_audio.scorer import AudioScorer
from vedette_base.bundle import Bundle, Card
from vedette_base.config import AudioConfig
from vedette_base.score import AUDIO_LABELS
from vedette_vision.labels import OUTPUTS

Floats = npt.NDArray[np.float32]


def sound_card(**changes: object) -> Card:
    plain = {"name": "fake", "task": "audio", "version": "0", "architecture": "none", "labels": AUDIO_LABELS}
    return Card.model_validate(plain | {"licence": "none"} | changes)


def picture_card(**changes: object) -> Card:
    plain = {"name": "painted", "task": "vision", "version": "1", "architecture": "painted"}
    return Card.model_validate(plain | {"labels": OUTPUTS, "licence": "none"} | changes)


class LoudMeansShot:
    """A network: the logit of ``gunshot`` is how far the loudest mel stands above a level."""

    description = "fake"

    def __init__(self, level: float = -2.0) -> None:
        self.level = level
        self.batches: list[int] = []

    def run(self, batch: Floats) -> tuple[Floats, ...]:
        assert batch.dtype == np.float32
        assert batch.shape[1:] == (1, MELS, 188)
        self.batches.append(len(batch))
        loudest = batch.max(axis=(1, 2, 3)) * PICTURE_SCALE + PICTURE_OFFSET
        logits = np.zeros((len(batch), len(AUDIO_LABELS)), np.float32)
        logits[:, -1] = 2 * (loudest - self.level)
        logits[:, 1] = batch.mean(axis=(1, 2, 3))
        return (logits,)


def loud_scorer(config: AudioConfig | None = None, engine: LoudMeansShot | None = None) -> AudioScorer:
    bundle = Bundle(Path("nowhere"), sound_card())
    return AudioScorer(bundle, config or AudioConfig(), engine=engine or LoudMeansShot())
