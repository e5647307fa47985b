"""Twins: clips that are the same sound, wholly or in part, whatever they are called.

Exact twins have equal decoded samples. Near twins went through another gain, codec, rate or cut;
``overlap`` says that two clips only share a part. All kinds put both clips into one recording; a twin of
another class is a conflict of labels, which no model can resolve.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vedette_audio.prepare.facts import Facts
from vedette_audio.prepare.fingerprint import align

Kind = Literal["exact", "near", "overlap"]

SIMILAR = 0.6
"""Least correlation of twins: MP3, AAC and 20 dB of noise leave 0.83 to 0.99, strangers stay below 0.25."""
_VOTES = 6  # landmarks at one offset that make a pair worth a look
_COMMON = 40  # a landmark that more clips than that have says nothing
_OFFSETS = 1 << 14
_LEAST_S = 0.45  # less in common may be chance, or one word or drum sample


@dataclass(frozen=True, slots=True)
class Twin:
    """Two clips (numbers in the list given, ``first < second``) that share sound.

    ``similarity`` is 0..1 over the ``shared`` seconds; the second begins ``offset`` seconds after the first.
    """

    first: int
    second: int
    kind: Kind
    similarity: float
    offset: float
    shared: float


def find_twins(facts: Sequence[Facts]) -> tuple[Twin, ...]:
    """All twins, exact ones first. Silent clips have none: silence is equal to silence."""
    sets: dict[str, list[int]] = defaultdict(list)
    for number, clip in enumerate(facts):
        if not clip.silent:
            sets[clip.digest].append(number)
    exact = [
        Twin(one, two, "exact", 1.0, 0.0, facts[one].duration)
        for same in sets.values()
        for place, one in enumerate(same)
        for two in same[place + 1 :]
    ]
    firsts = [same[0] for same in sets.values()]
    near = [
        twin for pair in _candidates([facts[i] for i in firsts])
        if (twin := _compare(facts, firsts[pair[0]], firsts[pair[1]]))
    ]  # fmt: skip
    return (*sorted(exact, key=_order), *sorted(near, key=_order))


def exact_sets(facts: Sequence[Facts]) -> tuple[tuple[int, ...], ...]:
    """Numbers of sample-identical clips, one tuple per sound that occurs more than once."""
    sets: dict[str, list[int]] = defaultdict(list)
    for number, clip in enumerate(facts):
        if not clip.silent:
            sets[clip.digest].append(number)
    return tuple(tuple(same) for same in sets.values() if len(same) > 1)


def _order(twin: Twin) -> tuple[int, int]:
    return twin.first, twin.second


def _compare(facts: Sequence[Facts], one: int, two: int) -> Twin | None:
    match = align(facts[one].mark, facts[two].mark)
    if match.similarity < SIMILAR or match.shared < _LEAST_S:
        return None
    shorter = min(facts[one].mark.wave.size, facts[two].mark.wave.size) / 8000
    kind: Kind = "near" if match.shared >= 0.85 * shorter else "overlap"
    first, second, offset = (one, two, match.offset) if one < two else (two, one, -match.offset)
    return Twin(first, second, kind, round(match.similarity, 3), round(offset, 3), round(match.shared, 3))


def _candidates(facts: Sequence[Facts]) -> list[tuple[int, int]]:
    """Pairs with ``_VOTES`` landmarks in common at one offset (two neighbouring frames count as one)."""
    if len(facts) < 2:
        return []
    keys = np.concatenate([clip.mark.keys for clip in facts])
    frames = np.concatenate([clip.mark.frames for clip in facts]).astype(np.int64)
    owners = np.repeat(np.arange(len(facts)), [clip.mark.keys.size for clip in facts])
    order = np.argsort(keys, kind="stable")
    keys, frames, owners = keys[order], frames[order], owners[order]
    _, sizes = np.unique(keys, return_counts=True)
    rare = np.repeat(sizes <= _COMMON, sizes)
    keys, frames, owners = keys[rare], frames[rare], owners[rare]
    votes: list[npt.NDArray[np.int64]] = []
    for step in range(1, min(_COMMON, keys.size)):
        same = np.flatnonzero((keys[step:] == keys[:-step]) & (owners[step:] != owners[:-step]))
        if not same.size:
            break
        # owners ascend within a key, as the sort is stable
        pair = owners[same] * len(facts) + owners[same + step]
        votes.append(pair * _OFFSETS + (frames[same] - frames[same + step]) % _OFFSETS)
    if not votes:
        return []
    cells, counts = np.unique(np.concatenate(votes), return_counts=True)
    following = np.append((cells[1:] == cells[:-1] + 1) * counts[1:], 0)
    pairs = np.unique(cells[counts + following >= _VOTES] // _OFFSETS)
    return [(int(pair) // len(facts), int(pair) % len(facts)) for pair in pairs]
