"""What a file gives away without being listened to: rate, channels, length and bandwidth by class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from vedette_audio.prepare.facts import Facts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClassFormat:
    """Formats of one class: shares of its clips, most common first, and the middle bandwidth."""

    name: str
    clips: int
    rates: tuple[tuple[int, float], ...]
    channels: tuple[tuple[str, float], ...]
    lengths: tuple[tuple[float, float], ...]
    bandwidth: float
    odd: tuple[str, ...]
    """What is rarer elsewhere: the cues by which a model may know the class without its sound."""


@dataclass(frozen=True, slots=True)
class Cues:
    """Formats of all classes, and how often format alone names the class.

    ``named`` is how often a clip has the class of another one drawn among those of its format (rate,
    channels, length, bandwidth in kHz), ``chance`` the same among all. Well above chance: a model can learn
    the file.
    """

    classes: tuple[ClassFormat, ...]
    named: float
    chance: float


def format_cues(names: Sequence[str], facts: Sequence[Facts], rates: Sequence[int]) -> Cues:
    """Cues of clips of the classes ``names``; ``rates``: their native rates in Hz."""
    formats = [_format(clip, rate) for clip, rate in zip(facts, rates, strict=True)]
    by_class: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        by_class[name].append(number)
    overall = [Counter(fmt[part] for fmt in formats) for part in range(3)]
    classes = []
    for name, members in sorted(by_class.items()):
        counts = [Counter(formats[i][part] for i in members) for part in range(3)]
        odd = tuple(
            f"{word} {value} in {own / len(members):.0%}, elsewhere {rest:.0%}"
            for part, word in enumerate(("rate", "channels", "length"))
            for value, own in counts[part].items()
            if len(by_class) > 1
            and (rest := (overall[part][value] - own) / max(1, len(names) - len(members)))
            < own / len(members) - 0.3
        )
        bands = sorted(facts[i].bandwidth for i in members)
        classes.append(
            ClassFormat(
                name,
                len(members),
                _shares(Counter(rates[i] for i in members)),
                _shares(counts[1]),
                _shares(Counter(round(facts[i].duration, 1) for i in members)),
                bands[len(bands) // 2],
                odd,
            )
        )
    keys = [(*fmt, round(clip.bandwidth / 1000)) for fmt, clip in zip(formats, facts, strict=True)]
    return Cues(tuple(classes), _guessed(names, keys), _guessed(names, [0] * len(names)))


def _format(clip: Facts, rate: int) -> tuple[str, str, str]:
    voices = (
        "mono"
        if clip.channels == 1
        else f"{clip.channels} (the same)"
        if clip.one_voice
        else f"{clip.channels}"
    )
    return f"{rate} Hz", voices, f"{clip.duration:.1f} s" if clip.duration < 10 else "10 s or more"


def _guessed(names: Sequence[str], keys: Sequence[object]) -> float:
    """How often a clip has the class of another one drawn among those of the same key; alone: among all."""
    both, same = Counter(zip(keys, names, strict=True)), Counter(keys)
    everywhere, count = Counter(names), max(1, len(names) - 1)
    right = 0.0
    for key, name in zip(keys, names, strict=True):
        others = same[key] - 1
        right += (both[key, name] - 1) / others if others else (everywhere[name] - 1) / count
    return right / len(names)


def _shares(counts: Counter[T]) -> tuple[tuple[T, float], ...]:
    total = counts.total()
    return tuple((value, round(count / total, 3)) for value, count in counts.most_common(4))
