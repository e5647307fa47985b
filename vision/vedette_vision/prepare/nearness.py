"""Near-duplicates: the same picture under another name, size, codec, brightness or mirrored.

Two steps, as with sound: a 64-bit hash proposes pairs (exactly all within ``CLOSE`` bits, found by cutting
the hash into eight bytes: two hashes that differ in seven bits agree in one byte), and the correlation of
small grey pictures decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vedette_vision.prepare.look import Look

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]
Kind = Literal["exact", "near", "mirrored"]

CLOSE = 7
"""Bits of 64 in which the hashes of near-duplicates may differ."""
ALIKE = 0.95
"""Least correlation of near-duplicates' small grey pictures."""
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Twin:
    """Two pictures (numbers in the list given, ``first < second``) that are one; ``likeness`` is 0..1."""

    first: int
    second: int
    kind: Kind
    likeness: float


def find_twins(looks: Sequence[Look]) -> tuple[Twin, ...]:
    """All pairs of pictures that are one, exact ones first. Plain pictures only have exact twins."""
    same: dict[str, list[int]] = defaultdict(list)
    for number, look in enumerate(looks):
        same[look.digest].append(number)
    exact = [Twin(members[0], other, "exact", 1.0) for members in same.values() for other in members[1:]]
    firsts = [members[0] for members in same.values() if not looks[members[0]].plain]
    hashes = np.array([looks[i].hash for i in firsts], np.uint64)
    mirrors = np.array([looks[i].mirror for i in firsts], np.uint64)
    shapes = shaped([looks[i] for i in firsts])
    near = []
    for one, two in close_pairs(hashes, hashes):
        likeness = float(np.sum(shapes[one] * shapes[two]))
        if one < two and likeness >= ALIKE:
            near.append(_twin(firsts[one], firsts[two], "near", likeness))
    known = {(twin.first, twin.second) for twin in near}
    for one, two in close_pairs(hashes, mirrors):
        likeness = float(np.sum(shapes[one] * shapes[two][:, ::-1]))
        if one < two and likeness >= ALIKE and _pair(firsts[one], firsts[two]) not in known:
            near.append(_twin(firsts[one], firsts[two], "mirrored", likeness))
    return (*exact, *sorted(near, key=lambda twin: (twin.first, twin.second)))


def close_pairs(ones: Words, others: Words, limit: int = CLOSE) -> Iterator[tuple[int, int]]:
    """Every pair ``(i, j)`` whose hashes differ in at most ``limit`` (at most 7) bits, once each.

    With ``ones`` and ``others`` the same array, only ``i < j`` is given.
    """
    if limit > CLOSE:
        raise ValueError(f"limit must be at most {CLOSE}, got {limit}")
    itself = ones is others
    for byte in range(8):
        shift = np.uint64(8 * byte)
        here, there = (ones >> shift) & np.uint64(255), (others >> shift) & np.uint64(255)
        for value in np.intersect1d(here, there):
            left, right = np.flatnonzero(here == value), np.flatnonzero(there == value)
            for start in range(0, left.size, _BLOCK):
                rows = left[start : start + _BLOCK]
                differing = ones[rows, None] ^ others[None, right]
                hits = np.bitwise_count(differing) <= limit
                # a pair that agrees in several bytes is given at the lowest of them only
                for lower in range(byte):
                    hits &= (differing >> np.uint64(8 * lower)) & np.uint64(255) != 0
                for i, j in zip(*np.nonzero(hits), strict=True):
                    pair = int(rows[i]), int(right[j])
                    if not itself or pair[0] < pair[1]:
                        yield pair


def shaped(looks: Sequence[Look]) -> Floats:
    """Small grey pictures without brightness and contrast: their product summed is the correlation."""
    if not looks:
        return np.empty((0, 1, 1), np.float32)
    stack = np.stack([look.thumb for look in looks]).astype(np.float32)
    stack -= stack.mean(axis=(1, 2), keepdims=True)
    size = np.sqrt(np.square(stack).sum(axis=(1, 2), keepdims=True))
    return np.asarray(stack / np.maximum(size, 1e-6), np.float32)


def _pair(one: int, two: int) -> tuple[int, int]:
    return (one, two) if one < two else (two, one)


def _twin(one: int, two: int, kind: Kind, likeness: float) -> Twin:
    first, second = _pair(one, two)
    return Twin(first, second, kind, round(likeness, 3))
