"""Events as tables for other programs: CSV, Audacity labels, Raven selections."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from vedette.analysis import Analysis
from vedette.report.wording import KIND_WORDS, SENSE_WORDS, clock, label_words, percent, printable
from vedette_base.score import ThreatEvent

CSV_COLUMNS = (
    "source", "rank", "id", "state", "kind", "level", "probability", "start", "end", "clock",
    "start_time", "end_time",
    "shots", "shot_times", "firearm", "firearm_probability", "weapons", "weapon_probability", "related",
    "reasons", "burst_shots", "burst_fire", "burst_cadence", "family", "family_probability",
)  # fmt: skip
RAVEN_COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Type", "Kind", "Level", "Probability", "Firearm", "Event",
)  # fmt: skip
RAVEN_BAND = (50.0, 16_000.0)  # Hz: the band that was listened to
SHOT_LENGTH = 0.2  # s; a shot is a point in time, a Raven selection needs a length


def events_csv(analysis: Analysis) -> str:
    """One line per event, RFC 4180 with a header; lists within a field are parted by ``;``."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(_csv_row(analysis, event) for event in analysis.events)
    return target.getvalue()


def audacity_labels(analysis: Analysis) -> str:
    """A label track: start, end and text parted by tabs; shots are points; gaps are labelled too."""
    rows = [
        (e.start, e.end, f"#{e.rank} {KIND_WORDS[e.kind]} {e.level} {percent(e.probability)}")
        for e in analysis.standing
    ]
    rows += [(s.time, s.time, f"shot {percent(s.probability)}") for s in analysis.shots]
    rows += [(t.start, t.end, f"{label_words(t.label)} {percent(t.probability)}") for t in analysis.tracks]
    for medium in ("audio", "vision"):
        name = SENSE_WORDS[medium].lower()
        rows += [(gap.start, gap.end, f"{name} not observed") for gap in analysis.not_observed(medium)]
    return "".join(f"{start:.6f}\t{end:.6f}\t{_flat(text)}\n" for start, end, text in sorted(rows))


def raven_table(analysis: Analysis) -> str:
    """A Raven selection table (Raven Pro and Lite): one selection per event, and one per shot of it."""
    rows: list[tuple[object, ...]] = []
    for event in analysis.standing:
        best = event.firearms[0].label if event.firearms else ""
        common = (event.kind, event.level)
        rows.append(
            (event.start, event.end, "event", *common, f"{event.probability:.4f}", best, f"#{event.rank}")
        )
        rows.extend(
            (
                shot.time,
                shot.time + SHOT_LENGTH,
                "shot",
                *common,
                f"{shot.probability:.4f}",
                best,
                f"#{event.rank}",
            )
            for shot in event.shots
        )
    lines = ["\t".join(RAVEN_COLUMNS)]
    low, high = (f"{limit:.1f}" for limit in RAVEN_BAND)
    for number, (start, end, *rest) in enumerate(sorted(rows, key=lambda row: row[:2]), start=1):
        fields = (number, "Spectrogram 1", 1, f"{start:.6f}", f"{end:.6f}", low, high, *rest)
        lines.append("\t".join(_flat(str(field)) for field in fields))
    return "\n".join(lines) + "\n"


def _csv_row(analysis: Analysis, event: ThreatEvent) -> Iterable[object]:
    start, end = analysis.wall_clock(event.start), analysis.wall_clock(event.end)
    track = max(event.tracks, key=lambda t: t.probability, default=None)
    firearm = event.firearms[0] if event.firearms else None
    family = event.families[0] if event.families else None
    return (
        _no_formula(printable(analysis.source.name)),
        event.rank,
        event.id,
        event.state,
        event.kind,
        event.level,
        f"{event.probability:.6f}",
        f"{event.start:.3f}",
        f"{event.end:.3f}",
        clock(event.start),
        start.isoformat() if start else "",
        end.isoformat() if end else "",
        len(event.shots),
        ";".join(f"{shot.time:.3f}" for shot in event.shots),
        firearm.label if firearm else "",
        f"{firearm.probability:.4f}" if firearm else "",
        ";".join(sorted({t.label for t in event.tracks})),
        f"{track.probability:.4f}" if track else "",
        ";".join(event.related),
        ";".join(f"{reason.term}={reason.log_odds:.4f}" for reason in event.reasons),
        ";".join(str(burst.shots) for burst in event.bursts),
        ";".join(burst.fire for burst in event.bursts),
        ";".join("" if burst.cadence is None else f"{burst.cadence:.1f}" for burst in event.bursts),
        family.label if family else "",
        f"{family.probability:.4f}" if family else "",
    )


def _flat(text: str) -> str:
    """Text that cannot end a field or a line."""
    return " ".join(text.split())


def _no_formula(text: str) -> str:
    """A spreadsheet would run a file name that begins like a formula; a leading quote stops it."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
