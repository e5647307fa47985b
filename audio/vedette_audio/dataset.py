"""The sound data set: its manifest, its twins, and all its clips decoded once into one memory-mapped file."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vedette_base.errors import DataError
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import AUDIO_LABELS, FIREARMS, GUNSHOT

Floats = npt.NDArray[np.float32]
_COLUMNS = ("path", "source", "label", "fine", "group", "split")


@dataclass(frozen=True, slots=True)
class Clip:
    """One line of a manifest. ``types`` are the firearm names it answers to; empty: unknown or no shot."""

    path: str
    source: str
    shot: bool
    fine: str
    group: str
    split: str
    flag: str = ""
    types: tuple[str, ...] = ()

    @property
    def targets(self) -> Floats:
        """One 0 or 1 per AUDIO_LABELS."""
        on = {*self.types, GUNSHOT} if self.shot else set()
        return np.array([label in on for label in AUDIO_LABELS], np.float32)

    @property
    def mask(self) -> Floats:
        """1 where ``targets`` is known: a shot of an unknown firearm says nothing about types."""
        known = not self.shot or bool(self.types)
        return np.array([known or label == GUNSHOT for label in AUDIO_LABELS], np.float32)


def read_manifest(path: str | Path) -> tuple[Clip, ...]:
    """All clips of a ``manifest.csv``.

    Raises:
        DataError: no such file, a missing column, a clip on both sides of the split.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}", hint="give the manifest.csv of a data set"
        ) from error
    missing = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}")
    sides: dict[str, set[str]] = defaultdict(set)
    clips = []
    for row in rows:
        sides[row["group"]].add(row["split"])
        shot = row["label"] == GUNSHOT
        types = (row["fine"],) if shot and row["fine"] in FIREARMS else ()
        clips.append(
            Clip(
                row["path"],
                row["source"],
                shot,
                row["fine"],
                row["group"],
                row["split"],
                row.get("flag", ""),
                types,
            )
        )
    both = sorted(name for name, splits in sides.items() if len(splits) > 1)
    if both:
        raise DataError(f"{path}: {len(both)} recordings are on both sides of the split, first {both[0]}")
    return tuple(clips)


class SoundCache:
    """Every clip at 48 kHz mono int16, in one memory-mapped file; built once, reused by name of manifest."""

    def __init__(self, folder: Path, spans: dict[str, tuple[int, int]]) -> None:
        self._spans = spans
        self._samples = np.memmap(folder / "sounds.i16", np.int16, "r")

    @classmethod
    def open(cls, root: str | Path, clips: Sequence[Clip], folder: str | Path) -> SoundCache:
        """Decode ``clips`` under ``root`` into ``folder`` unless it holds them already.

        Raises:
            DataError: a clip that cannot be decoded.
        """
        folder = Path(folder)
        index = folder / "index.json"
        if index.is_file():
            spans = {k: (v[0], v[1]) for k, v in json.loads(index.read_text()).items()}
            if all(clip.path in spans for clip in clips):
                return cls(folder, spans)
        folder.mkdir(parents=True, exist_ok=True)
        spans, start = {}, 0
        with (folder / "sounds.i16.part").open("wb") as file:
            for clip in clips:
                begin = start
                for sound in decoded(Path(root) / clip.path):
                    file.write(np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes())
                    start += sound.size
                spans[clip.path] = (begin, start)
        os.replace(folder / "sounds.i16.part", folder / "sounds.i16")
        index.write_text(json.dumps(spans))
        return cls(folder, spans)

    def pcm(self, clip: Clip) -> npt.NDArray[np.int16]:
        """The stored samples of a clip, not copied."""
        start, end = self._spans[clip.path]
        return self._samples[start:end]

    def digest(self, clip: Clip) -> str:
        """SHA-256 of a clip's samples, hexadecimal: equal for the very same sound."""
        return hashlib.sha256(self.pcm(clip).data).hexdigest()

    def sound(self, clip: Clip, start: int = 0, length: int | None = None) -> Floats:
        """Samples of a clip as float32 in -1..1, from ``start``; shorter where the clip ends."""
        part = self.pcm(clip)[start : None if length is None else start + length]
        return part.astype(np.float32) / 32768.0

    def blocks(self, clip: Clip, length: int = 60 * SAMPLE_RATE) -> Iterator[Floats]:
        """The samples of a clip in blocks of ``length``: a clip of hours does not have to be in memory."""
        for start in range(0, self.pcm(clip).size, length):
            yield self.sound(clip, start, length)


