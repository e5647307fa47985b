"""How a recording is read, and its fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vedette_base.errors import MediaError


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
    """

    start: float | None = None
    end: float | None = None
    audio_track: int = 0
    audio_file: Path | None = None
    audio_offset: float = 0.0
    recorded_at: datetime | None = None
    sequence: tuple[Path, ...] = ()

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
        return (path, *self.sequence, *((self.audio_file,) if self.audio_file else ()))


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
