"""What a picture file says of itself before it is decoded: size, depth, inks, turning, and if it is whole.

JPEG, PNG and GIF are read here, byte by byte: OpenCV decodes a truncated JPEG without a word, turns pictures
by their EXIF mark, and squeezes 16 bits and four inks into its own three bytes. Of TIFF and WebP only the
number of pictures is read. Other formats are left to OpenCV, which refuses what it cannot read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
_ORIENTATION = 0x0112
_SUBFILE = 0x00FE
"""TIFF tag, the first of a picture; its lowest bit marks a smaller copy of another one."""


@dataclass(frozen=True, slots=True)
class Header:
    """One picture file.

    Attributes:
        kind: ``jpeg``, ``png``, ``gif``, or empty for any other.
        stored: (width, height) as stored; (0, 0) where only decoding tells.
        turned: EXIF orientation 1..8; 1 is upright.
        bits: per colour; ``inks``: colours per pixel; ``frames``: pictures in the file.
        fault: why the file cannot be used, or empty.
    """

    kind: str
    stored: tuple[int, int] = (0, 0)
    turned: int = 1
    bits: int = 8
    inks: int = 3
    frames: int = 1
    fault: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as it is seen, upright."""
        return (self.stored[1], self.stored[0]) if self.turned >= 5 else self.stored


def read_header(path: Path) -> Header:
    """The header of a file. What is wrong is in ``fault``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return Header("", fault=f"cannot be read: {error.strerror or error}")
    return parse_header(data)


def parse_header(data: bytes) -> Header:
    """The header of a file's bytes."""
    if not data:
        return Header("", fault="is empty")
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png(data)
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _gif(data)
    return Header("", frames=max(1, pictures_in(data)))


def pictures_in(data: bytes) -> int:
    """Pictures in a TIFF (its smaller copies do not count) or WebP; 0 for any other file."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is not None:
        return _tiff(data, order)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        moving = data[12:16] == b"VP8X" and len(data) > 20 and data[20] & 2
        return max(1, data.count(b"ANMF")) if moving else 1
    return 0


def _jpeg(data: bytes) -> Header:
    at, found, turned = 2, None, 1
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return Header("jpeg", fault="is no whole JPEG: a marker is missing")
        marker = data[at + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:  # filling and marks without a length
            at += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        body = data[at + 4 : at + 2 + length]
        if marker == 0xE1 and body[:6] == b"Exif\0\0":
            turned = _orientation(body[6:])
        elif marker in _FRAMES and len(body) >= 6:
            found = struct.unpack(">BHHB", body[:6])
        elif marker == 0xDA:
            if found is None:
                break
            bits, height, width, inks = found
            whole = data.rfind(b"\xff\xd9", at) > 0
            fault = "" if whole else "is cut off: its end is missing"
            return Header("jpeg", (width, height), turned, bits, inks, fault=fault)
        at += 2 + length
    return Header("jpeg", fault="is cut off: no picture begins in it")


def _orientation(exif: bytes) -> int:
    """EXIF orientation 1..8; 1 where it is not said or makes no sense."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 14:
        return 1
    place = struct.unpack_from(order + "I", exif, 4)[0]
    if place + 2 > len(exif):
        return 1
    for number in range(struct.unpack_from(order + "H", exif, place)[0]):
        entry = place + 2 + 12 * number
        if entry + 12 > len(exif):
            return 1
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        if tag == _ORIENTATION and kind == 3:
            value = int(struct.unpack_from(order + "H", exif, entry + 8)[0])
            return value if 1 <= value <= 8 else 1
    return 1


def _png(data: bytes) -> Header:
    if len(data) < 33 or data[12:16] != b"IHDR":
        return Header("png", fault="is cut off: no picture begins in it")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    at, frames, whole = 8, 1, False
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"acTL" and at + 12 <= len(data):
            frames = int(struct.unpack_from(">I", data, at + 8)[0])
        whole = kind == b"IEND" and at + 12 + length <= len(data)
        at += 12 + length
    fault = "" if whole else "is cut off: its end is missing"
    inks = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}.get(colour, 3)
    return Header("png", (width, height), bits=max(8, bits), inks=inks, frames=frames, fault=fault)


def _gif(data: bytes) -> Header:
    if len(data) < 13:
        return Header("gif", fault="is cut off: no picture begins in it")
    width, height, packed = struct.unpack_from("<HHB", data, 6)
    at, frames = 13 + _table(packed), 0
    while at < len(data):
        mark = data[at]
        if mark == 0x3B:
            return Header("gif", (width, height), frames=frames)
        if mark == 0x21:
            at = _past_blocks(data, at + 2)
        elif mark == 0x2C and at + 10 <= len(data):
            frames += 1
            at = _past_blocks(data, at + 11 + _table(data[at + 9]))
        else:
            break
    return Header("gif", (width, height), frames=frames, fault="is cut off: its end is missing")


def _tiff(data: bytes, order: str) -> int:
    at, seen, count = 4, set[int](), 0
    while at + 4 <= len(data):
        place = struct.unpack_from(order + "I", data, at)[0]
        if not place or place in seen or place + 2 > len(data):
            break
        seen.add(place)
        tags = struct.unpack_from(order + "H", data, place)[0]
        at = place + 2 + 12 * tags
        if at > len(data):
            break
        first = struct.unpack_from(order + "HHII", data, place + 2) if tags else (0, 0, 0, 0)
        count += not (first[0] == _SUBFILE and first[3] & 1)
    return count


def _table(packed: int) -> int:
    """Bytes of a colour table."""
    return 3 * (2 << (packed & 7)) if packed & 0x80 else 0


def _past_blocks(data: bytes, at: int) -> int:
    """Where a chain of blocks ends, each with its length before it."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1