def decode(path: Path, seconds: float | None = None) -> Floats:
    """A sound file at 48 kHz mono, float32, or its first ``seconds``; errors as ``decoded``."""
    parts, count = [], 0
    for part in decoded(path):
        parts.append(part)
        count += part.size
        if seconds is not None and count >= seconds * SAMPLE_RATE:
            break
    sound = np.concatenate(parts)
    return sound if seconds is None else sound[: round(seconds * SAMPLE_RATE)]


def decoded(path: Path) -> Iterator[Floats]:
    """The same as it is decoded, in the pieces of its codec: memory does not grow with its length.

    Raises:
        DataError: it cannot be decoded, holds no sound, or samples that are not numbers.
    """
    import av

    some = False
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
            for frame in itertools.chain(container.decode(audio=0), (None,)):
                for part in resampler.resample(frame):
                    sound = part.to_ndarray()[0].astype(np.float32)
                    if not np.isfinite(sound).all():
                        raise DataError(f"{path}: holds samples that are not numbers")
                    some = True
                    yield sound
    except (av.FFmpegError, IndexError) as error:
        raise DataError(f"{path}: cannot be decoded: {error}") from error
    if not some:
        raise DataError(f"{path}: holds no sound")


def twin_types(clips: Sequence[Clip], cache: SoundCache) -> tuple[frozenset[str], ...]:
    """Sets of firearm names that share sample-identical clips (M4 and M16 of the public set)."""
    names: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.types:
            names[cache.digest(clip)].update(clip.types)
    return tuple(sorted({frozenset(found) for found in names.values() if len(found) > 1}, key=sorted))


def share_targets(clips: Sequence[Clip], twins: Sequence[frozenset[str]]) -> tuple[Clip, ...]:
    """Give every clip of a twin name all names of its twins: one recording, one set of targets."""
    by_name = {name: tuple(sorted(group)) for group in twins for name in group}
    return tuple(
        replace(clip, types=by_name.get(clip.types[0], clip.types)) if clip.types else clip for clip in clips
    )


def without_doubles(clips: Sequence[Clip], cache: SoundCache) -> tuple[Clip, ...]:
    """Every sound once: of sample-identical clips the first stays."""
    seen: set[str] = set()
    kept = []
    for clip in clips:
        digest = cache.digest(clip)
        if digest not in seen:
            seen.add(digest)
            kept.append(clip)
    return tuple(kept)


def distinct_sounds(
    clips: Sequence[Clip], cache: SoundCache, *, merge_twins: bool = True
) -> tuple[Clip, ...]:
    """Every sound once; with ``merge_twins`` under all the firearm names that its twins go by."""
    if merge_twins:
        clips = share_targets(clips, twin_types(clips, cache))
    return without_doubles(clips, cache)


def shot_peaks(sound: Floats, *, block: int = 480) -> npt.NDArray[np.int64]:
    """Samples of the loudest impulses (10 ms energy within 6 dB of the greatest, 50 ms apart)."""
    if sound.size < block:
        return np.zeros(1, np.int64)
    sharp = np.diff(sound, prepend=sound[:1])  # a plain high-pass: wind and hum do not outshout a shot
    energy = np.square(sharp[: sound.size // block * block]).reshape(-1, block).sum(axis=1)
    top = np.array([energy[max(0, i - 5) : i + 6].max() for i in range(energy.size)])
    peaks = np.flatnonzero((energy == top) & (energy >= 0.25 * energy.max()))
    return (peaks if peaks.size else np.zeros(1, np.int64)) * block
