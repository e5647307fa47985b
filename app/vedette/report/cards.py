"""Draws each event as a card: what, how sure, when, why, and the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from vedette.analysis import Analysis
from vedette.report.evidence import Evidence
from vedette.report.exhibits import ClipStore, clip, sound, stills
from vedette.report.reasons import reasons_chart
from vedette.report.tracks import TrackFiles, links
from vedette.report.wording import (
    KIND_WORDS,
    clock,
    fire_words,
    kind_words,
    label_words,
    length,
    likelihood,
    percent,
    printable,
    wall,
)
from vedette_base.errors import VedetteError
from vedette_base.score import LEVELS, HeardBurst, ThreatEvent

LISTED_CARDS = 300  # events with a card; the rest is in events.json and said so
LISTED_BURSTS = 12
MANY = 6  # events from which a filter by level helps


def event_cards(
    analysis: Analysis,
    evidence: Evidence | None,
    store: ClipStore,
    *,
    clips: bool,
    pictures: int,
    tracks: Mapping[int, TrackFiles] = MappingProxyType({}),
) -> str:
    """The events section's HTML.

    Args:
        analysis: what was found.
        evidence: cuts stills, sound and clips; None where the recording cannot be opened again.
        store: takes the clips.
        clips: whether pictured events get a playable clip.
        pictures: how many events, from the gravest, are pictured.
        tracks: number of a track -> its files.
    """
    events = analysis.standing
    withdrawn = len(analysis.events) - len(events)
    if not events:
        body = '<p class="nothing">No threat was found in what could be observed.</p>'
        return f'<section aria-labelledby="h-events"><h2 id="h-events">Events</h2>{body}</section>'
    notes = []
    if evidence is None:
        notes.append("The recording could not be opened again, so there are no pictures and no sound here.")
    elif len(events) > pictures:
        notes.append(
            f"Pictures and sound are shown for the {pictures} gravest events; the others have text only."
        )
    if withdrawn:
        notes.append(f"{withdrawn} raised and withdrawn again as more was seen; events.json has them.")
    if len(events) > LISTED_CARDS:
        notes.append(f"{len(events) - LISTED_CARDS} more events are in events.json and events.csv.")
    cards = []
    for index, event in enumerate(events[:LISTED_CARDS]):
        pictured = evidence is not None and index < pictures
        shown = _shown(analysis, event, evidence) if evidence and pictured else ""
        player = _clip(event, evidence, store) if evidence and pictured and clips else ""
        cards.append(_card(analysis, event, shown, player, tracks))
    note = "".join(f'<p class="note">{text}</p>' for text in notes)
    return (
        f'<section aria-labelledby="h-events"><h2 id="h-events">Events, gravest first</h2>{_filter(analysis)}'
        f"{note}{''.join(cards)}</section>"
    )


def _filter(analysis: Analysis) -> str:
    if len(analysis.standing) < MANY:
        return ""
    counts = {level: sum(e.level == level for e in analysis.standing) for level in reversed(LEVELS)}
    boxes = "".join(
        f'<label class="chip {level}"><input type="checkbox" checked value="{level}"> {level} {count}</label>'
        for level, count in counts.items()
        if count
    )
    return f'<div class="filter" hidden>Show {boxes}</div>'


def _card(
    analysis: Analysis, event: ThreatEvent, shown: str, player: str, tracks: Mapping[int, TrackFiles]
) -> str:
    exhibits = f'<div class="exhibits">{shown}</div>' if shown else ""
    start, end = analysis.wall_clock(event.start), analysis.wall_clock(event.end)
    when = f"{clock(event.start)} to {clock(event.end)}"
    walls = f'<span class="wall">{wall(start)} to {wall(end)}</span>' if start and end else ""
    state = "" if event.state == "final" else f' <span class="state">{event.state}</span>'
    return (
        f'<article class="card {event.level}" id="event-{event.rank}" data-level="{event.level}">'
        f'<div class="head"><span class="rank">{event.rank}</span><h3>{kind_words(event)}{state}</h3>'
        f'<span class="chip {event.level}">{event.level}</span>'
        f'<p class="when"><b>{when}</b> <span>({length(event.end - event.start)})</span> {walls}</p>'
        f"{_odds(event)}</div>"
        f'<div class="body{"" if shown else " plain"}">{exhibits}<div class="facts">{player}'
        f"{reasons_chart(event)}"
        f"{_bursts(event)}{_firearms(event)}{_weapons(event, tracks)}{_related(analysis, event)}"
        "</div></div></article>"
    )


def _odds(event: ThreatEvent) -> str:
    if event.kind == "sensor_lost":  # not a threat that was seen or heard, but one that could not be
        return ""
    words = likelihood(event.probability)
    return f'<p class="odds"><b>{percent(event.probability)}</b> {words} a threat</p>'


def _shown(analysis: Analysis, event: ThreatEvent, evidence: Evidence) -> str:
    try:
        return stills(event, evidence, analysis.looks) + sound(event, evidence)
    except VedetteError as error:
        return _unreadable(error)


def _clip(event: ThreatEvent, evidence: Evidence, store: ClipStore) -> str:
    try:
        return clip(event, evidence, store)
    except VedetteError as error:
        return _unreadable(error)


def _unreadable(error: VedetteError) -> str:
    return f'<p class="note">The recording could not be read again: {escape(printable(str(error)))}</p>'


def _firearms(event: ThreatEvent) -> str:
    if not event.firearms:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(entry.label)}</th><td class="bar"><span class="fill" '
        f'style="width:{entry.probability * 100:.1f}%"></span></td><td class="num">'
        f"{percent(entry.probability)}</td></tr>"
        for entry in event.firearms[:5]
    )
    families = ", ".join(f"{escape(f.label)} {percent(f.probability)}" for f in event.families[:3])
    by_family = f'<tr><td colspan="3" class="quiet">By family: {families}</td></tr>' if families else ""
    return (
        f'<table class="ranking"><caption>Which firearm it sounds like</caption><tbody>{rows}{by_family}'
        "</tbody></table>"
    )


def _bursts(event: ThreatEvent) -> str:
    """How the shots were fired, where there is more to say than their number."""
    if len(event.shots) < 2 or not event.bursts:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{clock(burst.start)}</th><td>{fire_words(burst)}</td>'
        f'<td class="num">{escape(_sounds_like(burst, event))}</td></tr>'
        for burst in event.bursts[:LISTED_BURSTS]
    )
    more = len(event.bursts) - LISTED_BURSTS
    rest = f'<tr><td colspan="3" class="quiet">and {more} more in events.json</td></tr>' if more > 0 else ""
    return f'<table class="ranking"><caption>Shots</caption><tbody>{rows}{rest}</tbody></table>'


def _sounds_like(burst: HeardBurst, event: ThreatEvent) -> str:
    """The firearm of one burst of several; that of the only one is ranked below."""
    return burst.firearms[0].label if len(event.bursts) > 1 and burst.firearms else ""


def _weapons(event: ThreatEvent, tracks: Mapping[int, TrackFiles]) -> str:
    if not event.tracks:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(label_words(t.label))}</th><td>{clock(t.start)} to {clock(t.end)}, '
        f"{t.looks} look{'s' if t.looks != 1 else ''}{_linked(tracks.get(t.id))}</td>"
        f'<td class="num">{percent(t.probability)}</td></tr>'
        for t in sorted(event.tracks, key=lambda t: -t.probability)[:8]
    )
    more = len(event.tracks) - 8
    rest = f'<tr><td colspan="3" class="quiet">and {more} more in events.json</td></tr>' if more > 0 else ""
    return f'<table class="ranking"><caption>Weapons seen</caption><tbody>{rows}{rest}</tbody></table>'


def _linked(files: TrackFiles | None) -> str:
    return f": {links(files)}" if files is not None else ""


def _related(analysis: Analysis, event: ThreatEvent) -> str:
    known = {other.id: other for other in analysis.events}
    links = ", ".join(
        f'<a href="#event-{known[i].rank}">#{known[i].rank} {KIND_WORDS[known[i].kind].lower()}</a>'
        for i in event.related
        if i in known
    )
    return (f'<p class="related">Related: {links}</p>' if links else "") + (
        f'<p class="id">Event <code>{escape(event.id)}</code>, revision {event.revision}</p>'
    )
