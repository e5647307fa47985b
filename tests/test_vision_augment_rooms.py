"""Made-up rooms, and people cut out of camera pictures who stand in them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vedette_vision.cutouts import erase
from vedette_vision.dataset import Picture
from vedette_vision.labels import LABEL_IDS, PERSON
from vedette_vision.rooms import Rooms, figure_of, room

GUN = LABEL_IDS["gun"]


@pytest.fixture
def camera(tmp_path: Path) -> Picture:
    """Somebody in red before a grey wall, a black gun at arm's length."""
    rng = np.random.default_rng(0)
    image = rng.integers(150, 170, (200, 240, 3)).astype(np.uint8)
    image[50:170, 100:140] = (20, 20, 210)
    image[80:88, 140:152] = 10
    cv2.imwrite(str(tmp_path / "camera.png"), image)
    boxes = [[PERSON, 92, 45, 148, 175], [GUN, 140, 80, 152, 88]]
    labels = np.array(boxes, np.float32) / np.array([1, 240, 200, 240, 200], np.float32)
    return Picture(tmp_path / "camera.png", "us_cam5", "c", labels)


def test_somebody_is_cut_out_with_the_gun(camera: Picture) -> None:
    figure = figure_of(camera, 0)
    assert figure is not None
    assert figure.labels[:, 0].tolist() == [PERSON, GUN]
    x1, y1, x2, y2 = figure.labels[1, 1:].astype(int)
    assert figure.mask[y1 + 2 : y2 - 1, x1 + 2 : x2 - 1].min() > 0.8
    assert figure.mask[:, :2].max() < 0.3, "the wall stays behind"
    assert figure.pixels.shape[:2] == figure.mask.shape


def test_nobody_small_is_cut_out(camera: Picture) -> None:
    far = camera.labels.copy()
    far[0, 1:] = [0.4, 0.4, 0.45, 0.55]
    assert figure_of(Picture(camera.file, "us_cam5", "c", far), 0) is None


def test_a_room_is_a_picture_of_the_size_asked_for() -> None:
    for seed in range(10):
        image = room(320, 180, np.random.default_rng(seed))
        assert image.shape == (180, 320, 3)
        assert image.dtype == np.uint8
        assert image.std() > 3


def test_rooms_differ_and_repeat_by_their_seed(camera: Picture) -> None:
    first, again, other = (Rooms([camera]).draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert first[0].shape != other[0].shape or not np.array_equal(first[0], other[0])


def test_people_in_rooms_keep_their_labels_and_their_colours(camera: Picture) -> None:
    stock, peopled = Rooms([camera]), 0
    for seed in range(60):
        image, labels = stock.draw(np.random.default_rng(seed))
        people = labels[labels[:, 0] == PERSON]
        assert len(people) == (labels[:, 0] == GUN).sum()
        assert labels.size == 0 or (labels[:, 1:] >= -1).all()
        if len(people) == 1:
            x, y = (people[0, 1:3] + people[0, 3:5]) / 2
            middle = image[int(y), int(x)].astype(int)
            assert middle[2] > middle[0] + 30, "red, as in the camera's picture"
            peopled += 1
    assert peopled > 3


def test_without_cameras_rooms_are_empty() -> None:
    for seed in range(10):
        assert Rooms([]).draw(np.random.default_rng(seed))[1].shape == (0, 5)


def test_an_erased_gun_leaves_the_wall(camera: Picture) -> None:
    labels = camera.labels * np.array([1, 240, 200, 240, 200], np.float32)
    image = camera.read()
    result, left = erase(image, labels)
    assert left[:, 0].tolist() == [PERSON]
    assert result[84, 147].min() > 100
    assert (image[84, 147] < 60).all(), "the given picture is left alone"


def test_a_large_weapon_is_not_erased(camera: Picture) -> None:
    labels = np.array([[GUN, 10, 10, 150, 60]], np.float32)
    image = camera.read()
    result, left = erase(image, labels)
    assert result is image
    assert len(left) == 1
