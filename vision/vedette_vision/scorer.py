"""Picture to scores: gate, detector, closer look, tracker, as one push/flush object."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from vedette_base.bundle import Bundle
from vedette_base.config import VisionConfig
from vedette_base.media import AudioBlock, Frame, MediaItem, Progress
from vedette_base.score import VISION_LABELS, WEAPONS, Score, ScoreBlock, Segment, WeaponTrack
from vedette_vision.boxes import Floats, Letterbox, overlap
from vedette_vision.detector import Backend, Detection, Look, WeaponDetector, people_worth_it
from vedette_vision.labels import PERSON
from vedette_vision.motion import MotionGate, picture_quality
from vedette_vision.tracker import Tracker
from vedette_vision.verifier import ChipClassifier, Verifier, rescored

EARLY = 0.3
"""A frame up to this share of the period before its due time is taken; earlier ones are passed over."""
GAP = 2.5
"""Frames further apart than this many periods leave a span that was not observed between them."""
LEAST_ON_VIDEO, MOST_ON_VIDEO = 0.04, 4
"""Uncalibrated score from which boxes of a frame get a second opinion, and how many of them: what scores less
does not begin a track, and a frame has little time."""
_WEAPONS = [VISION_LABELS.index(name) for name in WEAPONS]


class VisionScorer:
    """Scores frames of one medium, in order of time.

    Args:
        bundle: a weapon detector.
        config: of the picture.
        backend: engine to use.
        threads: processor threads; None leaves it to the engine.
        detector: used instead of one made from ``bundle``; tests give their own.
        classifier: of chips, used instead of the one that ``config.verifier`` names.
    """

    def __init__(
        self,
        bundle: Bundle | None,
        config: VisionConfig,
        *,
        backend: Backend = "auto",
        threads: int | None = None,
        detector: WeaponDetector | None = None,
        classifier: ChipClassifier | None = None,
    ) -> None:
        if detector is None:
            if bundle is None:
                raise TypeError("VisionScorer needs a bundle or a detector")
            detector = WeaponDetector(bundle, config, backend=backend, threads=threads)
        if classifier is None and config.verifier.model is not None:
            classifier = ChipClassifier.load(config.verifier.model, backend=backend, threads=threads)
        self.config, self.detector, self.classifier = config, detector, classifier
        self._verifier = Verifier(classifier, config.verifier.threshold) if classifier else None
        least = max(config.verifier.least, LEAST_ON_VIDEO)
        self._verified = config.verifier.model_copy(update={"least": least})
        self._gate = MotionGate(config.motion)
        self._tracker = Tracker(config.tracker, {name: detector.threshold(name) for name in VISION_LABELS})
        self._period = 1.0 / config.frames_per_second
        self._last: float | None = None
        self._next = float("-inf")
        self._until = float("-inf")
        self._scores: Floats = self._calibrated(Look.empty())
        self._calm = False
        self._credit, self._credit_time, self._turn = float(config.closer_look.crops_per_look), 0.0, 0

    def fresh(self) -> VisionScorer:
        """A scorer in its first state on the same loaded network."""
        return VisionScorer(None, self.config, detector=self.detector, classifier=self.classifier)

    def push(self, item: MediaItem) -> Iterator[ScoreBlock]:
        """Score a frame, or take note of how far the picture has come without one."""
        if isinstance(item, AudioBlock):
            return
        if isinstance(item, Progress):
            if item.medium == "vision" and item.time > self._until:
                self._until = item.time
                yield ScoreBlock("vision", item.time, Score.empty(VISION_LABELS))
            return
        if item.still or self._due(item.time):
            yield self._score(item)

    def flush(self) -> Iterator[ScoreBlock]:
        """Nothing is held back: every frame was answered at once."""
        return iter(())

    def _due(self, time: float) -> bool:
        """Whether a frame is due at this time: on average ``frames_per_second`` of them are."""
        if self._last is not None and time - self._last >= 0 and time < self._next - EARLY * self._period:
            return False
        late = abs(time - self._next) > self._period  # a gap, or a clock that jumped: count from here
        self._next = (time if late else self._next) + self._period
        return True

    def _score(self, frame: Frame) -> ScoreBlock:
        gray = self._small(frame)
        tracks: list[WeaponTrack]
        if frame.still:
            look = self.detector.look_twice(frame)
            self._scores = self._calibrated(self._allowed(look, frame))
            tracks = self._tracker.update(frame.time, self._detections(look, frame), still=True)
        else:
            moving = self._gate.moving(gray)
            if self._tracker.undecided or self._gate.wants_look(moving, frame.time, calm=self._calm):
                self._gate.looked(gray, frame.time)
                look = self._look(frame, moving)
                self._scores = self._calibrated(self._allowed(look, frame))
                tracks = self._tracker.update(frame.time, self._detections(look, frame))
                tracks = self._verifier.look(frame, tracks) if self._verifier else tracks
                self._calm = bool(self._scores[_WEAPONS].max() < self.config.tracker.keep_probability)
            else:
                tracks = self._tracker.hold(frame.time)
                tracks = self._verifier.judge(tracks) if self._verifier else tracks
        score = Score(
            np.array([frame.time]),
            self._scores[None],
            VISION_LABELS,
            np.array([picture_quality(gray)], np.float32),
        )
        begin = frame.time
        if self._last is not None and 0 <= frame.time - self._last <= GAP * self._period:
            begin = self._last
        self._last = frame.time
        self._until = max(self._until, frame.time)
        observed = Segment(begin, frame.time + (0.0 if frame.still else self._period))
        return ScoreBlock("vision", self._until, score, tracks=tuple(tracks), observed=(observed,))

    def _small(self, frame: Frame) -> npt.NDArray[np.uint8]:
        """The grey picture for gate and quality, of the gate's width at the picture's own shape."""
        fit = Letterbox.fit(frame.size, (self.config.motion.width, self.config.motion.width))
        return frame.gray(*fit.inner)

    def _look(self, frame: Frame, moving: npt.NDArray[np.bool_] | None) -> Look:
        """A look, and the second opinion on what is small in it where there is a classifier."""
        look = self._closer(frame, moving)
        if self.classifier is None:
            return look
        return rescored(self.classifier, frame, look, self._verified, most=MOST_ON_VIDEO)

    def _closer(self, frame: Frame, moving: npt.NDArray[np.bool_] | None) -> Look:
        """A first look and, within the budget, a closer one at those for whom something speaks."""
        first = self.detector.look(frame)
        settings = self.config.closer_look
        if not settings.enabled or settings.crops_per_second == 0:
            return first
        elapsed = max(0.0, frame.time - self._credit_time)
        most = float(settings.crops_per_look)
        self._credit = min(most, self._credit + elapsed * settings.crops_per_second)
        self._credit_time = frame.time
        people = self._chosen(people_worth_it(first, frame, self.config), first, moving, frame.size)
        people = people[: int(self._credit)]
        self._credit -= len(people)
        return self.detector.look_closer(frame, first, people)

    def _chosen(
        self, people: Floats, look: Look, moving: npt.NDArray[np.bool_] | None, size: tuple[int, int]
    ) -> Floats:
        """People in order of need: a weak first score near them, then those who move, by turns."""
        if len(people) == 0:
            return people
        hints = look.of((look.classes < PERSON) & (look.scores >= self.config.closer_look.trigger)).boxes
        hinted = overlap(people, hints).max(axis=1) > 0 if len(hints) else np.zeros(len(people), bool)
        active = np.array([_moves(box, moving, size) for box in people])
        self._turn += 1
        turn = (np.arange(len(people)) - self._turn) % len(people)
        order = np.lexsort((turn, ~active, ~hinted))
        chosen: Floats = people[order][(hinted | active)[order]]
        return chosen

    def _allowed(self, look: Look, frame: Frame) -> Look:
        """Without boxes that lie outside the zones or inside a mask."""
        look = look.of(look.classes < PERSON)
        if not self.config.zones and not self.config.masks:
            return look
        centres = (look.boxes[:, :2] + look.boxes[:, 2:]) / 2 / np.asarray(frame.size, np.float32)
        kept = [
            (not self.config.zones or any(_inside(c, zone) for zone in self.config.zones))
            and not any(_inside(c, mask) for mask in self.config.masks)
            for c in centres
        ]
        return look.of(np.asarray(kept, bool))

    def _detections(self, look: Look, frame: Frame) -> list[Detection]:
        look = self._allowed(look, frame)
        x1y1x2y2 = [(float(b[0]), float(b[1]), float(b[2]), float(b[3])) for b in look.boxes]
        chances = self.detector.probabilities(look)
        return [
            Detection(VISION_LABELS[kind], float(p), box)
            for box, p, kind in zip(x1y1x2y2, chances, look.classes, strict=True)
        ]

    def _calibrated(self, look: Look) -> Floats:
        """Calibrated best score per class, shape ``(4,)``; a class without a box counts as a score of 0."""
        best = look.best()
        scores = np.zeros(len(VISION_LABELS), np.float32)
        for column, name in enumerate(VISION_LABELS):
            calibration = self.detector.card.calibration.get(name)
            raw = best[column : column + 1]
            scores[column] = (raw if calibration is None else calibration.apply(raw))[0]
        return scores


def _moves(box: Floats, moving: npt.NDArray[np.bool_] | None, size: tuple[int, int]) -> bool:
    """Whether anything changed within a box since the last look; unknown counts as yes."""
    if moving is None:
        return True
    height, width = moving.shape
    x1, x2 = (int(v / size[0] * width) for v in (box[0], box[2]))
    y1, y2 = (int(v / size[1] * height) for v in (box[1], box[3]))
    return bool(moving[y1 : y2 + 1, x1 : x2 + 1].any())


def _inside(point: Floats, polygon: tuple[tuple[float, float], ...]) -> bool:
    corners = np.asarray(polygon, np.float32)
    return float(cv2.pointPolygonTest(corners, (float(point[0]), float(point[1])), False)) >= 0
