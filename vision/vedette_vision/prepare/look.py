"""Looking at one picture file: can it be used, what should be known, and what does it resemble."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vedette_base.errors import DataError
from vedette_vision.prepare.header import Header, parse_header, read_header

Bytes = npt.NDArray[np.uint8]

THUMB = 24
"""Side of the small grey picture by which pictures are compared."""
WIDE = 8_000
"""Pixels of a side from which weapons vanish when the picture is scaled to a network's input."""
_SMALL = 1_000  # pixels: larger JPEGs are decoded at an eighth, which is faster and enough for a thumb
_DARK = 40  # of 255: brightest pixel of a picture whose bits were not spread over the whole range


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was seen of one file.

    Attributes:
        size: (width, height), upright.
        header: what the file says.
        digest: SHA-256 of the file.
        hash: 64 bits, brighter than the right-hand neighbour or not (dHash); ``mirror``: mirrored
        thumb: shape ``(THUMB, THUMB)``, grey.
        plain: True where there is next to nothing on it (black, white, one colour): like any other such.
        remarks: (word, evidence) of what should be known.
        fault: why it cannot be used, or empty.
    """

    size: tuple[int, int]
    header: Header
    digest: str
    hash: int
    mirror: int
    thumb: Bytes
    plain: bool
    remarks: tuple[tuple[str, str], ...] = ()
    fault: str = ""


def look_at(path: Path) -> Look:
    """Read and decode a picture file. What is wrong with it is in ``fault``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return _unusable(Header(""), f"cannot be read: {error.strerror or error}")
    header = parse_header(data)
    if header.fault:
        return _unusable(header, header.fault)
    if header.frames > 1:
        return _unusable(header, f"holds {header.frames} pictures: take it apart first")
    large = header.kind == "jpeg" and max(header.stored) > _SMALL
    how = cv2.IMREAD_REDUCED_GRAYSCALE_8 if large else cv2.IMREAD_GRAYSCALE
    try:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error as error:
        return _unusable(header, f"cannot be decoded: {error.err}")
    if grey is None:
        return _unusable(header, "cannot be decoded")
    size = header.size if header.stored != (0, 0) else (grey.shape[1], grey.shape[0])
    pixels = np.asarray(grey, np.uint8)
    thumb = np.asarray(cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA), np.uint8)
    return Look(
        size,
        header,
        hashlib.sha256(data).hexdigest(),
        dhash(pixels),
        dhash(np.ascontiguousarray(pixels[:, ::-1])),
        thumb,
        float(thumb.std()) < 3.0,
        tuple(_remarks(header, size, int(grey.max()))),
    )


def stored_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture file as stored. Raises DataError: why it cannot be used."""
    header = read_header(path)
    if header.fault:
        raise DataError(header.fault)
    if header.stored != (0, 0):
        return header.stored
    look = look_at(path)  # WebP, BMP, TIFF: only decoding tells
    if look.fault:
        raise DataError(look.fault)
    return look.size


def dhash(grey: Bytes) -> int:
    """64 bits of a grey picture: whether each of 8x8 cells is brighter than its right-hand neighbour."""
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(small[:, :-1] > small[:, 1:]).tobytes(), "big")


def _remarks(header: Header, size: tuple[int, int], brightest: int) -> list[tuple[str, str]]:
    found = []
    if header.turned != 1:
        found.append(("turned", f"EXIF orientation {header.turned}: boxes are those of the upright picture"))
    if header.kind == "jpeg" and header.inks == 4:
        found.append(("cmyk", "four inks (CMYK): its colours are an estimate"))
    if header.bits > 8:
        dark = f", its brightest pixel is {brightest} of 255" if brightest < _DARK else ""
        found.append(("deep", f"{header.bits} bits a colour: read as 8{dark}"))
    if max(size) > WIDE:
        found.append(
            ("huge", f"{size[0]}x{size[1]}: cut it into tiles, or weapons vanish in the network's input")
        )
    return found


def _unusable(header: Header, fault: str) -> Look:
    nothing = np.zeros((THUMB, THUMB), np.uint8)
    return Look((0, 0), header, "", 0, 0, nothing, True, fault=fault)
