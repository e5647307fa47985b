"""Draws the recording's timeline: events, what was heard, what was seen, and what could not be observed.

Curves are SVG stretched over the width; spans, ticks and gaps are boxes placed in percent, so they stay
sharp and their hatching regular at any zoom. The drawing stands without its script, which only adds zoom and
read-out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from vedette.analysis import Analysis
from vedette.report.wording import KIND_WORDS, SENSE_WORDS, clock, label_words, percent, printable
from vedette_base.score import GUNSHOT, Medium, Score, Segment, ThreatEvent, WeaponTrack

BINS = 4000
"""Points of a curve at most: five per pixel of a wide screen, so zooming into hours still shows something."""
BEST_TYPE = "likeliest firearm type"
NEVER = 0.01  # curves that stay below this are left out, and the legend says so
SHOWN_TICKS = 2000  # shots drawn at most
ROWS = 4  # rows of event spans before they overlap

_Curve = list[tuple[float, float, float]]  # time, lowest, highest


def timeline(analysis: Analysis) -> str:
    """The timeline section's HTML."""
    span = max(analysis.duration, 1e-3)
    return (
        f'<div class="tl" data-duration="{span:.3f}"><div class="tl-scroll" tabindex="0" role="region" '
        'aria-label="Timeline of the recording; scroll sideways when zoomed"><div class="tl-inner">'
        f"{_axis(span)}{_events(analysis.standing, span)}"
        f"{_lane(analysis, 'audio', span)}{_lane(analysis, 'vision', span)}"
        '<div class="tl-cursor" hidden></div></div></div>'
        '<p class="tl-readout" aria-live="off"></p></div>'
        f'<script type="application/json" id="curves">{_data(analysis, span)}</script>'
    )


def envelope(
    times: npt.NDArray[np.float64], values: npt.NDArray[np.float32], start: float, end: float, bins: int
) -> _Curve:
    """A curve reduced to at most ``bins`` points of lowest and highest value; nothing is averaged away.

    Args:
        times, values: shape ``(n,)``, times ascending, within ``start`` to ``end``.
        bins: number of equal parts of ``start`` to ``end``; parts without a value give no point.

    Returns:
        ``(time, lowest, highest)`` per part; the entries themselves when there are no more than ``bins``.
    """
    if times.size <= bins:
        return [(float(t), float(v), float(v)) for t, v in zip(times, values, strict=True)]
    width = (end - start) / bins
    part = np.clip(((times - start) / width).astype(int), 0, bins - 1)
    first = np.flatnonzero(np.diff(part, prepend=-1))
    lowest, highest = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    centres = start + (part[first] + 0.5) * width
    return [(float(t), float(a), float(b)) for t, a, b in zip(centres, lowest, highest, strict=True)]


def tick_step(span: float, ticks: int = 8) -> float:
    """A round step in seconds that gives about ``ticks`` labels over ``span``."""
    steps = (
        0.1,
        0.2,
        0.5,
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        3600,
        7200,
        14400,
        43200,
        86400,
    )
    return next((step for step in steps if span / step <= ticks), float(steps[-1]))


def _axis(span: float) -> str:
    step = tick_step(span)
    marks = "".join(
        f'<span style="left:{_share(i * step, span)}">{clock(i * step, decimals=int(step < 1))}</span>'
        for i in range(int(span * 0.94 / step) + 1)  # a later one's text would be cut off
    )
    return f'<div class="tl-axis" aria-hidden="true">{marks}</div>'


def _events(events: Sequence[ThreatEvent], span: float) -> str:
    if not events:
        return '<div class="tl-name">Events</div><div class="tl-events empty">none</div>'
    rows: list[float] = []  # where each row is free again
    parts = []
    for event in sorted(events, key=lambda e: e.start):
        row = next((i for i, free in enumerate(rows) if free <= event.start), None)
        if row is None:
            row = min(len(rows), ROWS - 1)
            rows.extend([0.0] * (row + 1 - len(rows)))
        rows[row] = max(event.end, event.start + span * 0.02)
        title = f"#{event.rank} {KIND_WORDS[event.kind]}, {event.level}, {percent(event.probability)}, "
        title += f"{clock(event.start)} to {clock(event.end)}"
        parts.append(
            f'<a class="ev {event.level}" href="#event-{event.rank}" title="{title}" aria-label="{title}" '
            f'style="left:min({_share(event.start, span)},100% - 26px);'
            f"width:{_share(event.end - event.start, span)};"
            f'top:{row * 26 + 2}px">{event.rank}</a>'
        )
    height = len(rows) * 26 + 2
    return (
        '<div class="tl-name">Events <span>numbered by rank</span></div>'
        f'<div class="tl-events" style="height:{height}px">{"".join(parts)}</div>'
    )


def _lane(analysis: Analysis, medium: Medium, span: float) -> str:
    scores = analysis.audio_scores if medium == "audio" else analysis.vision_scores
    observed = analysis.coverage.of(medium)
    gaps = "".join(
        f'<div class="gap" style="left:{_share(gap.start, span)};width:{_share(gap.duration, span)}">'
        "<span>not observed</span></div>"
        for gap in analysis.not_observed(medium, at_least=min(0.5, span / 400))
    )
    curves, legend = _curves(scores, medium, observed, span)
    marks = _shots(analysis, span) if medium == "audio" else _tracks(analysis.tracks, span)
    title = {
        "audio": "<b>Sound</b> probability of a gunshot",
        "vision": "<b>Picture</b> probability of a weapon",
    }[medium]
    return (
        f'<div class="tl-name">{title} {legend}</div><div class="lane {medium}">'
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{SENSE_WORDS[medium]} scores over time">'
        f'<path class="mid" d="M0 50H1000"/>{curves}</svg>'
        f"{gaps}{marks}</div>"
    )


