"""What `vedette classify` does: single sound clips and folders of them, each heard as it is read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from vedette.report.wording import one_line, percent
from vedette.sources import find_recordings, open_source
from vedette.sources.opening import audio_track, open_container
from vedette.sources.probe import PICTURE_ENDINGS
from vedette_audio.classify import Classification, GunshotClassifier
from vedette_base.bursts import UNKNOWN_FIREARM
from vedette_base.errors import MediaError, NoMediumError, OutputError, VedetteError
from vedette_base.media import AudioBlock
from vedette_base.score import FIREARMS, Ranked

RATES = (1_000, 768_000)
"""Hz that a header may say; what lies outside is a damaged header: a second of sound would last for hours."""
_RUNNERS_UP = 2


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip with what was heard, or why it could not be.

    Attributes:
        warnings: what went wrong without ending it: samples that are no numbers, damaged packets.
    """

    path: Path
    heard: Classification | None = None
    error: VedetteError | None = None
    warnings: tuple[str, ...] = ()


def clips_of(paths: Iterable[Path]) -> list[Path]:
    """The files among ``paths``, and the sound and video files beneath each folder.

    Raises:
        MediaError: a folder that holds none, or cannot be listed.
    """
    pictures = {f".{ending}" for ending in PICTURE_ENDINGS.split()}
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = [file for file in find_recordings(path) if file.suffix.lower() not in pictures]
        if not inside:
            raise MediaError(f"{path}: holds no sound clips", hint="name files, or another folder")
        found += inside
    return found


def classify_clips(classifier: GunshotClassifier, paths: Iterable[Path]) -> Iterator[Clip]:
    """Hear one clip after the other; one that cannot be heard says why and does not stop the others."""
    for path in paths:
        try:
            yield _classify(classifier, path)
        except VedetteError as error:
            yield Clip(path, error=error)


def _classify(classifier: GunshotClassifier, path: Path) -> Clip:
    _refuse_absurd_rate(path)
    with open_source(path, media=("audio",)) as source:
        if not source.info.audio:
            raise NoMediumError(f"{path}: holds no sound", hint="vedette detect looks at pictures")
        level = _Level()
        heard = classifier.hear(level.of(item for item in source if isinstance(item, AudioBlock)))
        warnings = source.warnings
    if not heard.observed or level.silent:
        why = f" ({'; '.join(warnings)})" if warnings else ""
        raise MediaError(
            f"{path}: its sound is digital silence{why}", hint="a dead microphone or a muted track"
        )
    return Clip(path, heard, warnings=warnings)


class _Level:
    """Whether the blocks that passed were digitally silent.

    To the scorer a silence under half a second is part of the sound around it; a clip may be just that.
    """

    def __init__(self) -> None:
        self.silent = True

    def of(self, blocks: Iterable[AudioBlock]) -> Iterator[AudioBlock]:
        for block in blocks:
            self.silent = self.silent and not block.samples.any()
            yield block


def _refuse_absurd_rate(path: Path) -> None:
    with open_container(path) as container:
        track = audio_track(container, 0, path)
        rate = track.rate if track is not None else None
    if rate is not None and not RATES[0] <= rate <= RATES[1]:
        raise MediaError(
            f"{path}: its header says {rate} samples per second, which no recorder makes",
            hint=f"correct the header: sound has {RATES[0]} to {RATES[1]} Hz",
        )


def as_line(clip: Clip) -> dict[str, object]:
    """One clip as plain values for a line of JSON."""
    if clip.heard is None:
        return {"path": str(clip.path), "error": str(clip.error)}
    types = {name: round(p, 4) for name, p in clip.heard.types.items()}
    return {"path": str(clip.path), "gunshot": round(clip.heard.gunshot, 4), "types": types}


class PredictionTable:
    """A CSV like a prediction table, written as clips come: ``path, gunshot``, types, ``best, family``.

    ``best`` and ``family`` are what it would be if it was a shot; ``gunshot`` says whether it was.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        self._row(("path", "gunshot", *FIREARMS, "best", "family"))

    def add(self, clip: Clip) -> None:
        """Write a clip that was heard."""
        if clip.heard is not None:
            values = (clip.heard.gunshot, *(clip.heard.types[name] for name in FIREARMS))
            best, family = clip.heard.firearms[0].label, clip.heard.families[0].label
            self._row((str(clip.path), *(f"{value:.6f}" for value in values), best, family))

    def __enter__(self) -> PredictionTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _row(self, cells: Sequence[str]) -> None:
        try:
            csv.writer(self._file).writerow(cells)
            self._file.flush()  # a long list that is interrupted leaves whole lines
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror or error}") from error


def clip_table(clips: Sequence[Clip]) -> Table:
    """Clips that were heard, as a table: how likely a shot, and of which firearm if it was one."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("clip", "shot", "firearm, if it was one", "family", "or else"):
        table.add_column(name, justify="right" if name == "shot" else "left", overflow="fold")
    for clip in clips:
        if clip.heard is None:
            continue
        best, *others = clip.heard.firearms
        family = clip.heard.families[0]
        cells = (
            one_line(str(clip.path)),
            percent(clip.heard.gunshot),
            _share(best),
            _share(family) if family.label != best.label else "",
            ", ".join(map(_share, others[:_RUNNERS_UP])),
        )
        table.add_row(*map(Text, cells))
    return table


def _share(ranked: Ranked) -> str:
    if ranked.label == UNKNOWN_FIREARM and ranked.probability == 1.0:
        return ranked.label
    return f"{ranked.label} {percent(ranked.probability)}"
