"""A second opinion on tracks: a chip classifier looks at what the detector found. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vedette_base.bundle import Bundle, Card, load_bundle
from vedette_base.engine import Backend, Engine, open_engine
from vedette_base.errors import BundleError
from vedette_base.media import Frame, Pixels
from vedette_base.score import WEAPONS, WeaponTrack
from vedette_vision.boxes import Floats
from vedette_vision.chips.cut import CHIP, LABELS, cut_chip
from vedette_vision.detector import MOST_PIXELS
from vedette_vision.imaging import network_input

FORGOTTEN = 60.0
"""Seconds after which a track that was not seen again is forgotten; the tracker drops it long before."""


class ChipClassifier:
    """Tells weapons from other things on chips.

    Args:
        bundle: a chip classifier.
        backend: engine to use.
        threads: processor threads; None leaves it to the engine.
        engine: used instead of one made from the bundle; tests give their own.

    Raises:
        BundleError: the bundle is of another kind.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        backend: Backend = "auto",
        threads: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        if bundle.card.task != "vision" or bundle.card.labels != LABELS:
            raise BundleError(
                f"{bundle.folder} is no chip classifier: its labels are {', '.join(bundle.card.labels)}",
                hint="vedette export chips makes one",
            )
        self.card: Card = bundle.card
        self._engine = engine or open_engine(bundle, backend=backend, network=_torch_network, threads=threads)

    @classmethod
    def load(cls, model: str, *, backend: Backend = "auto", threads: int | None = None) -> ChipClassifier:
        """By name or folder of its bundle. Raises BundleError when it cannot be used."""
        return cls(load_bundle(model), backend=backend, threads=threads)

    def weapon(self, chips: Sequence[Pixels]) -> Floats:
        """Probability that each chip ``(112, 112, 3)``, BGR, shows a weapon; shape ``(n,)``."""
        if len(chips) == 0:
            return np.empty(0, np.float32)
        return self._engine.run(network_input(chips))[0][:, LABELS.index("weapon")]


@dataclass(slots=True)
class _Opinion:
    """Of one track: sum of the probabilities, number of looks, time of the last."""

    sum: float = 0.0
    looks: int = 0
    seen: float = float("-inf")


class Verifier:
    """Confirms a track only if the classifier, on the mean of its looks, agrees.

    Args:
        classifier: of chips; it keeps nothing and may be shared.
        threshold: least mean probability, 0..1.
    """

    def __init__(self, classifier: ChipClassifier, threshold: float) -> None:
        self._classifier, self._threshold = classifier, threshold
        self._opinions: dict[int, _Opinion] = {}

    def look(self, frame: Frame, tracks: Sequence[WeaponTrack]) -> list[WeaponTrack]:
        """Look at what was seen in this frame; the tracks come back, unconfirmed where the opinion is no."""
        seen = [t for t in tracks if t.label in WEAPONS and t.box is not None]
        if seen:
            width, height = frame.size
            shrink = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
            image = frame.bgr(max(1, round(width * shrink)), max(1, round(height * shrink)))
            boxes = [[v * shrink for v in t.box or ()] for t in seen]
            chances = self._classifier.weapon([cut_chip(image, box, side=CHIP) for box in boxes])
            for track, chance in zip(seen, chances, strict=True):
                opinion = self._opinions.setdefault(track.id, _Opinion())
                opinion.sum, opinion.looks = opinion.sum + float(chance), opinion.looks + 1
                opinion.seen = frame.time
        self._opinions = {i: o for i, o in self._opinions.items() if frame.time - o.seen <= FORGOTTEN}
        return self.judge(tracks)

    def judge(self, tracks: Sequence[WeaponTrack]) -> list[WeaponTrack]:
        """The same tracks by what was seen so far, without another look."""
        return [t if self._agrees(t) else replace(t, confirmed=False) for t in tracks]

    def _agrees(self, track: WeaponTrack) -> bool:
        opinion = self._opinions.get(track.id)
        if opinion is None or track.label not in WEAPONS:
            return True
        return opinion.sum >= self._threshold * opinion.looks


def _torch_network(card: Card) -> object:
    """The network in PyTorch with norms folded away, for the torch engine."""
    from vedette_vision.chips.network import build, inference_network

    return inference_network(build(card.architecture))
