"""The second opinion: a chip classifier's say on tracks and on the scores of small boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vedette_base.bundle import Bundle, Card
from vedette_base.config import VerifierConfig, VisionConfig
from vedette_base.errors import BundleError
from vedette_base.score import VISION_LABELS, ScoreBlock
from vedette_vision.chips.cut import CHIP, LABELS
from vedette_vision.detector import ImageFrame, WeaponDetector
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.labels import OUTPUTS
from vedette_vision.look import Look
from vedette_vision.scorer import VisionScorer
from vedette_vision.verifier import MOST_BOXES, ChipClassifier, rescored


def card(labels: tuple[str, ...]) -> Card:
    return Card(name="fake", task="vision", version="1", architecture="resnet18", labels=labels, licence="-")


def painted_detector() -> WeaponDetector:
    engine = PaintedEngine()
    return WeaponDetector(Bundle(Path("fake"), card(OUTPUTS)), engines=lambda size: engine)


class Opinion:
    """A classifier's engine that always says the same."""

    description = "an opinion"

    def __init__(self, chance: float) -> None:
        self.chance, self.shapes = chance, []

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        self.shapes.append(batch.shape)
        return (np.repeat(np.array([[1 - self.chance, self.chance]], np.float32), len(batch), axis=0),)


def classifier(engine: Opinion) -> ChipClassifier:
    return ChipClassifier(Bundle(Path("fake"), card(LABELS)), engine=engine)


def run(engine: Opinion | None, threshold: float = 0.5, weight: float = 0.0) -> list[ScoreBlock]:
    """Four looks at a pistol that is carried along."""
    config = VisionConfig.model_validate(
        {"verifier": {"model": None, "threshold": threshold, "weight": weight}}
    )
    second = classifier(engine) if engine else None
    score = VisionScorer(None, config, detector=painted_detector(), classifier=second).fresh()
    blocks = []
    for i in range(4):
        image = np.full((360, 640, 3), 90, np.uint8)
        image[150:166, 100 + 10 * i : 124 + 10 * i] = COLOURS["pistol"]
        blocks += list(score.push(ImageFrame(image, time=0.2 * i, still=False)))
    return blocks


@pytest.mark.parametrize(
    ("chance", "threshold", "believed"), [(0.9, 0.5, True), (0.4, 0.5, False), (0.4, 0.3, True)]
)
def test_a_track_is_confirmed_only_if_the_classifier_agrees(
    chance: float, threshold: float, believed: bool
) -> None:
    engine = Opinion(chance)
    last = run(engine, threshold)[-1].tracks[0]
    assert last.looks == 4
    assert last.confirmed is believed
    assert engine.shapes == [(1, 3, CHIP, CHIP)] * 4


