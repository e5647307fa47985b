"""Sound and picture scored side by side while decoding goes on: each scorer in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Protocol

from vedette_base.media import MediaItem
from vedette_base.score import Medium, ScoreBlock

WAITING: Final[dict[Medium, int]] = {"audio": 64, "vision": 2}
"""Items that may wait for a scorer. Sound is small, and scored some seconds at a time while pictures go on; a
picture may be 50 MB."""


class Scorer(Protocol):
    """A sense: takes items of its medium, gives what it makes of them. Sound and picture scorers alike."""

    def push(self, item: MediaItem, /) -> Iterator[ScoreBlock]:
        """Take the next item; give the blocks it completes."""

    def flush(self) -> Iterator[ScoreBlock]:
        """The medium is over: give what was held back."""


class ScorerThread:
    """A scorer that works in a thread of its own; itself a `Scorer` whose blocks come some items later.

    Blocks keep the order of their items. What goes wrong in the thread is raised here, in ``push`` or
    ``flush``. Networks, decoders, transforms and conversions let other threads run meanwhile.

    Args:
        scorer: used in that thread only.
        waiting: items that may wait for it; ``push`` waits for room.
    """

    def __init__(self, scorer: Scorer, waiting: int) -> None:
        self._scorer = scorer
        self._waiting = waiting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vedette-scorer")
        self._answers: deque[Future[tuple[ScoreBlock, ...]]] = deque()

    def push(self, item: MediaItem) -> Iterator[ScoreBlock]:
        """Hand over the next item; give the blocks that are ready."""
        self._answers.append(self._thread.submit(lambda: tuple(self._scorer.push(item))))
        yield from self._ready(self._waiting)

    def flush(self) -> Iterator[ScoreBlock]:
        """Wait for everything handed over and give the rest."""
        self._answers.append(self._thread.submit(lambda: tuple(self._scorer.flush())))
        yield from self._ready(0)

    def _ready(self, waiting: int) -> Iterator[ScoreBlock]:
        while self._answers and (len(self._answers) > waiting or self._answers[0].done()):
            yield from self._answers.popleft().result()

    def __enter__(self) -> ScorerThread:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread after the item in hand; what still waits is dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)
