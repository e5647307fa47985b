"""``report.html``: one file that opens offline and shows what was found and what could not be observed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib.resources import files as package_files
from pathlib import Path

from vedette.analysis import Analysis
from vedette.report.cards import event_cards
from vedette.report.evidence import Evidence
from vedette.report.exhibits import ClipStore
from vedette.report.lanes import timeline
from vedette.report.tracks import TrackFiles, links
from vedette.report.wording import (
    clock,
    label_words,
    length,
    not_observed,
    percent,
    printable,
    summary,
    wall,
)
from vedette_base.bundle import Card

LISTED_FIGURES = 6  # of a model card
LISTED_FINDS = 500  # rows of the list of everything heard and seen


def make_page(
    analysis: Analysis,
    evidence: Evidence | None,
    *,
    folder: Path,
    clips: bool = False,
    pictures: int = 12,
    cards: Mapping[str, Card] | None = None,
    tracks: Mapping[int, TrackFiles] | None = None,
) -> str:
    """The page's HTML.

    Args:
        analysis: what was found.
        evidence: cuts stills, sound and clips; None where the recording cannot be opened again.
        folder: where the page will lie; clips too large to be part of it are written to ``folder/clips``.
        clips: whether events get a playable clip.
        pictures: how many events, from the gravest, get stills, spectrogram and clip.
        cards: sense -> card of its model.
        tracks: number of a track -> its chip, snapshot and record, which lie beside the page.
    """
    files = tracks or {}
    style, script = _resource("page.css"), _resource("page.js")
    name = escape(printable(Path(analysis.source.name).name or analysis.source.name))
    sections = (
        _header(analysis, name),
        _banner(analysis),
        f'<section aria-labelledby="h-time"><h2 id="h-time">Timeline</h2>{timeline(analysis)}</section>',
        event_cards(analysis, evidence, ClipStore(folder), clips=clips, pictures=pictures, tracks=files),
        _gaps(analysis),
        _finds(analysis, files),
        _models(analysis, cards or {}),
        _resource("reading.html"),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        f"<title>{name}: Vedette report</title><style>{style}</style></head><body>"
        f"<main>{''.join(sections)}</main>{_footer(analysis)}<script>{script}</script></body></html>\n"
    )


def _policy(script: str) -> str:
    """Nothing may be fetched, and no script may run but ours, whatever a file name or a label contains."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src data:; media-src data: 'self' file:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _header(analysis: Analysis, name: str) -> str:
    source = analysis.source
    began = analysis.wall_clock(0.0)
    facts = [("Length", clock(analysis.duration))]
    if began is not None:
        ended = analysis.wall_clock(analysis.duration)
        facts.append(("Recorded", f"{wall(began)} to {wall(ended or began)}"))
    else:
        facts.append(("Recorded", "wall-clock time not known"))
    tracks = []
    if source.video:
        size = f" {source.size[0]} × {source.size[1]}" if source.size else ""
        rate = f", {source.frame_rate:.4g} frames/s" if source.frame_rate else ""
        tracks.append(f"picture{size}{rate}")
    tracks.append("sound" if source.audio else "no sound track")
    facts.append(("Tracks", "; ".join(tracks)))
    facts.append(("Analysed in", length(analysis.elapsed)))
    shown = "".join(f"<div><dt>{key}</dt><dd>{escape(value)}</dd></div>" for key, value in facts)
    path = escape(printable(source.name))
    where = "" if path == name else f'<div class="wide"><dt>Path</dt><dd><code>{path}</code></dd></div>'
    hashed = escape(analysis.sha256 or "not known")
    digest = f'<div class="wide"><dt>SHA-256</dt><dd><code>{hashed}</code></dd></div>'
    worst = analysis.max_level() or "none"
    return (
        f'<header><p class="brand">Vedette <span>threat report</span></p><h1>{name}</h1>'
        f'<p class="verdict {worst}">{escape(summary(analysis))}</p><dl>{shown}{where}{digest}</dl></header>'
    )