def test_a_mirrored_classifier_gives_the_mean_of_both_views() -> None:
    class Lit:
        """The left half's light is its opinion."""

        description = "lit"

        def run(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
            chance = batch[..., : CHIP // 2].mean((1, 2, 3))
            return (np.stack([1 - chance, chance], 1),)

    chip = np.zeros((2, CHIP, CHIP, 3), np.uint8)
    chip[0, :, : CHIP // 2] = 255
    named = card(LABELS)
    both = named.model_copy(update={"input": {"mirrored": True}})
    assert ChipClassifier(Bundle(Path("fake"), named), engine=Lit()).weapon(list(chip)).tolist() == [1, 0]
    assert ChipClassifier(Bundle(Path("fake"), both), engine=Lit()).weapon(list(chip)).tolist() == [0.5, 0]


def test_without_a_verifier_nothing_changes() -> None:
    plain, agreed = run(None), run(Opinion(1.0))
    assert [b.tracks for b in plain] == [b.tracks for b in agreed]
    assert VisionConfig().verifier.model == "chips"


def test_a_detector_is_no_chip_classifier() -> None:
    with pytest.raises(BundleError, match="no chip classifier"):
        ChipClassifier(Bundle(Path("fake"), card(OUTPUTS)), engine=Opinion(0.5))


def test_a_doubtful_second_opinion_lowers_what_video_scores() -> None:
    column = VISION_LABELS.index("pistol")
    plain, doubtful, sure = (
        float(run(engine, weight=1.0)[-1].scores.probabilities[-1, column])
        for engine in (None, Opinion(0.1), Opinion(0.9))
    )
    assert doubtful < plain < sure


def test_stills_get_the_second_opinion_that_the_configuration_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChipClassifier, "load", lambda model, **how: classifier(Opinion(0.1)))
    image = np.full((360, 640, 3), 90, np.uint8)
    image[150:166, 100:124] = COLOURS["pistol"]
    best = []
    for settings in ({"model": None}, {"model": "chips"}, {"model": "chips", "weight": 0.0}):
        config = VisionConfig.model_validate({"verifier": settings})
        detector = WeaponDetector(
            Bundle(Path("fake"), card(OUTPUTS)), config, engines=lambda size: PaintedEngine()
        )
        best.append(max(d.probability for d in detector.detect(image) if d.label == "pistol"))
    assert best[1] < best[0] == best[2]


PISTOL, PHONE, MAN = OUTPUTS.index("pistol"), OUTPUTS.index("no_weapon"), OUTPUTS.index("person")


def look(*rows: tuple[float, int, float]) -> Look:
    """Boxes of (side, class, score) in the corner of a picture."""
    boxes = np.array([(0, 0, side, side / 2) for side, _, _ in rows], np.float32).reshape(-1, 4)
    scores = np.array([row[2] for row in rows], np.float32)
    return Look(boxes, scores, np.array([row[1] for row in rows], np.int64))


FRAME = ImageFrame(np.zeros((100, 200, 3), np.uint8))


def asked(chance: float, given: Look, **settings: float) -> list[float]:
    config = VerifierConfig.model_validate({"weight": 1.0, "small": 0.15, "least": 0.01} | settings)
    found = rescored(classifier(Opinion(chance)), FRAME, given, config)
    assert found.boxes is given.boxes
    return [round(float(v), 4) for v in found.scores]


def test_log_odds_of_both_opinions_are_added() -> None:
    given = look((20, PISTOL, 0.5), (20, PISTOL, 0.2))
    assert asked(0.8, given) == [0.8, 0.5]  # odds 1 * 4, and 1/4 * 4
    assert asked(0.2, given) == [0.2, 0.0588]  # odds 1 / 4, and 1/16
    assert asked(0.8, given, weight=0.5) == [0.6667, 0.3333]  # odds 1 * 2, and 1/4 * 2
    assert asked(0.5, given) == [0.5, 0.2]


def test_only_small_likely_weapons_get_a_second_opinion() -> None:
    given = look((20, PISTOL, 0.5), (40, PISTOL, 0.5), (20, PHONE, 0.5), (20, MAN, 0.5), (20, PISTOL, 0.005))
    assert asked(0.8, given) == [0.8, 0.5, 0.5, 0.5, 0.005]
    assert asked(0.8, given, small=0.2)[1] == 0.8
    assert asked(0.8, given, weight=0.0) == [0.5, 0.5, 0.5, 0.5, 0.005]
    assert asked(0.8, Look.empty()) == []


def test_a_picture_full_of_boxes_costs_no_more_than_the_best_of_them() -> None:
    engine = Opinion(0.8)
    given = look(*((20, PISTOL, 0.2 + i / 1000) for i in range(MOST_BOXES + 10)))
    found = rescored(classifier(engine), FRAME, given, VerifierConfig(weight=1.0))
    assert engine.shapes == [(MOST_BOXES, 3, CHIP, CHIP)]
    assert (found.scores[:10] == given.scores[:10]).all()  # the least of them
    assert (found.scores[10:] > given.scores[10:]).all()


def test_a_sure_classifier_never_makes_a_score_that_is_no_number() -> None:
    for chance in (0.0, 1.0):
        assert all(0 <= v <= 1 for v in asked(chance, look((20, PISTOL, 0.999999), (20, PISTOL, 0.01))))
