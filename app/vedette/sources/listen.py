"""Whole small recordings at once: the sound of a clip, the pixels of a picture."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from vedette.sources.files import open_source
from vedette_base.errors import MediaError, NoMediumError
from vedette_base.media import SAMPLE_RATE, AudioBlock, Pixels, Progress


def read_sound(path: str | os.PathLike[str]) -> npt.NDArray[np.float32]:
    """All sound of a recording at ``SAMPLE_RATE``, shape ``(n,)``; gaps are zeros.

    Raises:
        MediaError: it cannot be read, or its sound is digital silence, about which nothing can be said.
    """
    with open_source(path, media=("audio",)) as source:
        blocks = [item for item in source if isinstance(item, AudioBlock)]
    if not blocks:
        raise NoMediumError(f"{path}: holds no sound", hint="vedette detect looks at pictures")
    first = blocks[0].time
    sound = np.zeros(round((blocks[-1].end - first) * SAMPLE_RATE) + 1, np.float32)
    for block in blocks:
        begin = round((block.time - first) * SAMPLE_RATE)
        room = sound[begin : begin + block.samples.size]
        room[:] = block.samples[: room.size]
    if not sound.any():
        raise MediaError(f"{path}: its sound is digital silence", hint="a dead microphone or a muted track")
    return sound


def read_picture(path: str | os.PathLike[str]) -> Pixels:
    """The first picture of a file, upright, full size, ``(height, width, 3)`` BGR. Raises MediaError."""
    with open_source(path, media=("vision",)) as source:
        for item in source:
            if not isinstance(item, AudioBlock | Progress):
                return item.bgr(*item.size)
    raise NoMediumError(f"{path}: holds no picture", hint="vedette classify listens to sound")
