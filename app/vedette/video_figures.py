"""False alarms per hour and weapons found, stage by stage, with the hours behind each figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from vedette.video_chain import DETECTOR, GATE, Alarm, StageFinds, Watched
from vedette.video_truth import Spans
from vedette_base.score import Segment, merge_segments
from vedette_base.statistics import rate_interval

MARGIN = 1.0
"""Seconds around a visible weapon that count for neither side: nobody labels to the picture."""
PAUSE = 2.0
"""Pictures with a box, at most this many seconds apart, are one alarm: what a guard would be called for."""


@dataclass(frozen=True, slots=True)
class StageFigures:
    """One stage over all recordings.

    Attributes:
        stage: its name.
        pictures: it looked at. false_pictures, false_boxes: outside the spans with weapons; None behind the
            tracker.
        alarms: outside those spans. hours: outside them. per_hour, low, high: with a 95 % Poisson interval;
            NaN without such hours.
        found: spans with a weapon in which it raised something, of ``spans``. delay: median seconds from the
            start of those to the first of it; NaN without any.
    """

    stage: str
    pictures: int
    false_pictures: int | None
    false_boxes: int | None
    alarms: int
    hours: float
    per_hour: float
    low: float
    high: float
    found: int
    spans: int
    delay: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values; None where there is no number."""
        return {k: plain(v) for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class GateFigures:
    """What the motion gate saves and what it costs.

    Attributes:
        sampled: pictures. skipped: of them.
        weapon_pictures: with a box inside a span with a weapon, every picture looked at. weapon_skipped: of
            them on skipped pictures: the boxes that the gate loses.
        false_pictures, false_skipped: the same outside such spans: the false boxes that it saves.
        confirmed, ungated: spans with a weapon in which a track was confirmed, with the gate and without.
        false_confirmed, false_ungated: tracks confirmed outside such spans, with the gate and without.
    """

    sampled: int
    skipped: int
    weapon_pictures: int
    weapon_skipped: int
    false_pictures: int
    false_skipped: int
    confirmed: int
    ungated: int
    false_confirmed: int
    false_ungated: int

    @property
    def share(self) -> float:
        """Of pictures that were skipped."""
        return self.skipped / self.sampled if self.sampled else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"skipped_share": plain(self.share), **asdict(self)}


def plain(value: Any) -> Any:
    """A number to four places, or None where it is none; anything else as it is."""
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None


def free(observed: Sequence[Segment], spans: Spans) -> tuple[Segment, ...]:
    """What was observed outside the spans with weapons and their margins."""
    left = []
    wide = _widened(spans)
    for seen in observed:
        start = seen.start
        for span in wide:
            if span.end <= start or span.start >= seen.end:
                continue
            if span.start > start:
                left.append(Segment(start, span.start))
            start = span.end
        if start < seen.end:
            left.append(Segment(start, seen.end))
    return tuple(left)


def stage_figures(watched: Sequence[Watched], spans: Sequence[Spans]) -> tuple[StageFigures, ...]:
    """Every stage, over all recordings; ``spans`` are those with a weapon, per recording."""
    if not watched:
        return ()
    return tuple(_stage(name, watched, spans) for name in watched[0].stages)


def gate_figures(watched: Sequence[Watched], spans: Sequence[Spans], confirmed: str) -> GateFigures:
    """The motion gate, over all recordings; ``confirmed`` names the stage of confirmed tracks."""
    total = [0] * 10
    for one, own in zip(watched, spans, strict=True):
        wide = _widened(own)
        boxes = [time for time, _ in one.stages[DETECTOR].boxes]
        inside = [t for t in boxes if _in(t, own)]
        outside = [t for t in boxes if not _in(t, wide)]
        gated = one.stages[confirmed].alarms
        counts = (
            one.sampled, len(one.skipped), len(inside), sum(t in one.skipped for t in inside),
            len(outside), sum(t in one.skipped for t in outside),
            len(_found(gated, own)), len(_found(one.ungated, own)),
            len(_false(gated, wide)), len(_false(one.ungated, wide)),
        )  # fmt: skip
        total = [a + b for a, b in zip(total, counts, strict=True)]
    return GateFigures(*total)


def false_alarms(stage: StageFinds, spans: Spans) -> tuple[Alarm, ...]:
    """What one stage raised outside the spans with weapons; pictures with boxes are joined over pauses."""
    wide = _widened(spans)
    return (*_episodes(t for t, _ in stage.boxes if not _in(t, wide)), *_false(stage.alarms, wide))


def _stage(name: str, watched: Sequence[Watched], spans: Sequence[Spans]) -> StageFigures:
    alarms, hours, found, pictures, boxes = 0, 0.0, list[float](), 0, 0
    for one, own in zip(watched, spans, strict=True):
        stage, wide = one.stages[name], _widened(own)
        alarms += len(false_alarms(stage, own))
        hours += sum(s.duration for s in free(one.observed, own)) / 3600
        outside = [count for time, count in stage.boxes if not _in(time, wide)]
        pictures, boxes = pictures + len(outside), boxes + sum(outside)
        raised = (*(Alarm(t, t) for t, _ in stage.boxes), *stage.alarms)
        found += _found(raised, own)
    low, high = rate_interval(alarms, hours) if hours > 0 else (math.nan, math.nan)
    single = name in (DETECTOR, GATE)
    return StageFigures(
        stage=name,
        pictures=sum(one.stages[name].pictures for one in watched),
        false_pictures=pictures if single else None,
        false_boxes=boxes if single else None,
        alarms=alarms,
        hours=hours,
        per_hour=alarms / hours if hours > 0 else math.nan,
        low=low,
        high=high,
        found=len(found),
        spans=sum(map(len, spans)),
        delay=median(found) if found else math.nan,
    )


def _widened(spans: Spans) -> Spans:
    return merge_segments([Segment(max(0.0, s.start - MARGIN), s.end + MARGIN) for s in spans])


def _in(time: float, spans: Spans) -> bool:
    return any(s.start <= time <= s.end for s in spans)


def _false(alarms: Iterable[Alarm], wide: Spans) -> list[Alarm]:
    """Alarms that touch no (widened) span: one that lasts into a weapon's stay is about that weapon."""
    return [a for a in alarms if all(a.end < s.start or a.time > s.end for s in wide)]


def _found(alarms: Iterable[Alarm], spans: Spans) -> list[float]:
    """Of each span in which something was raised, seconds from its start to the first of it."""
    known = list(alarms)
    found = []
    for span in spans:
        delays = [max(0.0, a.time - span.start) for a in known if a.time <= span.end and a.end >= span.start]
        found += [min(delays)] if delays else []
    return found


def _episodes(times: Iterable[float]) -> list[Alarm]:
    found: list[Alarm] = []
    for time in sorted(times):
        if found and time - found[-1].end <= PAUSE:
            found[-1] = Alarm(found[-1].time, time)
        else:
            found.append(Alarm(time, time))
    return found
