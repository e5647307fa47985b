"""Draws why: the terms of an event's log-odds as bars that begin where the last one ended, and their sum."""

from __future__ import annotations

import math
from html import escape

from vedette.report.wording import percent, printable, term_words
from vedette_base.score import Reason, ThreatEvent

WIDTH = 1000.0  # units of the bars' view box; stretched to the column
GIVEN = ("prior", "sensitivity")  # terms that come from settings and not from the recording
MARKS = (0.0001, 0.01, 0.5, 0.99, 0.9999)  # probabilities marked on the scale
LEAST = 3.0  # log-odds on either side of even odds that the scale always shows


def reasons_chart(event: ThreatEvent) -> str:
    """A table with a bar per term: a reader without pictures reads the same numbers."""
    if not event.reasons:
        return '<p class="quiet">No terms were recorded for this event.</p>'
    total = sum(reason.log_odds for reason in event.reasons)
    low, high = _scale(event.reasons)
    rows = []
    reached = 0.0
    for reason in event.reasons:
        rows.append(_row(reason, reached, low, high))
        reached += reason.log_odds
    marks = "".join(
        f'<span style="left:{_place(_logit(mark), low, high) / WIDTH * 100:.2f}%">{_mark(mark)}</span>'
        for mark in MARKS
        if low <= _logit(mark) <= high
    )
    return (
        '<table class="reasons"><caption>Why: evidence in log-odds; each bar begins where the last one ended'
        "</caption><thead><tr><th>Evidence</th><th>&larr; less likely &middot; more &rarr;</th>"
        f"<th>Weight</th></tr></thead><tbody>{''.join(rows)}</tbody><tfoot><tr><th>Sum</th>"
        f'<td class="bar">{_bar(0.0, total, low, high, "sum")}</td><td class="num">{total:+.2f}</td></tr>'
        f'<tr class="scale"><td></td><td><div>{marks}</div></td>'
        f'<td class="num">{percent(event.probability)}</td></tr></tfoot></table>'
    )


def _row(reason: Reason, reached: float, low: float, high: float) -> str:
    kind = "for" if reason.log_odds >= 0 else "against"
    if reason.term in GIVEN:
        kind = "prior"
    bar = _bar(reached, reached + reason.log_odds, low, high, kind)
    text = (
        f'<tr class="said"><td colspan="3">{escape(printable(reason.text))}</td></tr>' if reason.text else ""
    )
    return (
        f'<tr><th scope="row">{escape(term_words(reason.term))}</th><td class="bar">{bar}</td>'
        f'<td class="num">{reason.log_odds:+.2f}</td></tr>{text}'
    )


def _bar(start: float, end: float, low: float, high: float, kind: str) -> str:
    left, right = sorted((_place(start, low, high), _place(end, low, high)))
    zero = _place(0.0, low, high)
    wide = max(2.0, right - left) if right > left else 0.0
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} 20" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="zero" d="M{zero:.1f} 0V20"/>'
        f'<rect class="{kind}" x="{left:.1f}" y="3" width="{wide:.1f}" height="14"/></svg>'
    )


def _scale(reasons: tuple[Reason, ...]) -> tuple[float, float]:
    """Ends of the scale in log-odds: everything reached on the way, and always even odds with room around."""
    reached, low, high = 0.0, -LEAST, LEAST
    for reason in reasons:
        reached += reason.log_odds
        low, high = min(low, reached), max(high, reached)
    margin = (high - low) * 0.03
    return low - margin, high + margin


def _place(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) * WIDTH


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _mark(probability: float) -> str:
    return f"{probability * 100:g} %"
