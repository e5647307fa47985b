"""Clips to listen to before they are trusted: silent, no impulse, among strangers, a doubtful rate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vedette_audio.prepare.facts import Facts
from vedette_base.score import GUNSHOT

SHORT_S = 0.25
LONG_S = 60.0
_RISE_DB = 12.0  # a shot, even far off, rises by more within 20 ms
_NEIGHBOURS = 7
_ENOUGH = 20  # clips of the same length that make a length a habit


@dataclass(frozen=True, slots=True)
class Suspect:
    """One remark on one clip: its number, a word for the manifest's ``flag``, and the evidence."""

    clip: int
    flag: str
    evidence: str


def find_suspects(
    labels: Sequence[str], names: Sequence[str], groups: Sequence[str], facts: Sequence[Facts]
) -> tuple[Suspect, ...]:
    """All remarks, in the order of the clips. Silent clips get no other."""
    found = []
    for number, clip in enumerate(facts):
        if clip.silent:
            found.append(Suspect(number, "silent", f"peak {clip.peak_db:.0f} dB of full scale"))
            continue
        if clip.duration < SHORT_S:
            found.append(Suspect(number, "short", f"{clip.duration:.3f} s"))
        if clip.duration > LONG_S or not clip.whole:
            found.append(Suspect(number, "long", f"{clip.duration / 60:.0f} minutes: cut it into clips"))
        if labels[number] == GUNSHOT and clip.impulse_db < _RISE_DB and clip.duration >= SHORT_S:
            found.append(Suspect(number, "no_impulse", f"steepest rise {clip.impulse_db:.0f} dB in 20 ms"))
    return tuple(sorted([*found, *_doubtful_rates(names, facts), *_strangers(names, groups, facts)],
                        key=lambda s: (s.clip, s.flag)))  # fmt: skip


def wrong_onsets(onsets: Sequence[Sequence[float]], facts: Sequence[Facts]) -> tuple[Suspect, ...]:
    """Shots that a table puts before the beginning or after the end of their clip."""
    found = []
    for number, (given, clip) in enumerate(zip(onsets, facts, strict=True)):
        outside = [onset for onset in given if not 0 <= onset <= clip.duration]
        if outside:
            evidence = f"a shot at {outside[0]:g} s, the clip has {clip.duration:.2f} s"
            found.append(Suspect(number, "onset", evidence))
    return tuple(found)


def _doubtful_rates(names: Sequence[str], facts: Sequence[Facts]) -> list[Suspect]:
    """As many samples as nearly all others of the class, yet another rate: the header may be wrong."""
    members: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        members[name].append(number)
    found = []
    for name, group in members.items():
        count = Counter(facts[i].count for i in group).most_common(1)[0][0]
        rate = Counter(facts[i].rate for i in group).most_common(1)[0][0]
        usual = sum(facts[i].count == count and facts[i].rate == rate for i in group)
        if usual < max(_ENOUGH, 0.6 * len(group)):
            continue
        for i in group:
            if facts[i].count == count and facts[i].rate != rate:
                evidence = (
                    f"{facts[i].rate} Hz, but {count} samples like the {usual} clips of {name} at {rate} Hz"
                )
                found.append(Suspect(i, "rate", evidence))
    return found


def _strangers(names: Sequence[str], groups: Sequence[str], facts: Sequence[Facts]) -> list[Suspect]:
    """Clips whose nearest neighbours from other recordings all belong to one other class."""
    loud = [i for i, clip in enumerate(facts) if not clip.silent]
    if len(loud) <= _NEIGHBOURS:
        return []
    looks = np.stack([facts[i].spectrum - facts[i].spectrum.mean() for i in loud])
    squares = np.sum(looks**2, axis=1)
    own = np.unique([groups[i] for i in loud], return_inverse=True)[1]
    found = []
    for place, i in enumerate(loud):
        distance = squares + squares[place] - 2 * looks @ looks[place]
        distance[own == own[place]] = np.inf
        near = [
            loud[j] for j in np.argsort(distance, kind="stable")[:_NEIGHBOURS] if np.isfinite(distance[j])
        ]
        others = Counter(names[j] for j in near)
        if len(near) == _NEIGHBOURS and len({groups[j] for j in near}) > 2 and len(others) == 1:
            (other,) = others
            if other != names[i]:
                found.append(
                    Suspect(i, "stranger", f"its {_NEIGHBOURS} nearest of other recordings are all {other}")
                )
    return found
