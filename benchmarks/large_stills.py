#!/usr/bin/env python3
"""What a large still loses: labelled pictures eight at a time on one of 1920x1080, against the same singly.

    python benchmarks/large_stills.py VISION_FOLDER [--model NAME_OR_FOLDER] [--every 2] [--tiles SIDE]

No public set here has labelled stills larger than 480 pixels; a large picture is made of eight small ones, as
they are, on grey. Firearms as one class; "by centre" allows 2 % of the width, more on a wider picture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from vedette_base.bundle import load_bundle
from vedette_base.config import VisionConfig
from vedette_vision.dataset import Picture, load_pictures
from vedette_vision.detector import ImageFrame, WeaponDetector
from vedette_vision.evaluate import firearm_matches
from vedette_vision.look import Look

WIDTH, HEIGHT, ACROSS, DOWN = 1920, 1080, 4, 2
CELL = WIDTH // ACROSS, HEIGHT // DOWN
GRAY = 114
SUBSETS = ("us_cam1", "openimages_gun", "granada_armas")


def together(pictures: Sequence[Picture], folder: Path, seed: int = 0) -> tuple[list[Picture], list[Picture]]:
    """Pictures, eight by eight in random order, on large ones written to ``folder``; those that were used.

    A picture larger than its cell is left out; so are those left over at the end.
    """
    fitting = [p for p in pictures if all(s <= c for s, c in zip(p.size, CELL, strict=True))]
    order = np.random.default_rng(seed).permutation(len(fitting))
    count = ACROSS * DOWN
    large, used = [], []
    for begin in range(0, len(order) - count + 1, count):
        canvas = np.full((HEIGHT, WIDTH, 3), GRAY, np.uint8)
        labels = []
        for place, index in enumerate(order[begin : begin + count]):
            picture = fitting[int(index)]
            pixels = picture.read()
            x, y = (place % ACROSS) * CELL[0], (place // ACROSS) * CELL[1]
            canvas[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
            moved = picture.labels.copy()
            moved[:, 1:] *= np.array([pixels.shape[1], pixels.shape[0]] * 2, np.float32)
            moved[:, 1:] = (moved[:, 1:] + np.array([x, y, x, y])) / np.array([WIDTH, HEIGHT] * 2)
            labels.append(moved)
            used.append(picture)
        file = folder / f"{begin}.png"
        cv2.imwrite(str(file), canvas)
        large.append(Picture(file, "large", str(begin), np.concatenate(labels).astype(np.float32)))
    return large, used


def looked_at(detector: WeaponDetector, pictures: Sequence[Picture]) -> tuple[list[Look], float]:
    """Looks with boxes as shares of width and height, and processor seconds a picture."""
    begun = time.process_time()
    looks = []
    for picture in pictures:
        pixels = picture.read()
        look = detector.look_twice(ImageFrame(pixels))
        size = np.array([pixels.shape[1], pixels.shape[0]] * 2, np.float32)
        looks.append(Look(look.boxes / size, look.scores, look.classes))
    return looks, (time.process_time() - begun) / max(1, len(pictures))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder with manifest.jsonl")
    parser.add_argument("--model", default="vision", help="a shipped bundle's name, or a bundle folder")
    parser.add_argument("--every", type=int, default=2, help="take every n-th picture")
    parser.add_argument("--tiles", type=int, default=0, help="also look at tiles with this side in pixels")
    given = parser.parse_args()
    config = VisionConfig.model_validate({"tiles": {"side": given.tiles}})
    detector = WeaponDetector(load_bundle(given.model), config, threads=1)
    pictures = load_pictures(given.pictures, "val")
    table = Table("pictures", "as", "count", "AP50", "AP at IoU 0.3", "AP by centre", "s of a core")
    for subset in SUBSETS:
        chosen = [p for p in pictures if p.subset == subset][:: given.every]
        with TemporaryDirectory() as folder:
            large, used = together(chosen, Path(folder))
            for name, some in (("eight on 1920x1080", large), ("singly", used)):
                if not some:
                    continue
                looks, seconds = looked_at(detector, some)
                found = [firearm_matches(some, looks, r).precision() for r in ("ap50", "ap30", "centre")]
                figures = [f"{value:.3f}" for value in found]
                table.add_row(subset, name, str(len(some)), *figures, f"{seconds:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
