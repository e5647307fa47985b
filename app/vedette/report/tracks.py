"""The evidence of each weapon that was followed: a chip, a snapshot and a record, as files of their own.

The chip is what was recorded, cut from the full-size picture and not enlarged; the snapshot is the whole
picture with the box drawn on it; the record says in JSON what both show, of which recording, and when.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vedette.analysis import Analysis
from vedette.report.annotate import LONGEST_SIDE, draw_box, draw_label, drawing_scale
from vedette.report.evidence import Evidence, Still
from vedette.report.wording import clock, label_words, printable
from vedette_base.errors import VedetteError
from vedette_base.media import Pixels
from vedette_base.score import Box, WeaponTrack

FOLDER = "tracks"
MARGIN = 0.5  # of the box's longer side, on each side of a chip
LEAST_MARGIN = 8.0  # pixels
CHIP_QUALITY, SNAPSHOT_QUALITY = 95, 88  # of JPEG
SCHEMA = 1

Cut = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class TrackFiles:
    """Names of a track's files, relative to the results; pictures are None where there are none."""

    record: str
    chip: str | None = None
    snapshot: str | None = None


def chip(pixels: Pixels, box: Box) -> tuple[Pixels, Cut]:
    """The thing in a box with what is around it, and where that lies in ``pixels`` (x1, y1, x2, y2).

    A box that lies outside the picture gives its nearest pixel.
    """
    height, width = pixels.shape[:2]
    margin = max(LEAST_MARGIN, MARGIN * max(box[2] - box[0], box[3] - box[1]))
    x1, y1 = (
        int(min(max(0.0, v - margin), limit - 1)) for v, limit in zip(box[:2], (width, height), strict=True)
    )
    x2, y2 = (int(np.clip(np.ceil(v + margin), low + 1, limit))
              for v, low, limit in zip(box[2:], (x1, y1), (width, height), strict=True))  # fmt: skip
    return pixels[y1:y2, x1:x2], (x1, y1, x2, y2)


def snapshot(pixels: Pixels, box: Box, name: str, time: float | None) -> Pixels:
    """The whole picture with a box and its name, at most ``LONGEST_SIDE`` pixels long; a copy."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, LONGEST_SIDE / max(width, height))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    drawn = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    drawn = drawn.copy() if shrink == 1.0 else drawn  # OpenCV may hand back what it was given
    scale = drawing_scale(size)
    draw_box(drawn, tuple(v * shrink for v in box), name, scale)
    if time is not None:
        draw_label(drawn, clock(time, decimals=2), (8, 8), (30, 26, 22), scale)
    return drawn


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """Coded as JPEG."""
    return bytes(cv2.imencode(".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


@dataclass(frozen=True, slots=True)
class BestLook:
    """The best look at a track, coded: kept instead of its pixels.

    Attributes:
        time: seconds. box: in pixels of the full-size picture of ``frame`` (width, height).
        chip, snapshot: JPEGs. cut: where the chip lies in the full-size picture.
    """

    time: float
    box: Box
    frame: tuple[int, int]
    chip: bytes
    cut: Cut
    snapshot: bytes

    @classmethod
    def of(cls, pixels: Pixels, box: Box, label: str, time: float) -> BestLook:
        """Code what a full-size picture shows."""
        cut, place = chip(pixels, box)
        drawn = snapshot(pixels, box, label_words(label), time)
        size = pixels.shape[1], pixels.shape[0]
        return cls(time, box, size, jpeg(cut, CHIP_QUALITY), place, jpeg(drawn, SNAPSHOT_QUALITY))


def write_track(
    folder: Path, track: WeaponTrack, look: BestLook | None, about: Mapping[str, Any], *, inside: str = ""
) -> TrackFiles:
    """Write the files of one track into ``folder``.

    Args:
        look: its pictures; None leaves only the record.
        about: what else the record says: ``source``, ``model``, ``events`` ...
        inside: prefix of the names that are given back.

    Raises:
        OSError: a file cannot be written.
    """
    name = f"{track.id:04d}-{track.label}"
    record: dict[str, Any] = {
        "schema": SCHEMA,
        **about,
        "track": track.id,
        "label": track.label,
        "probability": round(float(track.probability), 4),
        "start": round(float(track.start), 3),
        "end": round(float(track.end), 3),
        "looks": track.looks,
        "time": round(float(look.time if look else track.peak_time), 3),
        "box": [round(float(v), 1) for v in (look.box if look else track.peak_box)],
        "chip": None,
        "snapshot": None,
    }
    if look is not None:
        record["frame"] = list(look.frame)
        record["chip"] = {"file": f"{name}-chip.jpg", "box": list(look.cut)}
        record["snapshot"] = {"file": f"{name}-snapshot.jpg"}
        (folder / f"{name}-chip.jpg").write_bytes(look.chip)
        (folder / f"{name}-snapshot.jpg").write_bytes(look.snapshot)
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8", errors="backslashreplace")
    if look is None:
        return TrackFiles(f"{inside}{name}.json")
    return TrackFiles(f"{inside}{name}.json", f"{inside}{name}-chip.jpg", f"{inside}{name}-snapshot.jpg")


def write_tracks(
    analysis: Analysis, evidence: Evidence | None, folder: Path, *, pictures: bool = True
) -> dict[int, TrackFiles]:
    """Write the evidence of every confirmed track of an analysis into ``folder/tracks``.

    Args:
        evidence: opens the recording again; None, or one that cannot be read any more, leaves the records.
        pictures: False for who is in a hurry.

    Returns:
        The files of each track, by its number. Memory does not grow with their number.

    Raises:
        OSError: a file cannot be written.
    """
    tracks = sorted(analysis.tracks, key=lambda t: t.peak_time)
    if not tracks:
        return {}
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    written: dict[int, TrackFiles] = {}
    with closing(_stills(tracks, evidence if pictures else None)) as stills:
        for track in tracks:
            still = next(stills)
            look = None
            if still is not None:
                look = BestLook.of(still.pixels, track.peak_box, track.label, still.time)
            about = _about(analysis, track, look.time if look else track.peak_time)
            written[track.id] = write_track(target, track, look, about, inside=f"{FOLDER}/")
    return written


def _stills(tracks: Sequence[WeaponTrack], evidence: Evidence | None) -> Generator[Still | None]:
    """The picture of each track's best look; None from where the recording cannot be read any more."""
    if evidence is not None:
        with suppress(VedetteError):  # it is gone or was exchanged: the page says so
            yield from evidence.stills([track.peak_time for track in tracks])
    while True:
        yield None


def _about(analysis: Analysis, track: WeaponTrack, time: float) -> dict[str, Any]:
    moment = analysis.wall_clock(time)
    return {
        "source": {
            "path": printable(analysis.source.name),
            "sha256": analysis.sha256,
            "recorded_at": analysis.source.recorded_at,
        },
        "model": analysis.models.get("vision"),
        "events": [e.id for e in analysis.standing if any(t.id == track.id for t in e.tracks)],
        "wall_time": moment.isoformat() if moment is not None else None,
    }


def links(files: TrackFiles | None) -> str:
    """Links to a track's files for the page, or nothing; names are ours and need no escaping."""
    if files is None:
        return ""
    named: Sequence[tuple[str | None, str]] = (
        (files.chip, "chip"), (files.snapshot, "snapshot"), (files.record, "record"),
    )  # fmt: skip
    return ", ".join(f'<a href="{name}">{word}</a>' for name, word in named if name is not None)
