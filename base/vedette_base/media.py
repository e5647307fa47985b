"""What a source gives: blocks of sound and frames of picture, each timed by the medium itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vedette_base.score import Medium

SAMPLE_RATE = 48_000  # Hz; every source resamples to it

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """Mono sound.

    Attributes:
        time: seconds of the first sample on the medium's clock.
        samples: shape ``(n,)``, float32, nominally -1..1, at ``SAMPLE_RATE``; finite.
    """

    time: float
    samples: npt.NDArray[np.float32]

    @property
    def end(self) -> float:
        """Seconds just after the last sample."""
        return self.time + self.samples.size / SAMPLE_RATE


class Frame(Protocol):
    """One picture, upright (rotation metadata applied), converted only when somebody looks.

    A frame is valid until the source is closed; whoever keeps pixels keeps what the methods returned.
    """

    @property
    def time(self) -> float:
        """Seconds on the medium's clock."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the full-size upright picture in pixels."""

    @property
    def still(self) -> bool:
        """True for a single still picture: gate and confirmation do not apply."""

    def bgr(self, width: int, height: int) -> Pixels:
        """The whole picture stretched to ``(height, width, 3)`` BGR, straight from YUV where there is one."""

    def gray(self, width: int, height: int) -> Pixels:
        """The whole picture stretched to ``(height, width)`` luminance, cheaply."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one medium has come, sent where there is nothing to hear or see.

    Attributes:
        medium: the medium that has no data up to ``time``.
        time: seconds; everything of this medium before it has been given or is absent.
        reason: why, for people: ``"no sound track"``, ``"sound ended"``, ``"12 damaged packets"`` ...
    """

    medium: Medium
    time: float
    reason: str = ""


MediaItem = AudioBlock | Frame | Progress


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before (and, for damage counts, after) it was read.

    Attributes:
        name: path or address as the user gave it.
        duration: seconds, or None when the medium does not say.
        audio, video: whether there is such a track at all.
        size: (width, height) upright, or None.
        recorded_at: wall-clock time of second 0 as ISO 8601 with zone, or None.
        frame_rate: mean frames per second, or None.
        notes: what a person should know (``"time stamps start at 1.40 s"``, ``"rotated by 90 degrees"``).
    """

    name: str
    duration: float | None
    audio: bool
    video: bool
    size: tuple[int, int] | None = None
    recorded_at: str | None = None
    frame_rate: float | None = None
    notes: tuple[str, ...] = field(default=())


class Source(Protocol):
    """Media items in order of time, both media interleaved; iterated once, then closed."""

    @property
    def info(self) -> SourceInfo:
        """What is known before it is read."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong so far without ending it: damaged packets, jumps in time."""

    def __iter__(self) -> Iterator[MediaItem]: ...

    def close(self) -> None:
        """Stop reading and free what is held. May be called again."""
