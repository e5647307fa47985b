"""The gate before the detector, and how well a camera sees."""

from __future__ import annotations

import numpy as np
import pytest

from vedette_base.config import MotionConfig
from vedette_vision.motion import MotionGate, percentiles, picture_quality

RNG = np.random.default_rng(0)
SCENE = RNG.integers(40, 220, (90, 160)).astype(np.uint8)


def looks(gate: MotionGate, pictures: list[np.ndarray], step: float = 0.2) -> list[int]:
    """Numbers of the pictures that were looked at."""
    seen = []
    for number, picture in enumerate(pictures):
        if gate.wants_look(gate.moving(picture), number * step):
            gate.looked(picture, number * step)
            seen.append(number)
    return seen


def test_an_unmoving_picture_is_looked_at_every_two_seconds_and_no_more() -> None:
    assert looks(MotionGate(MotionConfig()), [SCENE] * 31) == [0, 10, 20, 30]


def test_sensor_noise_is_no_motion() -> None:
    noisy = [np.clip(SCENE + RNG.normal(0, 2, SCENE.shape), 0, 255).astype(np.uint8) for _ in range(10)]
    assert looks(MotionGate(MotionConfig()), noisy) == [0]


def test_a_light_that_dims_evenly_is_no_motion() -> None:
    assert looks(MotionGate(MotionConfig()), [SCENE - np.uint8(2 * i) for i in range(9)]) == [0]


def test_a_small_thing_that_moves_opens_the_gate() -> None:
    moved = SCENE.copy()
    moved[40:46, 80:86] = 255 - moved[40:46, 80:86]
    assert looks(MotionGate(MotionConfig()), [SCENE, SCENE, moved]) == [0, 2]


def test_creeping_adds_up_until_it_is_seen() -> None:
    """Each step alone is too little; together they are a person who walks slowly."""
    flat = np.full((90, 160), 100, np.uint8)
    pictures = []
    for step in range(9):
        picture = flat.copy()
        picture[40:50, 20 : 20 + step] = 200
        pictures.append(picture)
    seen = looks(MotionGate(MotionConfig()), pictures)
    assert len(seen) > 1


def test_a_clock_that_jumps_back_does_not_blind_the_gate() -> None:
    gate = MotionGate(MotionConfig())
    gate.looked(SCENE, 100.0)
    assert gate.wants_look(gate.moving(SCENE), 1.0)


def test_a_gate_that_is_off_lets_everything_through() -> None:
    assert looks(MotionGate(MotionConfig(enabled=False)), [SCENE] * 5) == [0, 1, 2, 3, 4]


def test_a_change_of_picture_size_is_looked_at() -> None:
    gate = MotionGate(MotionConfig())
    gate.looked(SCENE, 0.0)
    assert gate.wants_look(gate.moving(SCENE[:45]), 0.2)


def test_a_covered_lens_a_dark_room_and_fog_see_little() -> None:
    good = picture_quality(SCENE)
    covered = picture_quality(np.full((90, 160), 30, np.uint8))
    dark = picture_quality((SCENE / 20).astype(np.uint8))
    ramp = np.tile(np.linspace(60, 180, 160), (90, 1)).astype(np.uint8)
    assert good > 0.9
    assert covered < 0.1
    assert dark < 0.3
    assert picture_quality(ramp) < 0.3


def test_a_picture_of_one_pixel_has_a_quality() -> None:
    assert 0 <= picture_quality(np.zeros((1, 1), np.uint8)) <= 1


def test_a_calm_scene_that_moves_is_looked_at_less_often() -> None:
    gate = MotionGate(MotionConfig())
    moved = np.ones((90, 160), bool)
    gate.looked(np.zeros((90, 160), np.uint8), 1.0)
    assert gate.wants_look(moved, 1.2)
    assert not gate.wants_look(moved, 1.2, calm=True)
    assert gate.wants_look(moved, 1.4, calm=True)


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_counted_percentiles_are_numpys(kind: type) -> None:
    for size in (1, 2, 7, 14_400):
        values = RNG.integers(0, 256, size).astype(kind) - (100 if kind is np.int16 else 0)
        assert percentiles(values, 2, 50, 90, 98) == pytest.approx(np.percentile(values, (2, 50, 90, 98)))
