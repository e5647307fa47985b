"""Analyses made by hand from small real media, for the tests of everything that reports them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.media import Sound, Video, clicks, write_media
from vedette.analysis import Analysis
from vedette_base.media import SourceInfo
from vedette_base.score import (
    AUDIO_LABELS,
    VISION_LABELS,
    Coverage,
    Kind,
    Level,
    Ranked,
    Reason,
    Score,
    Segment,
    Shot,
    ThreatEvent,
    WeaponTrack,
)

SHOT = 2.0  # s, when the click of the recording sounds
SECONDS = 4.0
SIZE = (160, 120)


def recording(path: Path, *, video: bool = True, sound: bool = True) -> Path:
    """Four seconds of a moving square with a click at two seconds."""
    return write_media(
        path,
        video=Video(seconds=SECONDS, width=SIZE[0], height=SIZE[1]) if video else None,
        sound=Sound(clicks([SHOT], SECONDS)) if sound else None,
    )


def make_event(
    rank: int = 1,
    *,
    start: float = 1.8,
    end: float = 2.6,
    kind: Kind = "armed_attack",
    level: Level = "critical",
    terms: tuple[float, ...] = (-6.0, 5.1, 3.4, 1.2),
) -> ThreatEvent:
    """An event whose reasons add up to its probability."""
    names = ("prior", "audio", "vision", "coincidence")
    texts = ("", "gunshot 0.95", "pistol 0.92 over 80 looks", "")
    reasons = tuple(Reason(n, t, x) for n, t, x in zip(names, terms, texts, strict=False))
    return ThreatEvent(
        id=f"event{rank:03d}",
        revision=2,
        state="final",
        kind=kind,
        level=level,
        probability=1 / (1 + math.exp(-sum(terms))),
        start=start,
        end=end,
        shots=(Shot(SHOT, 0.95),) if kind != "visible_weapon" else (),
        firearms=(Ranked("M16", 0.31), Ranked("M4", 0.3)) if kind != "visible_weapon" else (),
        tracks=(pistol(),) if kind != "gunshot" else (),
        reasons=reasons,
        rank=rank,
    )


def pistol(peak: float = 2.0) -> WeaponTrack:
    """A pistol seen through most of the recording, best at ``peak``."""
    return WeaponTrack(7, "pistol", 0.92, 0.2, 3.8, peak, (60.0, 50.0, 80.0, 64.0), looks=18)


def make_analysis(path: Path | None, *, name: str | None = None, sound: bool = True) -> Analysis:
    """An analysis of ``recording()``: one armed attack, and sound missing from 3 s on."""
    times = np.arange(0.5, SECONDS, 0.5)
    heard = np.zeros((times.size, len(AUDIO_LABELS)), np.float32)
    heard[:, -1] = np.where(np.abs(times - SHOT) < 1, 0.95, 0.02)
    looks = np.arange(0, SECONDS, 0.2)
    seen = np.zeros((looks.size, len(VISION_LABELS)), np.float32)
    seen[:, VISION_LABELS.index("pistol")] = 0.8
    info = SourceInfo(name or (path.name if path else "memory"), SECONDS, sound, True, SIZE, None, 25.0)
    return Analysis(
        source=info,
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest() if path else "",
        models={"audio": "gunshots 0.1.0", "vision": "weapons 0.1.0", "fusion": "first 0.1.0"},
        complete=True,
        events=(make_event(),),
        shots=(Shot(SHOT, 0.95),),
        tracks=(pistol(),),
        coverage=Coverage((Segment(0, 3),), (Segment(0, SECONDS),)),
        audio_scores=Score(times, heard, AUDIO_LABELS),
        vision_scores=Score(looks, seen, VISION_LABELS),
        warnings=("2 damaged packets skipped",),
        elapsed=1.5,
        duration=SECONDS,
    )


def recorded_at(analysis: Analysis, moment: str) -> Analysis:
    """The same analysis of a recording whose wall-clock time is known."""
    return replace(analysis, source=replace(analysis.source, recorded_at=moment))