def _banner(analysis: Analysis) -> str:
    if analysis.complete:
        return ""
    reached = max((s.end for s in (*analysis.coverage.audio, *analysis.coverage.vision)), default=0.0)
    return (
        '<p class="banner" role="alert"><b>Not complete.</b> The analysis was stopped before the end: '
        f"nothing after {clock(reached)} was examined. Absence of events there means nothing.</p>"
    )


def _gaps(analysis: Analysis) -> str:
    sentences = not_observed(analysis)
    observed = "Both senses observed the whole recording." if analysis.complete else ""
    gaps = "".join(f"<li>{escape(text)}</li>" for text in sentences)
    body = f"<ul>{gaps}</ul>" if gaps else f"<p>{observed}</p>"
    notes = [*analysis.source.notes, *analysis.warnings]
    said = "".join(f"<li>{escape(printable(text))}</li>" for text in dict.fromkeys(notes))
    warnings = f'<h2>Warnings and notes</h2><ul class="warnings">{said}</ul>' if said else ""
    return (
        f'<section class="pair"><div><h2>Not observed</h2>{body}'
        '<p class="quiet">Nothing is known of these spans: they are neither safe nor dangerous.</p></div>'
        f"<div>{warnings or '<h2>Warnings and notes</h2><p>None.</p>'}</div></section>"
    )


def _finds(analysis: Analysis, files: Mapping[int, TrackFiles]) -> str:
    shots, tracks = analysis.shots, analysis.tracks
    if not shots and not tracks:
        return ""
    rows = [
        (s.time, f"shot, burst {s.burst + 1}", clock(s.time, decimals=2), s.probability, "") for s in shots
    ]
    rows += [
        (t.start, label_words(t.label), f"{clock(t.start)} to {clock(t.end)}", t.probability,
         links(files.get(t.id)))
        for t in tracks
    ]  # fmt: skip
    cells = "".join(
        f"<tr><td>{when}</td><td>{escape(found)}</td><td class='num'>{percent(probability)}</td>"
        f"<td>{linked}</td></tr>"
        for _, found, when, probability, linked in sorted(rows)[:LISTED_FINDS]
    )
    cut = f" (the first {LISTED_FINDS}; all are in timeline.npz)" if len(rows) > LISTED_FINDS else ""
    return (
        f"<details><summary>Everything heard and seen: {len(shots)} shots, {len(tracks)} weapon tracks{cut}"
        "</summary><table><thead><tr><th>Time</th><th>Found</th><th>Probability</th><th>Files</th></tr>"
        f"</thead><tbody>{cells}</tbody></table></details>"
    )


def _models(analysis: Analysis, cards: Mapping[str, Card]) -> str:
    rows = []
    for sense, name in analysis.models.items():
        card = cards.get(sense)
        about = _about(card) if card else ""
        rows.append(
            f'<tr><th scope="row">{escape(sense)}</th><td>{escape(name)}</td><td>{escape(about)}</td></tr>'
        )
    return (
        '<section><h2>Models</h2><div class="scroll"><table><thead><tr><th>Sense</th><th>Model</th>'
        f"<th>About</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _about(card: Card) -> str:
    """A model's card in one line, with the figures it was measured at."""
    figures = [f"{name} {value:.3g}" for name, value in card.metrics.items() if isinstance(value, float)]
    return ", ".join((card.architecture, card.precision, card.licence, *figures[:LISTED_FIGURES]))


def _footer(analysis: Analysis) -> str:
    from vedette import __version__

    return (
        f"<footer>Made by Vedette {__version__}. The same results for programs: events.json, events.csv, "
        "labels-audacity.txt, labels-raven.txt, timeline.npz; where weapons were followed, tracks/ has a "
        "chip, a snapshot and a record of each. manifest.json holds the SHA-256 of the recording and of "
        "every file.</footer>"
    )


def _resource(name: str) -> str:
    return package_files("vedette.report").joinpath(name).read_text("utf-8")
