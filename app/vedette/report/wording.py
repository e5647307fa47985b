"""How a report says things: times, probabilities, kinds and gaps in plain, honest words."""

from __future__ import annotations

from datetime import datetime

from vedette.analysis import Analysis
from vedette_base.score import HeardBurst, Kind, Medium, Segment, ThreatEvent, WeaponTrack

KIND_WORDS: dict[Kind, str] = {
    "armed_attack": "Armed attack",
    "gunshot": "Gunshot",
    "visible_weapon": "Visible weapon",
    "sensor_lost": "Sensor lost",
}
SENSE_WORDS: dict[Medium, str] = {"audio": "Sound", "vision": "Picture"}
_LABEL_WORDS = {"long_gun": "long gun", "no_weapon": "look-alike, no weapon"}
_TERM_WORDS = {
    "prior": "Prior",
    "audio": "Heard",
    "vision": "Seen",
    "look_alike": "Look-alike",
}

# The scale of the IPCC's guidance on likelihood (2010): the best known agreed one from number to word.
_LIKELIHOOD = (
    (0.99, "virtually certain"),
    (0.90, "very likely"),
    (0.66, "likely"),
    (0.33, "about as likely as not"),
    (0.10, "unlikely"),
    (0.00, "very unlikely"),
)
_LISTED_GAPS = 6  # a recording with a stuttering track has hundreds; nobody reads them one by one


def clock(seconds: float, *, decimals: int = 1) -> str:
    """Seconds as ``H:MM:SS.s``, rounded, never ``0:00:60.0``."""
    unit = 10**decimals
    whole, fraction = divmod(round(max(0.0, seconds) * unit), unit)
    text = f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{fraction:0{decimals}d}" if decimals else text


def length(seconds: float) -> str:
    """A length of time as a person would say it: ``9.3 s``, ``4 min 10 s``, ``2 h 05 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole // 60 % 60:02d} min"


def wall(moment: datetime) -> str:
    """Wall-clock time with its zone, to a tenth of a second: ``2026-03-01 14:02:07.3 +01:00``."""
    zone = moment.strftime("%z")
    zone = f" {zone[:3]}:{zone[3:5]}" if zone else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000}{zone}"


def percent(probability: float) -> str:
    """A probability for people: never ``100 %`` or ``0 %``, which no model can know."""
    if probability >= 0.995:
        return "over 99 %"
    return "under 1 %" if probability < 0.005 else f"{probability * 100:.0f} %"


def likelihood(probability: float) -> str:
    """The word for a probability, on the scale of the IPCC."""
    return next(word for bound, word in _LIKELIHOOD if probability >= bound)


def kind_words(event: ThreatEvent) -> str:
    """What an event is, with the number of its shots: ``Armed attack, 2 shots``."""
    shots = len(event.shots)
    counted = f", {shots} shot{'s' if shots > 1 else ''}" if shots else ""
    return KIND_WORDS[event.kind] + counted


def label_words(label: str) -> str:
    """A class name as a person writes it."""
    return _LABEL_WORDS.get(label, label)


def term_words(term: str) -> str:
    """A term of the log-odds as a person would name it."""
    return _TERM_WORDS.get(term, term.replace("_", " ").capitalize())


def fire_words(burst: HeardBurst) -> str:
    """How shots were fired: ``1 shot``, ``3 single shots``, ``burst of 6 shots, about 640 a minute``."""
    if burst.shots == 1:
        return "1 shot"
    if burst.fire == "single" or burst.cadence is None:
        return f"{burst.shots} single shots"
    return f"burst of {burst.shots} shots, about {round(burst.cadence, -1):.0f} a minute"


def shots_words(event: ThreatEvent) -> str:
    """The shots of an event, shortly; the bursts of one that has several are counted."""
    if not event.bursts:
        shots = len(event.shots)
        return f"{shots} shot{'s' if shots > 1 else ''}" if shots else ""
    if len(event.bursts) == 1:
        return fire_words(event.bursts[0])
    automatic = [burst for burst in event.bursts if burst.fire == "burst"]
    if not automatic:
        return f"{len(event.shots)} single shots"
    fastest = round(max(burst.cadence or 0.0 for burst in automatic), -1)
    counted = f"{len(automatic)} burst{'s' if len(automatic) > 1 else ''}, up to {fastest:.0f} a minute"
    return f"{len(event.shots)} shots, {counted}"


def best_track(event: ThreatEvent) -> WeaponTrack | None:
    """The track that shows the weapon best, or None."""
    return max(event.tracks, key=lambda track: track.probability, default=None)


def what(event: ThreatEvent) -> str:
    """What was recognised, shortly: ``pistol; sounds like M16 (31 %), rifle (70 %)``."""
    track = best_track(event)
    parts = [label_words(track.label)] if track else []
    if event.firearms:
        best = event.firearms[0]
        parts.append(f"sounds like {best.label} ({percent(best.probability)})")
        family = event.families[0] if event.families else None
        if family and family.label != best.label:
            parts[-1] += f", {family.label} ({percent(family.probability)})"
    return "; ".join(parts)


def why(event: ThreatEvent) -> str:
    """The terms of the log-odds in one line, largest first, the prior last."""
    terms = sorted(event.reasons, key=lambda r: (r.term == "prior", -abs(r.log_odds)))
    return ", ".join(f"{r.term} {r.log_odds:+.1f}" for r in terms)


def not_observed(analysis: Analysis) -> list[str]:
    """One sentence per sense that missed something; empty when both observed the whole recording."""
    sentences = []
    for medium in ("audio", "vision"):
        gaps = analysis.not_observed(medium)
        if not gaps:
            continue
        name = SENSE_WORDS[medium]
        missed = sum(gap.duration for gap in gaps)
        if missed >= analysis.duration - 0.01:
            reason = "" if _has(analysis, medium) else f" (the recording has no {name.lower()} track)"
            sentences.append(f"{name} was not observed at all{reason}.")
        else:
            share = percent(missed / analysis.duration)
            sentences.append(f"{name} was not observed for {length(missed)} ({share}): {_spans(gaps)}.")
    return sentences


def summary(analysis: Analysis) -> str:
    """The result in one sentence."""
    events = [event for event in analysis.standing if event.kind != "sensor_lost"]
    if not events:
        return "No threat was found in what could be observed."
    worst = events[0]
    count = "One threat event" if len(events) == 1 else f"{len(events)} threat events"
    gravest = f"{KIND_WORDS[worst.kind].lower()}, {worst.level}, at {clock(worst.start)}"
    return f"{count}: {gravest}." if len(events) == 1 else f"{count}; the gravest: {gravest}."


def printable(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a file name that are none become a replacement mark."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def one_line(text: str) -> str:
    """Text for a terminal: line breaks and control characters, which names of files may hold, are escaped."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in printable(text))
    return "".join(shown)


def _has(analysis: Analysis, medium: Medium) -> bool:
    return analysis.source.audio if medium == "audio" else analysis.source.video


def _spans(gaps: tuple[Segment, ...]) -> str:
    listed = ", ".join(f"{clock(gap.start)} to {clock(gap.end)}" for gap in gaps[:_LISTED_GAPS])
    more = len(gaps) - _LISTED_GAPS
    return f"{listed} and {more} more" if more > 0 else listed
