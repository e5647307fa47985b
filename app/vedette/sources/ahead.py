"""Decodes ahead of its consumer in one thread, never by more than a few pictures."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Generic, TypeVar

from vedette_base.errors import MediaError, VedetteError

Item = TypeVar("Item")

BUDGET: Final = 32 << 20  # bytes waiting at most; one item always may wait
PATIENCE: Final = 30.0  # seconds close() waits for the packet that is being decoded


class ReadAhead(Generic[Item]):
    """Iterates ``produce()`` in a thread of its own, which starts with the first item asked for.

    An error of the producer is raised to the consumer after everything that came before it. Leaving the
    ``with`` block, or ``close()``, ends the thread even where it waits for room.

    Args:
        produce: makes the iterator; called and exhausted in the thread. A generator is closed there too.
        weigh: bytes that an item holds.
    """

    def __init__(self, produce: Callable[[], Iterator[Item]], weigh: Callable[[Item], int]) -> None:
        self._produce = produce
        self._weigh = weigh
        self._changed = threading.Condition()
        self._items: deque[Item] = deque()
        self._weight = 0
        self._done = False
        self._stopped = False
        self._complete = False
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[Item]:
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._run, name="vedette-decoder", daemon=True)
            self._thread.start()
        while True:
            with self._changed:
                while not self._items and not self._done and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                if not self._items:
                    break
                item = self._items.popleft()
                self._weight -= self._weigh(item)
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error
        if not self._complete:  # the thread died of a bug: its own traceback is on stderr
            raise MediaError("reading ended unexpectedly", hint="please report the traceback above")

    def _run(self) -> None:
        items = self._produce()
        try:
            for item in items:
                if not self._put(item):
                    break
            else:
                self._complete = True
        except (VedetteError, MemoryError) as error:
            self._error = error
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _put(self, item: Item) -> bool:
        """Wait for room and hand ``item`` over; False when nobody wants it any more."""
        weight = self._weigh(item)
        with self._changed:
            while self._items and self._weight + weight > BUDGET and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return False
            self._items.append(item)
            self._weight += weight
            self._changed.notify_all()
        return True

    def close(self) -> None:
        """Stop decoding and wait for the thread to end. May be called again."""
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(PATIENCE)

    def __enter__(self) -> ReadAhead[Item]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
