"""The one EXIF tag that matters here: which way up a still picture is."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

HEAD: Final = 256 << 10  # EXIF stands near the beginning
ORIENTATION: Final = 0x0112
MARKS: Final = (b"Exif\0\0", b"eXIf", b"EXIF")  # JPEG and old WebP, PNG, WebP


def exif_orientation(path: Path) -> int | None:
    """EXIF orientation 1..8 of a JPEG, PNG or WebP file, or None where it has none.

    FFmpeg applies the turn but PyAV 18 cannot say whether a picture is mirrored as well.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    for mark in MARKS:
        place = head.find(mark)
        if place < 0:
            continue
        tiff = head[place + len(mark) :]
        for skipped in (0, 4):  # WebP has the size of its chunk between name and content
            value = _tag(tiff[skipped:])
            if value is not None:
                return value
    return None


def _tag(tiff: bytes) -> int | None:
    if tiff[:4] not in (b"II*\0", b"MM\0*"):
        return None
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"

    def number(place: int, size: int) -> int:
        return int.from_bytes(tiff[place : place + size], order)

    directory = number(4, 4)
    for entry in range(number(directory, 2)):
        place = directory + 2 + 12 * entry
        if number(place, 2) == ORIENTATION:
            value = number(place + 8, 2)
            return value if 1 <= value <= 8 else None
    return None
