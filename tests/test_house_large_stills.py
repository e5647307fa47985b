"""Pictures put together for the benchmark of large stills keep their labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.benchmark_modules import benchmark_module
from vedette_vision.dataset import Picture


def test_labels_stay_on_what_they_label_when_pictures_are_put_together(root: Path, tmp_path: Path) -> None:
    module = benchmark_module(root, "large_stills")
    pictures = []
    for number in range(17):
        pixels = np.zeros((200 + number, 300, 3), np.uint8)
        pixels[50:90, 100:160] = 255
        height, width = pixels.shape[:2]
        file = tmp_path / f"in{number}.png"
        cv2.imwrite(str(file), pixels)
        box = [3, 100 / width, 50 / height, 160 / width, 90 / height]
        pictures.append(Picture(file, "us_cam1", "g", np.array([box], np.float32)))
    pictures.append(Picture(tmp_path / "wide.png", "us_cam1", "g", np.empty((0, 5), np.float32)))
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((20, 900, 3), np.uint8))
    out = tmp_path / "out"
    out.mkdir()
    large, used = module.together(pictures, out)
    assert (len(large), len(used)) == (2, 16)
    for picture in large:
        canvas = picture.read()
        assert canvas.shape == (1080, 1920, 3)
        assert len(picture.labels) == 8
        for _, *shares in picture.labels:
            x1, y1, x2, y2 = (np.array(shares) * [1920, 1080, 1920, 1080]).round().astype(int)
            assert canvas[y1:y2, x1:x2].min() == 255
            assert canvas[y1 - 1, x1 - 1].max() == 0
