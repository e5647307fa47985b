"""Geometry of boxes: letterbox, overlap, suppression, decoding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_vision.boxes import PAD_GRAY, Letterbox, decode, overlap, suppress

SIDES = st.integers(min_value=1, max_value=8000)


@given(SIDES, SIDES)
def test_a_box_comes_back_from_the_letterbox_where_it_was(width: int, height: int) -> None:
    fit = Letterbox.fit((width, height), (640, 384))
    boxes = np.array([[0, 0, width, height], [width / 4, height / 3, width / 2, height]], np.float32)
    back = fit.to_picture(fit.to_input(boxes))
    assert np.allclose(back, boxes, atol=1e-3 * max(width, height) + 1e-3)


@given(SIDES, SIDES)
def test_a_letterboxed_picture_lies_inside_the_input_and_fills_one_side(width: int, height: int) -> None:
    fit = Letterbox.fit((width, height), (640, 384))
    assert 1 <= fit.inner[0] <= 640
    assert 1 <= fit.inner[1] <= 384
    assert fit.inner[0] == 640 or fit.inner[1] == 384


def test_padding_is_grey_and_the_picture_is_in_the_middle() -> None:
    fit = Letterbox.fit((100, 100), (64, 32))
    padded = fit.pad(np.full((32, 32, 3), 200, np.uint8))
    assert padded.shape == (32, 64, 3)
    assert (padded[:, :16] == PAD_GRAY).all()
    assert (padded[:, 16:48] == 200).all()


def test_overlap_of_known_boxes() -> None:
    a = np.array([[0, 0, 10, 10]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]], np.float32)
    assert overlap(a, b)[0] == pytest.approx([1.0, 1 / 3, 0.0, 0.0])


def test_suppression_keeps_the_best_of_a_class_and_leaves_other_classes_alone() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.6, 0.9, 0.5, 0.2], np.float32)
    classes = np.array([0, 0, 1, 0])
    assert suppress(boxes, scores, classes, 0.5).tolist() == [1, 2, 3]


def test_suppression_of_nothing_is_nothing() -> None:
    empty = np.empty((0, 4), np.float32)
    assert suppress(empty, np.empty(0, np.float32), np.empty(0, np.int64), 0.5).size == 0


def test_decoding_a_known_output() -> None:
    output = np.zeros((9, 3), np.float32)
    output[:4, 0] = [50, 40, 20, 10]
    output[:4, 1] = [51, 40, 20, 10]
    output[:4, 2] = [100, 100, 8, 8]
    output[4 + 3, 0], output[4 + 3, 1], output[4 + 0, 2], output[4 + 1, 2] = 0.8, 0.6, 0.3, 0.04
    boxes, scores, classes = decode(output, 0.05, 0.5)
    assert scores == pytest.approx([0.8, 0.3])
    assert classes.tolist() == [3, 0]
    assert boxes.tolist() == [[40, 35, 60, 45], [96, 96, 104, 104]]


def test_decoding_looks_at_the_best_candidates_only() -> None:
    output = np.zeros((9, 1000), np.float32)
    output[0] = np.arange(1000) * 100
    output[2:4] = 10
    output[4] = np.linspace(0.1, 0.9, 1000)
    _, scores, _ = decode(output, 0.05, 0.5, most=10)
    assert len(scores) == 10
    assert scores.min() > 0.88
