"""A manifest in figures: classes, split, lengths, bandwidths, and one clip per class to look at."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette_audio.dataset import decode
from vedette_audio.prepare.facts import bandwidth
from vedette_audio.prepare.layouts import Entry
from vedette_audio.prepare.listen import listen
from vedette_audio.prepare.manifest import read_entries

Floats = npt.NDArray[np.float32]

PICTURE_S = 4.0
"""Seconds of an example that are shown."""
_PROBED = 40  # clips of a class whose length and bandwidth are measured: enough for a histogram


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """One class of one source.

    Attributes:
        source, fine, label: as in the manifest.
        train, val: clips; ``train_groups``, ``val_groups``: recordings.
        flagged: clips with a remark.
        durations: seconds, of up to 40 clips; ``bandwidths``: Hz, of the same.
        examples: up to two paths, of different recordings where there are two.
    """

    source: str
    fine: str
    label: str
    train: int
    val: int
    train_groups: int
    val_groups: int
    flagged: int
    durations: tuple[float, ...]
    bandwidths: tuple[float, ...]
    examples: tuple[str, ...]

    @property
    def clips(self) -> int:
        """All clips of the class."""
        return self.train + self.val


def summarise(manifest: Path, *, probed: int = _PROBED) -> tuple[ClassSummary, ...]:
    """Figures of every class of every source, ordered by source and class.

    Raises:
        DataError: the manifest or a file cannot be read.
    """
    by_class: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in read_entries(manifest):
        by_class[entry.source, entry.fine, entry.label].append(entry)
    return tuple(_summary(manifest.parent, key, entries, probed) for key, entries in sorted(by_class.items()))


def example_sound(manifest: Path, path: str) -> Floats:
    """The first seconds of a clip at 48 kHz mono. Raises DataError."""

    return decode(manifest.parent / path, PICTURE_S)


def _summary(root: Path, key: tuple[str, str, str], entries: Sequence[Entry], probed: int) -> ClassSummary:
    source, fine, label = key
    shuffled = sorted(entries, key=lambda entry: hashlib.sha256(entry.path.encode()).digest())
    sounds = [sound for entry in shuffled[:probed] if not (sound := listen(root / entry.path)).fault]
    clips = Counter(entry.split for entry in entries)
    groups = Counter(split for split, _ in {(entry.split, entry.group) for entry in entries})
    first: dict[str, str] = {}
    for entry in sorted(shuffled, key=lambda entry: bool(entry.flag)):
        first.setdefault(entry.group, entry.path)
    others = [entry.path for entry in shuffled if entry.path not in first.values()]
    return ClassSummary(
        source=source,
        fine=fine,
        label=label,
        train=clips["train"],
        val=clips["val"],
        train_groups=groups["train"],
        val_groups=groups["val"],
        flagged=sum(bool(entry.flag) for entry in entries),
        durations=tuple(round(sound.duration, 3) for sound in sounds),
        bandwidths=tuple(bandwidth(sound.samples, sound.rate) for sound in sounds),
        examples=tuple([*first.values(), *others][:2]),
    )
