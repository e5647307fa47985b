"""What FFmpeg does not say of still pictures: a JPEG cut off, one too large to decode, others unread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vedette_base.errors import MediaError
from vedette_vision.prepare.header import pictures_in

MOST_PIXELS: Final = 250_000_000
"""Pixels of a still at most: twice a 20,000-pixel panorama, decoded some 0.8 GB."""
_MOST_BYTES: Final = 256 << 20  # a file that begins as a JPEG can be hours of motion JPEG
_BARE: Final = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length
_SIZES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # those that say the picture's size


def pictures_of(path: Path) -> int:
    """How many pictures a TIFF or WebP holds, of which FFmpeg gives the first or none; 0 for others."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            known = head[:4] in (b"II*\0", b"MM\0*") or head[8:12] == b"WEBP"
            return pictures_in(head + file.read(_MOST_BYTES)) if known else 0
    except OSError:
        return 0


def _is_file(path: Path) -> bool:
    """A regular file: to open a pipe is to wait for whoever writes into it."""
    try:
        return path.is_file()
    except OSError:
        return False


def check_size(path: Path) -> None:
    """Refuse a JPEG or PNG whose head says more than ``MOST_PIXELS``, before it is decoded.

    Raises:
        MediaError: it says so. A file that cannot be read is left to whoever decodes it.
    """
    size = _said_size(path)
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise MediaError(
            f"{path}: a picture of {size[0]} x {size[1]} pixels is more than the memory should hold",
            hint=f"cut it or scale it down: {MOST_PIXELS // 1_000_000} million pixels at most",
        )


def is_cut_off(path: Path) -> bool:
    """Whether a JPEG ends before its picture does; False for every other file."""
    content = _jpeg(path)
    if content is None:
        return False
    scan = next((place for place, kind in _segments(content) if kind == 0xDA), None)
    # in the picture's data a byte 0xFF is followed by 0, so the end mark after it is a real one
    return len(content) < _MOST_BYTES and (scan is None or content.find(b"\xff\xd9", scan) < 0)


def _jpeg(path: Path) -> bytes | None:
    if not _is_file(path):
        return None
    try:
        with path.open("rb") as file:
            head = file.read(3)
            return head + file.read(_MOST_BYTES) if head == b"\xff\xd8\xff" else None
    except OSError:
        return None


def _said_size(path: Path) -> tuple[int, int] | None:
    if not _is_file(path):
        return None
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError:
        return None
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    content = _jpeg(path) if head[:3] == b"\xff\xd8\xff" else None
    if content is None:
        return None
    for place, kind in _segments(content):
        if kind in _SIZES:
            height, width = content[place + 5 : place + 7], content[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
    return None


def _segments(content: bytes) -> list[tuple[int, int]]:
    """Place and kind of a JPEG's markers up to its picture data."""
    place, found = 2, []
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == 0xFF:  # filling
            place += 1
            continue
        found.append((place, kind))
        if kind == 0xDA:
            break
        place += 2 if kind in _BARE else 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return found
