"""A second opinion: a chip classifier looks at what the detector found, boxes or tracks. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vedette_base.bundle import Bundle, Card, load_bundle
from vedette_base.config import VerifierConfig
from vedette_base.engine import Backend, Engine, open_engine
from vedette_base.errors import BundleError
from vedette_base.media import Frame, Pixels
from vedette_base.score import VISION_LABELS, WEAPONS, WeaponTrack
from vedette_vision.boxes import Floats
from vedette_vision.chips.cut import CHIP, LABELS, cut_chip
from vedette_vision.detector import MOST_PIXELS
from vedette_vision.imaging import network_input
from vedette_vision.look import Look

BATCH = 4
"""Chips that are looked at together."""
MOST_BOXES = 64
"""Of one look, best first, that are asked about: a chip takes about a millisecond."""
_WEAPON_COLUMNS = tuple(VISION_LABELS.index(name) for name in WEAPONS)
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
        self._mirrored = bool(bundle.card.input.get("mirrored", False))
        # one size of batch: each other one would be compiled anew and kept
        self._engine = engine or open_engine(
            bundle, shape=(BATCH, 3, CHIP, CHIP), backend=backend, network=_torch_network, threads=threads
        )

    @classmethod
    def load(cls, model: str, *, backend: Backend = "auto", threads: int | None = None) -> ChipClassifier:
        """By name or folder of its bundle. Raises BundleError when it cannot be used."""
        return cls(load_bundle(model), backend=backend, threads=threads)

    def weapon(self, chips: Sequence[Pixels]) -> Floats:
        """Probability that each chip ``(112, 112, 3)``, BGR, shows a weapon; shape ``(n,)``.

        Where the card says ``mirrored``, the mean over the chip and its mirror image.
        """
        if len(chips) == 0:
            return np.empty(0, np.float32)
        given = network_input(chips)
        if self._mirrored:
            given = np.concatenate([given, given[..., ::-1]])
        found = self._engine.run(given)[0][:, LABELS.index("weapon")]
        return np.asarray(found.reshape(-1, len(chips)).mean(axis=0), np.float32)


def chips_in(frame: Frame, boxes: Sequence[Sequence[float] | Floats]) -> list[Pixels]:
    """The chips of boxes in a frame, ``(112, 112, 3)`` each; the frame is scaled down first if it is huge."""
    width, height = frame.size
    shrink = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
    image = frame.bgr(max(1, round(width * shrink)), max(1, round(height * shrink)))
    return [cut_chip(image, [float(v) * shrink for v in box], side=CHIP) for box in boxes]


def rescored(
    classifier: ChipClassifier, frame: Frame, look: Look, config: VerifierConfig, *, most: int = MOST_BOXES
) -> Look:
    """A look whose small weapons score as both opinions have it: log-odds summed, the second weighted.

    Large things stay as they are: the detector sees them better than a chip of 112 pixels shows them. So do
    those below ``config.least``, which nobody asks about, and what is no weapon.

    Args:
        classifier: of chips.
        frame: that was looked at.
        look: in its pixels, uncalibrated.
        config: ``weight``, ``small`` and ``least``.
        most: boxes that are asked about, best first.
    """
    if config.weight == 0 or len(look.scores) == 0:
        return look
    sides = (look.boxes[:, 2:] - look.boxes[:, :2]).max(axis=1)
    asked = np.isin(look.classes, _WEAPON_COLUMNS) & (look.scores >= config.least)
    asked &= sides <= config.small * max(frame.size)
    rows = np.flatnonzero(asked)
    rows = rows[np.argsort(-look.scores[rows], kind="stable")][:most]
    if rows.size == 0:
        return look  # without a look at the whole frame
    chances = classifier.weapon(chips_in(frame, list(look.boxes[rows])))
    odds = _log_odds(look.scores[rows]) + config.weight * _log_odds(chances)
    scores = look.scores.copy()
    scores[rows] = 1 / (1 + np.exp(-odds))
    return Look(look.boxes, scores, look.classes)


def _log_odds(chances: Floats) -> Floats:
    inside = np.clip(chances, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(inside / (1 - inside)), np.float32)


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
            chances = self._classifier.weapon(chips_in(frame, [t.box for t in seen if t.box is not None]))
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
