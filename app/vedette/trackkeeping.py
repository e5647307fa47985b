"""Keeps the best look at everything that `vedette detect` follows, and writes what was confirmed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.detecting import Item, Sight
from vedette.recording import recording_hash
from vedette.report.files import replaced, write_manifest
from vedette.report.tracks import BestLook, write_track
from vedette.report.wording import printable
from vedette_base.errors import OutputError
from vedette_base.score import WEAPONS, WeaponTrack

FORGOTTEN = 10.0  # s after which a track that was not seen again is over; `tracker.max_gap` is shorter
ENDING = ".tracks"  # of the folder beside a video's drawn copy


@dataclass(slots=True)
class _Kept:
    track: WeaponTrack
    look: BestLook


class TrackKeeper:
    """Writes chip, snapshot and record of every confirmed track below ``folder``, a folder per video.

    A picture is coded the moment it is the best look at a track so far, and written when the track is over:
    what is held does not grow with the length of a video. Stills are passed over: they have no tracks.

    Args:
        model: name and version of the detector, for the records.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._folder, self._model = folder, model
        self._kept: dict[int, _Kept] = {}
        self._stack = ExitStack()
        self._work: Path | None = None
        self._source: dict[str, Any] = {}

    def add(self, sight: Sight) -> None:
        """Take in a picture. Raises OutputError where evidence cannot be written."""
        if sight.time is None:
            return
        for track in sight.tracks:
            if track.label not in WEAPONS:
                self._kept.pop(track.id, None)  # it turned out to be a look-alike
                continue
            known = self._kept.get(track.id)
            best = sight.looked and track.peak_time == sight.time
            if known is None or best or (sight.looked and known.track.label != track.label):
                self._kept[track.id] = _Kept(track, _coded(sight, track, sight.time))
            else:
                known.track = track
        for kept in [k for k in self._kept.values() if sight.time - k.track.end > FORGOTTEN]:
            self._write(sight.item, kept)

    def finish(self, item: Item) -> None:
        """An item was looked through, or as far as it can be: write what is left.

        Evidence of an earlier run of the same item goes. Raises OutputError: it cannot be written.
        """
        try:
            with self._stack:
                for kept in list(self._kept.values()):
                    self._write(item, kept)
                if self._work is None and self._target(item).is_dir():
                    self._open(item)
                if self._work is not None:
                    write_manifest(self._work, self._source, {"vision": self._model})
        finally:
            self._kept.clear()
            self._work, self._stack = None, ExitStack()

    def _target(self, item: Item) -> Path:
        return self._folder / item.place.with_name(f"{item.place.name}{ENDING}")

    def _open(self, item: Item) -> Path:
        if self._work is None:
            self._work = self._stack.enter_context(replaced(self._target(item)))
            digest = recording_hash((item.path,)) if item.path is not None else ""
            self._source = {"path": printable(item.name), "sha256": digest}
        return self._work

    def _write(self, item: Item, kept: _Kept) -> None:
        del self._kept[kept.track.id]
        if kept.track.confirmed:
            try:
                work = self._open(item)
                write_track(work, kept.track, kept.look, {"source": self._source, "model": self._model})
            except OSError as error:
                raise OutputError(f"{self._target(item)}: cannot be written: {error}") from error


def _coded(sight: Sight, track: WeaponTrack, time: float) -> BestLook:
    box = track.peak_box if track.peak_time == time else track.box or track.peak_box
    return BestLook.of(sight.frame.bgr(*sight.frame.size), box, track.label, time)
