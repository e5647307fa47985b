"""The main flow: what goes in, in which order, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import numpy as np

from vedette.pipeline import watch
from vedette_base.media import AudioBlock, MediaItem, Progress
from vedette_base.score import AUDIO_LABELS, Score, ScoreBlock, ThreatEvent


class Echo:
    """A scorer that says one block per item, and one at the end."""

    def __init__(self) -> None:
        self.seen: list[MediaItem] = []

    def push(self, item: MediaItem) -> Iterator[ScoreBlock]:
        self.seen.append(item)
        yield ScoreBlock("audio", float(len(self.seen)), Score.empty(AUDIO_LABELS))

    def flush(self) -> Iterator[ScoreBlock]:
        yield ScoreBlock("audio", 99.0, Score.empty(AUDIO_LABELS))


class Counter:
    """An event maker that gives one revision per block and one at the end."""

    def push(self, block: ScoreBlock) -> Iterator[ThreatEvent]:
        yield ThreatEvent("a", int(block.until), "open", "gunshot", "low", 0.5, 0.0, block.until)

    def flush(self) -> Iterator[ThreatEvent]:
        yield ThreatEvent("a", 100, "final", "gunshot", "low", 0.5, 0.0, 100.0)


def blocks(n: int) -> list[MediaItem]:
    return [AudioBlock(float(i), np.zeros(4, np.float32)) for i in range(n)]


def test_every_item_is_scored_and_the_end_is_settled() -> None:
    seen: list[ScoreBlock] = []
    events = list(watch(blocks(3), {"audio": Echo()}, Counter(), on_block=seen.append))
    assert [event.revision for event in events] == [1, 2, 3, 99, 100]
    assert [block.until for block in seen] == [1.0, 2.0, 3.0, 99.0]


def test_items_of_a_sense_that_is_not_used_are_passed_over() -> None:
    scorer = Echo()
    list(watch([Progress("vision", 5.0), *blocks(1)], {"audio": scorer}, Counter()))
    assert len(scorer.seen) == 1


def test_progress_of_a_medium_goes_to_its_own_scorer() -> None:
    audio, vision = Echo(), Echo()
    list(watch([Progress("vision", 5.0, "no picture")], {"audio": audio, "vision": vision}, Counter()))
    assert (len(audio.seen), len(vision.seen)) == (0, 1)


def test_asked_to_stop_it_settles_what_it_has() -> None:
    stop = Event()

    def media() -> Iterator[MediaItem]:
        yield blocks(1)[0]
        stop.set()
        yield from blocks(5)

    scorer = Echo()
    events = list(watch(media(), {"audio": scorer}, Counter(), stop=stop))
    assert len(scorer.seen) == 1
    assert events[-1].state == "final"
