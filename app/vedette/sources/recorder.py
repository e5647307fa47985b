"""The numbered pieces of a recorder, put in order and on one continuous clock."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from vedette.sources.probe import Probed

GOPRO: Final = re.compile(r"(G[HXLP])(\d\d)(\d{4})", re.IGNORECASE)
ROUNDING: Final = 2.0  # seconds: creation times are whole seconds, so shorter gaps are none


@dataclass(frozen=True, slots=True)
class Placed:
    """One piece and where it starts on the recording's clock, seconds."""

    piece: Probed
    offset: float


def order_pieces(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Numbered pieces in the order of their numbers: ``ch1_9.mp4`` before ``ch1_10.mp4``.

    Names are compared part by part, numbers by value. GoPro's names, which put the chapter before the
    recording (``GH020153.MP4`` is the second chapter of 0153), are known.
    """
    return sorted((Path(p) for p in paths), key=_place_in_order)


def _place_in_order(path: Path) -> tuple[str, list[tuple[int, str]], str]:
    chapter = GOPRO.fullmatch(path.stem)
    name = f"{chapter[1]}{chapter[3]}_{chapter[2]}" if chapter else path.stem.lower()
    parts = [(int(p), "") if p.isdecimal() else (-1, p) for p in re.findall(r"\d+|\D+", name)]
    return str(path.parent), parts, path.name


def place_pieces(pieces: Iterable[Probed]) -> tuple[list[Placed], list[str]]:
    """Where each piece starts, and what a person should know about that.

    A gap is kept where both creation times are known and lie further apart than the piece is long;
    otherwise pieces follow back to back (some recorders write one creation time into all of them).
    """
    placed: list[Placed] = []
    remarks: list[str] = []
    for piece in pieces:
        if not placed:
            placed.append(Placed(piece, 0.0))
            continue
        before = placed[-1]
        length = before.piece.info.duration or 0.0
        gap = 0.0
        if piece.created is not None and before.piece.created is not None:
            apart = (piece.created - before.piece.created) / timedelta(seconds=1)
            gap = apart - length if apart - length >= ROUNDING else 0.0
        if gap:
            remarks.append(f"{gap:.0f} s are missing before {piece.path.name}")
        if not before.piece.info.duration:
            remarks.append(f"{before.piece.path.name} does not say how long it is: what follows may be early")
        placed.append(Placed(piece, before.offset + length + gap))
    return placed, remarks
