"""The clips a training learns from and is measured on, checked before anything slow begins."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette_audio.dataset import Clip, SoundCache, read_manifest, share_targets, twin_types, without_doubles
from vedette_audio.prepare.manifest import read_entries
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import DataError, OutputError, VedetteError
from vedette_base.score import FIREARMS
from vedette_base.splits import joined

_SIDES = ("train", "val")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Collection:
    """All clips of a manifest, every sound once, with their samples.

    ``recordings`` gives each group the recording it belongs to: groups that share a sound are one.
    """

    clips: tuple[Clip, ...]
    sounds: SoundCache
    recordings: dict[str, str]

    def split(self) -> TrainingData:
        """The manifest's own split."""
        training, held = ([c for c in self.clips if c.split == side] for side in _SIDES)
        return TrainingData(tuple(training), tuple(held), self.sounds, chooses=bool(held))


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What one training learns from, and what it is measured on meanwhile.

    ``chooses``: the score on ``held`` decides which weights are kept, and when to stop; without, the last
    weights are kept, and figures on ``held`` are those of clips that nothing was chosen by.
    """

    training: tuple[Clip, ...]
    held: tuple[Clip, ...]
    sounds: SoundCache
    chooses: bool = True

    @property
    def identity(self) -> dict[str, str]:
        """What a checkpoint remembers of its data."""
        lines = sorted(f"{clip.path} {clip.fine} {clip.types}" for clip in self.training)
        return {"training clips": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def collect(
    config: AudioTrainConfig, manifest: Path, cache: Path, *, tell: Tell = lambda line: None
) -> Collection:
    """Read and check a manifest, and decode its sounds into ``cache`` unless they are there.

    ``tell`` gets what is worth knowing and does not stop a training.

    Raises:
        DataError: no clips, missing or unreadable files, unknown labels, splits or firearms, sound without
            shots or nothing but shots. OutputError: no room for the decoded sound.
    """
    clips = check(manifest)
    sides = _SIDES if config.folds else _SIDES[:1]
    shots = {clip.shot for clip in clips if clip.split in sides}
    if len(shots) < 2:
        raise DataError(
            f"{manifest}: training needs clips with and without shots",
            hint=f"label gunshot and other, split {' or '.join(sides)}",
        )
    try:
        sounds = SoundCache.open(manifest.parent, clips, cache)
    except VedetteError:
        raise
    except OSError as error:
        raise OutputError(
            f"{cache}: decoded sound cannot be kept: {error.strerror or error}",
            hint="it takes 6 MB per minute; name another folder with --cache",
        ) from error
    if config.merge_twins:
        clips = share_targets(clips, twin_types(clips, sounds))
    recordings = _recordings(clips, sounds)
    for name in _alone(clips, recordings):
        tell(f"{name} has one recording: it cannot be split, so how well it is recognised stays unknown")
    return Collection(without_doubles(clips, sounds), sounds, recordings)


def check(manifest: Path) -> tuple[Clip, ...]:
    """The clips of a manifest, refused in one line where it cannot be trained on. Reads no sound."""
    try:
        lines = manifest.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(
            f"{manifest}: {error.strerror or error}", hint="give the manifest.csv of a data set"
        ) from error
    if not any(line.strip() for line in lines[1:]):
        raise DataError(f"{manifest}: lists no clips", hint="make one with vedette data prepare")
    read_entries(manifest)
    clips = read_manifest(manifest)
    for clip in clips:
        known = _nearly(clip)
        if known is not None:
            raise DataError(
                f"{manifest}: {clip.path}: {clip.fine!r} is not in the class list", hint=f"spell it {known!r}"
            )
    return clips


def _nearly(clip: Clip) -> str | None:
    """The firearm that a shot's fine class means and does not spell."""
    if not clip.shot or clip.types:
        return None
    plain = _letters(clip.fine)
    return next((name for name in FIREARMS if plain and _letters(name) == plain), None)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def stratum(clip: Clip) -> str:
    """What is spread evenly over folds: the firearm, the source of shots of unknown ones, or the sound."""
    if clip.types:
        return "/".join(clip.types)
    return f"shots of {clip.source}" if clip.shot else clip.fine


def _recordings(clips: Sequence[Clip], sounds: SoundCache) -> dict[str, str]:
    first: dict[str, str] = {}
    same = [(first.setdefault(sounds.digest(clip), clip.group), clip.group) for clip in clips]
    return joined((clip.group for clip in clips), same)


def _alone(clips: Sequence[Clip], recordings: dict[str, str]) -> list[str]:
    """Firearms of which there is a single recording."""
    found: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.types:
            found[stratum(clip)].add(recordings[clip.group])
    return sorted(name for name, groups in found.items() if len(groups) == 1)
