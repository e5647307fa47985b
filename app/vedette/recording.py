"""How a recording is read, and its fingerprint."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vedette_base.errors import InputError, MediaError


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """How one recording is read.

    Attributes:
        start, end: part of the recording to analyse, seconds on its own clock; None: no limit.
        audio_track: which of several sound tracks, from 0.
        audio_file: a separate sound file used instead of the recording's own sound.
        audio_offset: where second 0 of ``audio_file`` lies on the recording's clock, seconds.
        recorded_at: wall-clock time of second 0; must carry a zone. None: what the container says.
        sequence: further pieces of the same recording, in order.

    Raises:
        InputError: a value out of range.
    """

    start: float | None = None
    end: float | None = None
    audio_track: int = 0
    audio_file: Path | None = None
    audio_offset: float = 0.0
    recorded_at: datetime | None = None
    sequence: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.start is not None and not 0 <= self.start < math.inf:
            raise InputError(f"start must be 0 s or later, got {self.start:g}")
        if self.end is not None and not self.end > (self.start or 0.0):
            raise InputError(
                f"end must be later than start, got start {self.start or 0.0:g} s and end {self.end:g} s"
            )
        if self.audio_track < 0:
            raise InputError(f"audio_track counts from 0, got {self.audio_track}")
        if not math.isfinite(self.audio_offset):
            raise InputError(f"audio_offset must be a number of seconds, got {self.audio_offset:g}")
        if self.recorded_at is not None and self.recorded_at.tzinfo is None:
            raise InputError(
                f"recorded_at needs a time zone, got {self.recorded_at.isoformat()}",
                hint=f"for example {self.recorded_at.isoformat()}+00:00",
            )

    def reading(self) -> dict[str, Any]:
        """Options of `open_source` that say what is read, whatever part of it."""
        return {
            "audio_track": self.audio_track,
            "audio_file": self.audio_file,
            "audio_offset": self.audio_offset,
            "sequence": self.sequence,
        }

    def files(self, path: Path) -> tuple[Path, ...]:
        """Every file that is read when ``path`` is analysed with these options."""
        sound = () if self.audio_file is None else (self.audio_file,)
        return tuple(Path(file) for file in (path, *self.sequence, *sound))


def recording_hash(paths: tuple[Path, ...]) -> str:
    """SHA-256 of one file, or of the hashes of several (pieces of a recording, separate sound).

    Raises:
        MediaError: a file is missing or may not be read.
    """
    digests = []
    for path in paths:
        try:
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise MediaError(f"{path}: {reason}", hint="check the path and that you may read it") from error
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
