"""Scorers in threads of their own: the same blocks in the same order, nothing lost, nothing left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from vedette.pipeline import watch
from vedette.side_by_side import WAITING, ScorerThread
from vedette_base.errors import MediaError
from vedette_base.media import AudioBlock, MediaItem, Progress
from vedette_base.score import AUDIO_LABELS, VISION_LABELS, Medium, Score, ScoreBlock, Segment, Shot
from vedette_fusion.events import Fuser


class Slow:
    """Takes its time and then tells what it was given."""

    def __init__(self, medium: Medium, seconds: float = 0.0) -> None:
        self.medium, self.seconds = medium, seconds
        self.most_waiting = self.taken = self.given = 0

    def push(self, item: MediaItem) -> Iterator[ScoreBlock]:
        time.sleep(self.seconds)
        self.most_waiting = max(self.most_waiting, self.given - self.taken)
        self.taken += 1
        labels = AUDIO_LABELS if self.medium == "audio" else VISION_LABELS
        scores = Score(np.array([item.time]), np.full((1, len(labels)), 0.01, np.float32), labels)
        shots = (Shot(item.time, 0.99),) if self.medium == "audio" and item.time == 3.0 else ()
        yield ScoreBlock(
            self.medium, item.time, scores, shots=shots, observed=(Segment(item.time, item.time + 1),)
        )

    def flush(self) -> Iterator[ScoreBlock]:
        yield from ()


class Broken(Slow):
    def push(self, item: MediaItem) -> Iterator[ScoreBlock]:
        if item.time == 2.0:
            raise MediaError("this picture cannot be read")
        yield from super().push(item)


def media(count: int) -> Iterator[MediaItem]:
    for i in range(count):
        yield AudioBlock(float(i), np.zeros(4, np.float32))
        yield Progress("vision", float(i))


def scorer_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "scorer" in thread.name]


@pytest.mark.parametrize("slow", ["audio", "vision"])
def test_events_do_not_depend_on_which_sense_is_faster(slow: Medium) -> None:
    def events(late: Medium | None) -> list[object]:
        scorers = {m: Slow(m, 0.005 if m == late else 0.0) for m in ("audio", "vision")}
        return list(watch(media(30), scorers, Fuser(seed="x")))

    alike = events(None)
    assert alike
    assert events(slow) == alike


def test_blocks_keep_the_order_of_their_items() -> None:
    with ScorerThread(Slow("vision", 0.001), waiting=3) as sense:
        blocks = [b for i in range(20) for b in sense.push(Progress("vision", float(i)))]
        blocks += sense.flush()
    assert [block.until for block in blocks] == [float(i) for i in range(20)]


def test_a_slow_scorer_makes_the_source_wait() -> None:
    """Or pictures of hours would pile up before it."""
    scorer = Slow("vision", 0.003)

    def counted() -> Iterator[MediaItem]:
        for i in range(30):
            scorer.given += 1
            yield Progress("vision", float(i))

    list(watch(counted(), {"vision": scorer}, Fuser(media=("vision",))))
    assert scorer.taken == 30
    assert scorer.most_waiting <= WAITING["vision"] + 2  # that many wait, one is scored, one is on its way


def test_an_error_in_a_scorer_is_raised_where_events_are_read_and_ends_the_threads() -> None:
    with pytest.raises(MediaError, match="cannot be read"):
        list(watch(media(200), {"vision": Broken("vision"), "audio": Slow("audio")}, Fuser()))
    assert not scorer_threads()


def test_nobody_reading_on_ends_the_threads() -> None:
    flow = watch(media(500), {"vision": Slow("vision"), "audio": Slow("audio")}, Fuser())
    next(flow)
    flow.close()
    assert not scorer_threads()
