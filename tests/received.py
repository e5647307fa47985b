"""What a recording gives when it is read, taken apart for tests: ``from tests.received import items_of``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.media import Samples
from vedette.sources import FileSource
from vedette_base.media import SAMPLE_RATE, AudioBlock, Frame, MediaItem, Progress


def items_of(path: Path, **options: object) -> list[MediaItem]:
    """Everything a recording gives; fails where an item comes behind its watermark."""
    with FileSource(path, **options) as source:  # type: ignore[arg-type]
        items = list(source)
    watermark = {"audio": -1.0, "vision": -1.0}
    for item in items:
        medium = item.medium if isinstance(item, Progress) else "vision"
        medium = "audio" if isinstance(item, AudioBlock) else medium
        assert item.time >= watermark[medium] - 1e-6, (item, watermark)
        watermark[medium] = item.end if isinstance(item, AudioBlock) else item.time
    return items


def blocks_of(items: Sequence[MediaItem]) -> list[AudioBlock]:
    """Only the sound."""
    return [i for i in items if isinstance(i, AudioBlock)]


def frames_of(items: Sequence[MediaItem]) -> list[Frame]:
    """Only the pictures."""
    return [i for i in items if not isinstance(i, (AudioBlock, Progress))]


def progress_of(items: Sequence[MediaItem]) -> list[Progress]:
    """Only the marks of how far a medium has come."""
    return [i for i in items if isinstance(i, Progress)]


def times_of(items: Sequence[MediaItem]) -> list[float]:
    """Times of sound and pictures, in the order in which they came."""
    return [i.time for i in items if not isinstance(i, Progress)]


def joined(items: Sequence[MediaItem]) -> tuple[float, Samples]:
    """Time of the first sample, and all samples; fails where they do not follow one another."""
    blocks = blocks_of(items)
    for before, after in pairwise(blocks):
        assert after.time == pytest.approx(before.end, abs=1e-6)
    assert all(b.samples.dtype == np.float32 and b.samples.ndim == 1 for b in blocks)
    return blocks[0].time, np.concatenate([b.samples for b in blocks])


def onsets(items: Sequence[MediaItem], level: float = 0.2) -> list[float]:
    """Times at which sound rises over ``level`` after at least 50 ms below it."""
    found: list[float] = []
    last = -1.0
    for block in blocks_of(items):
        for index in np.flatnonzero(np.abs(block.samples) > level):
            time = block.time + float(index) / SAMPLE_RATE
            if time - last > 0.05:
                found.append(time)
            last = time
    return found
