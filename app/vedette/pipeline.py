"""The main flow, the same for recordings and for live streams; only the source differs.

    source -> scorers -> align -> combine -> events

A source gives sound and pictures in order of time. Each sense has a scorer, which turns its items into
`ScoreBlock`s. The fuser aligns both senses, combines their evidence and yields revisions of threat events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Protocol

from vedette.side_by_side import WAITING, Scorer, ScorerThread
from vedette_base.media import AudioBlock, MediaItem, Progress
from vedette_base.score import Medium, ScoreBlock, ThreatEvent


class StopFlag(Protocol):
    """Says whether to end early: a `threading.Event`, or one that processes share."""

    def is_set(self) -> bool:
        """Whether the work is to end now."""


class EventMaker(Protocol):
    """What the pipeline needs of `vedette_fusion.events.Fuser`."""

    def push(self, block: ScoreBlock, /) -> Iterator[ThreatEvent]:
        """Take one block; give the event revisions it brings about."""

    def flush(self) -> Iterator[ThreatEvent]:
        """The stream has ended: give every open event as final."""


def medium_of(item: MediaItem) -> Medium:
    """Which sense an item belongs to."""
    if isinstance(item, Progress):
        return item.medium
    return "audio" if isinstance(item, AudioBlock) else "vision"


def watch(
    items: Iterable[MediaItem],
    scorers: Mapping[Medium, Scorer],
    fuser: EventMaker,
    *,
    on_block: Callable[[ScoreBlock], None] = lambda block: None,
    stop: StopFlag | None = None,
) -> Iterator[ThreatEvent]:
    """Yield event revisions while ``items`` last, then what the end of the medium settles.

    Args:
        items: sound and pictures in order of time.
        scorers: one per sense; items of a sense without a scorer are passed over.
        fuser: turns score blocks into event revisions.
        on_block: sees every score block before it is fused (timelines, metrics).
        stop: when set, the flow ends after the items in hand; what was found so far is settled as usual.

    Sound and picture are scored in threads of their own. Which of them is ahead changes no event: the fuser
    goes by the medium's clock alone.
    """
    with ExitStack() as closing:
        senses = {
            medium: closing.enter_context(ScorerThread(scorer, WAITING[medium]))
            for medium, scorer in scorers.items()
        }
        for item in items:
            if stop is not None and stop.is_set():
                break
            sense = senses.get(medium_of(item))
            if sense is None:
                continue
            for block in sense.push(item):
                on_block(block)
                yield from fuser.push(block)
        for sense in senses.values():
            for block in sense.flush():
                on_block(block)
                yield from fuser.push(block)
        yield from fuser.flush()