def _curves(scores: Score, medium: Medium, observed: Sequence[Segment], span: float) -> tuple[str, str]:
    """Curves of a lane, the strongest last so that it lies on top, and their legend."""
    drawn, keys, quiet = [], [], []
    for label, values in _shown(scores, medium):
        if values.size == 0 or float(values.max()) < NEVER:
            quiet.append(label_words(label))
            continue
        name = "types" if label == BEST_TYPE else label
        pieces = list(_pieces(scores.times, values, observed, span))
        if label == GUNSHOT:
            drawn.append("".join(f'<path class="area {name}" d="{_area(piece, span)}"/>' for piece in pieces))
        for piece in pieces:
            band = "" if label == GUNSHOT else _band(piece, span)
            drawn.append(f'<path class="band {name}" d="{band}"/>' if band else "")
            drawn.append(f'<path class="line {name}" d="{_line(piece, span)}"/>')
        keys.append(f'<span class="key {name}">{escape(label_words(label))}</span>')
    if quiet and len(scores):
        keys.append(f'<span class="quiet">never above 1 %: {escape(", ".join(quiet))}</span>')
    return "".join(drawn), "".join(keys)


def _shown(scores: Score, medium: Medium) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """What a lane draws: every picture class; of sound the shot and the best of the firearm types."""
    if medium == "vision":
        for label in sorted(scores.labels, key=lambda name: name != "no_weapon"):
            yield label, scores.column(label)
        return
    types = [label for label in scores.labels if label != GUNSHOT]
    if types:
        yield BEST_TYPE, np.max([scores.column(label) for label in types], axis=0).astype(np.float32)
    if GUNSHOT in scores.labels:
        yield GUNSHOT, scores.column(GUNSHOT)


def _pieces(
    times: npt.NDArray[np.float64],
    values: npt.NDArray[np.float32],
    observed: Sequence[Segment],
    span: float,
) -> Iterator[_Curve]:
    """The curve in unbroken pieces: a line across a gap would say that something was seen there."""
    for seen in observed:
        first, last = np.searchsorted(times, (seen.start - 1e-6, seen.end + 1e-6))
        if last > first:
            bins = max(2, math.ceil(BINS * seen.duration / span))
            yield envelope(times[first:last], values[first:last], seen.start, seen.end, bins)


def _line(piece: _Curve, span: float) -> str:
    points = [_point(time, highest, span) for time, _, highest in piece]
    if len(points) == 1:  # a lone look is a short dash, not an invisible dot
        return f"M{points[0]}h1"
    return "M" + "L".join(points)


def _band(piece: _Curve, span: float) -> str:
    """Between highest and lowest values, where a point stands for several."""
    if all(highest - lowest < 0.02 for _, lowest, highest in piece):
        return ""
    top = [_point(time, highest, span) for time, _, highest in piece]
    bottom = [_point(time, lowest, span) for time, lowest, _ in reversed(piece)]
    return f"M{'L'.join(top + bottom)}Z"


def _area(piece: _Curve, span: float) -> str:
    top = "L".join(_point(time, highest, span) for time, _, highest in piece)
    return f"M{_point(piece[0][0], 0, span)}L{top}L{_point(piece[-1][0], 0, span)}Z"


def _point(time: float, value: float, span: float) -> str:
    return f"{time / span * 1000:.2f} {100 - value * 100:.1f}"


def _shots(analysis: Analysis, span: float) -> str:
    shots = sorted(analysis.shots, key=lambda shot: -shot.probability)[:SHOWN_TICKS]
    return "".join(
        f'<i class="shot" style="left:{_share(shot.time, span)}" '
        f'title="shot at {clock(shot.time, decimals=2)}, {percent(shot.probability)}"></i>'
        for shot in shots
    )


def _tracks(tracks: Sequence[WeaponTrack], span: float) -> str:
    best = sorted(tracks, key=lambda track: -track.probability)[:SHOWN_TICKS]
    return "".join(
        f'<i class="track {escape(track.label)}" style="left:{_share(track.start, span)};'
        f'width:{_share(track.end - track.start, span)}" title="{escape(label_words(track.label))} '
        f'{percent(track.probability)}, {clock(track.start)} to {clock(track.end)}"></i>'
        for track in best
    )


def _data(analysis: Analysis, span: float) -> str:
    """What the read-out under the cursor says: highest value of each curve per part, -1 without one."""
    parts = min(BINS, max(50, math.ceil(span * 10)))
    lanes = []
    for medium in ("audio", "vision"):
        scores = analysis.audio_scores if medium == "audio" else analysis.vision_scores
        curves = {
            label_words(label): _binned(scores.times, values, span, parts)
            for label, values in _shown(scores, medium)
            if values.size and float(values.max()) >= NEVER
        }
        gaps = [[g.start, g.end] for g in analysis.not_observed(medium, at_least=min(0.5, span / 400))]
        lanes.append({"name": SENSE_WORDS[medium], "curves": curves, "gaps": gaps})
    text = json.dumps({"parts": parts, "lanes": lanes, "start": printable(analysis.source.recorded_at or "")})
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def _binned(
    times: npt.NDArray[np.float64], values: npt.NDArray[np.float32], span: float, parts: int
) -> list[int]:
    part = np.clip((times / span * parts).astype(int), 0, parts - 1)
    highest = np.full(parts, -1.0)
    np.maximum.at(highest, part, values)
    return [int(value) for value in np.round(np.where(highest < 0, -1, highest * 100))]


def _share(seconds: float, span: float) -> str:
    return f"{min(1.0, max(0.0, seconds / span)) * 100:.4f}%"
