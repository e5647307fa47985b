"""Decoding runs ahead in a thread that always ends, and holds little however long the recording is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vedette.sources
import vedette_base
from tests.media import Sound, Video, noise, tone, write_media
from vedette.sources import FileSource, open_source
from vedette.sources.ahead import BUDGET, ReadAhead
from vedette_base.errors import MediaError
from vedette_base.media import AudioBlock, Progress


def decoders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "vedette-decoder"]


def weigh_a_tenth(item: int) -> int:
    del item
    return BUDGET // 10


def endless(made: list[int]) -> Iterator[int]:
    number = 0
    while True:
        made.append(number)
        yield number
        number += 1


def wait_until_it_stands_still(made: list[int]) -> int:
    """How many items were made once the producer waits for room."""
    before = -1
    while before != len(made):
        before = len(made)
        time.sleep(0.05)
    return before


def test_it_reads_ahead_by_its_budget_and_no_further() -> None:
    made: list[int] = []
    with ReadAhead(lambda: endless(made), weigh_a_tenth) as ahead:
        items = iter(ahead)
        assert next(items) == 0
        assert wait_until_it_stands_still(made) == pytest.approx(12, abs=1)
        assert [next(items) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert not decoders()


def test_the_thread_ends_when_the_consumer_raises_while_the_producer_is_blocked() -> None:
    made: list[int] = []
    ahead = ReadAhead(lambda: endless(made), weigh_a_tenth)

    def consume() -> None:
        with ahead:
            for _ in ahead:
                wait_until_it_stands_still(made)
                raise KeyError

    with pytest.raises(KeyError):
        consume()
    assert not decoders()
    ahead.close()  # again, without harm


def test_the_producers_error_comes_after_what_came_before_it() -> None:
    def failing() -> Iterator[int]:
        yield from (1, 2)
        raise MediaError("the disk is gone")

    with ReadAhead(failing, weigh_a_tenth) as ahead:
        items = iter(ahead)
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(MediaError, match="disk"):
            next(items)


def test_one_item_larger_than_the_budget_still_passes() -> None:
    with ReadAhead(lambda: iter(range(3)), lambda item: 2 * BUDGET + item) as ahead:
        assert list(ahead) == [0, 1, 2]


def test_the_generator_is_closed_in_its_thread() -> None:
    closed_in: list[str] = []

    def produce() -> Iterator[int]:
        try:
            yield from endless([])
        finally:
            closed_in.append(threading.current_thread().name)

    with ReadAhead(produce, weigh_a_tenth) as ahead:
        next(iter(ahead))
    assert closed_in == ["vedette-decoder"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    return write_media(folder / "a.mp4", video=Video(seconds=6), sound=Sound(tone(440, 6)))


def test_a_source_left_in_the_middle_leaves_no_thread(clip: Path) -> None:
    source = open_source(clip)

    def consume() -> None:
        with source:
            for item in source:
                if isinstance(item, AudioBlock):
                    raise RuntimeError("tired")

    with pytest.raises(RuntimeError, match="tired"):
        consume()
    assert not decoders()
    source.close()
    source.close()


def test_leaving_the_loop_is_enough(clip: Path) -> None:
    for _ in FileSource(clip):
        break
    assert not decoders()


def test_closing_from_another_thread_ends_the_loop(clip: Path) -> None:
    with FileSource(clip, frames_per_second=None) as source:
        count = 0
        for _ in source:
            count += 1
            if count == 3:
                closer = threading.Thread(target=source.close)
                closer.start()
                closer.join()
    assert count < 10


def test_a_source_that_is_never_read_has_no_thread(clip: Path) -> None:
    with FileSource(clip) as source:
        assert source.info.duration == pytest.approx(6.0, abs=0.1)
        assert not decoders()
    assert not list(source)


def test_two_runs_give_the_same(clip: Path) -> None:
    def run() -> list[tuple[str, float, bytes]]:
        with FileSource(clip) as source:
            return [
                ("audio", i.time, i.samples.tobytes())
                if isinstance(i, AudioBlock)
                else ("progress", i.time, b"")
                if isinstance(i, Progress)
                else ("vision", i.time, i.bgr(32, 24).tobytes())
                for i in source
            ]

    assert run() == run()


MEASURE = """
import sys
from vedette.sources import FileSource
from vedette_base.media import AudioBlock, Progress
with FileSource(sys.argv[1], frames_per_second=None) as source:
    for item in source:
        if not isinstance(item, (AudioBlock, Progress)):
            item.gray(64, 48)
with open("/proc/self/status") as status:  # getrusage would count the parent's memory at the time of the fork
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own account of memory")
def test_memory_stays_flat_with_length(tmp_path: Path) -> None:
    blank = np.zeros((360, 640, 3), np.uint8)
    roots = [Path(vedette.sources.__file__).parents[2], Path(vedette_base.__path__[0]).parent]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots))}

    def peak(seconds: int) -> int:
        video = Video(seconds=seconds, width=640, height=360, rate=10, codec="mpeg4", draw=lambda *_: blank)
        path = write_media(
            tmp_path / f"{seconds}.mkv", video=video, sound=Sound(noise(seconds), codec="flac")
        )
        command = [sys.executable, "-c", MEASURE, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return int(done.stdout) // 1024

    short, long = peak(30), peak(120)
    assert long < short + 12  # MB; 90 s of these pictures are 310 MB, of this sound 17 MB
