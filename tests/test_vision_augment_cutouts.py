"""Weapons cut out of one picture and put into somebody's hand in another."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vedette_vision.cutouts import SIZES, Cutout, Cutouts, cut_out, hand_something, paste
from vedette_vision.dataset import Picture
from vedette_vision.labels import LABEL_IDS, PERSON

PISTOL, PHONE = LABEL_IDS["pistol"], LABEL_IDS["no_weapon"]
SOMEBODY = np.array([80, 20, 140, 180], np.float32)


@pytest.fixture
def web(tmp_path: Path) -> Picture:
    """A black bar with a grip on white paper."""
    image = np.full((120, 160, 3), 235, np.uint8)
    image[40:60, 40:120] = 20
    image[60:90, 40:60] = 20
    cv2.imwrite(str(tmp_path / "web.png"), image)
    box = [PISTOL, 35 / 160, 35 / 120, 125 / 160, 95 / 120]
    return Picture(tmp_path / "web.png", "granada_armas", "w", np.array([box], np.float32))


def frame() -> tuple[np.ndarray, np.ndarray]:
    return np.full((200, 240, 3), 120, np.uint8), np.array([[PERSON, *SOMEBODY]], np.float32)


def thing(label: int = PISTOL) -> Cutout:
    return Cutout(np.full((20, 40, 3), 10, np.uint8), np.ones((20, 40), np.float32), label)


def test_an_outline_follows_the_thing_and_not_its_box(web: Picture) -> None:
    found = cut_out(web.read(), web.labels[0])
    assert found is not None
    assert found.mask.shape == pytest.approx((50, 80), abs=4)
    assert found.mask[-10:, -20:].max() < 0.1  # the corner that is paper
    assert found.mask[5:12, 10:60].min() > 0.9


def test_nothing_is_cut_out_of_a_blank(web: Picture) -> None:
    assert cut_out(np.full((120, 160, 3), 90, np.uint8), web.labels[0]) is None


def test_a_phone_keeps_its_whole_box(web: Picture) -> None:
    label = web.labels[0].copy()
    label[0] = PHONE
    found = cut_out(web.read(), label)
    assert found is not None
    assert found.mask.mean() > 0.8


def test_what_is_pasted_is_labelled_where_it_is(tmp_path: Path) -> None:
    changed = 0
    for seed in range(20):
        image, labels = frame()
        result, taught = paste(image, labels, thing(), SOMEBODY, np.random.default_rng(seed))
        assert (image == 120).all(), "the given picture is left alone"
        if len(taught) == 1:
            continue
        differs = np.abs(result.astype(int) - image).max(2) > 3
        rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
        edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert taught[1, 0] == PISTOL
        assert taught[1, 1:] == pytest.approx(edges, abs=2)
        changed += 1
    assert changed > 10


def test_its_size_follows_the_person() -> None:
    image, labels = frame()
    low, high = SIZES[PISTOL]
    for seed in range(20):
        _, taught = paste(image, labels, thing(), SOMEBODY, np.random.default_rng(seed))
        for row in taught[1:]:
            longest = float((row[3:] - row[1:3]).max())
            assert low * 160 - 2 <= longest <= high * 160 + 2


def test_nothing_is_pasted_that_nobody_could_tell() -> None:
    image, labels = frame()
    far = np.array([100, 100, 108, 120], np.float32)
    for seed in range(10):
        result, taught = paste(image, labels, thing(), far, np.random.default_rng(seed))
        assert len(taught) == 1
        assert result is image


def test_a_grey_picture_stays_grey() -> None:
    image, labels = frame()
    red = Cutout(np.full((20, 40, 3), (0, 0, 200), np.uint8), np.ones((20, 40), np.float32), PISTOL)
    for seed in range(5):
        result, _ = paste(image, labels, red, SOMEBODY, np.random.default_rng(seed))
        assert np.ptp(result, axis=2).max() <= 1


def test_an_empty_place_is_left_alone(web: Picture) -> None:
    image = np.full((200, 240, 3), 120, np.uint8)
    result, taught = hand_something(
        image, np.empty((0, 5), np.float32), Cutouts([web]), np.random.default_rng(0)
    )
    assert result is image
    assert len(taught) == 0


def test_weapons_and_look_alikes_are_drawn_apart(web: Picture) -> None:
    stock = Cutouts([web])
    assert stock.draw(np.random.default_rng(0), weapon=False) is None
    found = stock.draw(np.random.default_rng(0), weapon=True)
    assert found is not None
    assert found.label == PISTOL
    assert stock.draw(np.random.default_rng(1), weapon=True) is found, "cut out once"
