"""Training pictures as the closer look sees them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vedette_vision.dataset import Picture
from vedette_vision.labels import LABEL_IDS, PERSON
from vedette_vision.looks import LookSampler

PISTOL = LABEL_IDS["pistol"]


@pytest.fixture
def camera(tmp_path: Path) -> Picture:
    """A green person of 20 x 60 pixels, a red pistol of 8 x 6 in the hand."""
    image = np.full((180, 320, 3), 90, np.uint8)
    image[60:120, 150:170] = (0, 200, 0)
    image[85:91, 170:178] = (0, 0, 230)
    cv2.imwrite(str(tmp_path / "camera.png"), image)
    boxes = [[PERSON, 150, 60, 170, 120], [PISTOL, 170, 85, 178, 91]]
    labels = np.array(boxes, np.float32) / np.array([1, 320, 180, 320, 180], np.float32)
    return Picture(tmp_path / "camera.png", "us_cam5", "c", labels)


@pytest.fixture
def web(tmp_path: Path) -> Picture:
    image = np.full((200, 200, 3), 200, np.uint8)
    image[50:150, 20:180] = (0, 0, 230)
    cv2.imwrite(str(tmp_path / "web.png"), image)
    labels = np.array([[PISTOL, 0.1, 0.25, 0.9, 0.75]], np.float32)
    return Picture(tmp_path / "web.png", "granada_armas", "w", labels)


def test_a_look_enlarges_the_person_and_the_weapon(camera: Picture) -> None:
    sampler = LookSampler([camera], 128, 1, shrink=0.0, paste=0.0)
    sides = []
    for step in range(30):
        _, targets = sampler.draw(step)
        sides += [(row[4:] - row[2:4]).max() for row in targets if row[1] == PISTOL]
    assert len(sides) > 15
    assert np.median(sides) > 12, "of 8 pixels in the picture"


def test_labels_stay_on_what_they_label(camera: Picture) -> None:
    """The box of a weapon, wherever it lands, is red within and not around."""
    sampler = LookSampler([camera], 128, 1, shrink=0.0, paste=0.0)
    checked = 0
    for step in range(40):
        image, labels = sampler._picture(np.random.default_rng(step))
        for row in labels[labels[:, 0] == PISTOL]:
            x1, y1, x2, y2 = row[1:].astype(int)
            middle = image[(y1 + y2) // 2, (x1 + x2) // 2].astype(int)
            red = (image[..., 2] > 150) & (image[..., 1] < 80)
            assert middle[2] - middle[1] > 80
            assert red.sum() <= 1.35 * (x2 - x1 + 2) * (y2 - y1 + 2)
            checked += 1
    assert checked > 15


def test_shrunken_web_pictures_have_small_weapons(web: Picture) -> None:
    sampler = LookSampler([web], 320, 2, shrink=1.0)
    _, targets = sampler.draw(0)
    weapons = targets[targets[:, 1] == PISTOL]
    assert len(weapons) >= 4
    assert (weapons[:, 4:] - weapons[:, 2:4]).max() < 320 * 0.6


def test_a_batch_depends_on_seed_and_step_alone(camera: Picture, web: Picture) -> None:
    first, second = (LookSampler([camera, web], 96, 3, seed=4, paste=0.5) for _ in range(2))
    second.draw(0)
    for a, b in zip(first.draw(5), second.draw(5), strict=True):
        assert np.array_equal(a, b)


def test_without_people_web_pictures_are_drawn(web: Picture) -> None:
    images, targets = LookSampler([web], 64, 2, shrink=0.0).draw(0)
    assert images.shape == (2, 64, 64, 3)
    assert len(targets)
