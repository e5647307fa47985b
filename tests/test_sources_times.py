"""Time comes from the medium: both media on one clock, whatever the container does with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media import (
    Sound,
    Video,
    clicks,
    noise,
    square_left,
    tone,
    write_media,
)
from tests.received import blocks_of, frames_of, items_of, onsets, progress_of, times_of
from vedette.sources import FileSource
from vedette.sources.clock import Continuity
from vedette.sources.damage import Damage
from vedette_base.media import SAMPLE_RATE, Frame


def seen_left(frame: Frame) -> int:
    """Left edge of the white square in a picture of full size."""
    gray = frame.gray(*frame.size)
    columns = np.flatnonzero((gray > 200).sum(axis=0) > 3)
    return int(columns[0])


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi", "mov"])
def test_sound_that_starts_late_stays_late(tmp_path: Path, ending: str) -> None:
    codec, sound = ("mpeg4", "pcm_s16le") if ending == "avi" else ("libx264", "aac")
    times = [0.5, 1.25]
    start = 0.0 if ending == "avi" else 1.4  # AVI cannot say it
    path = write_media(
        tmp_path / f"late.{ending}",
        video=Video(seconds=4, codec=codec),
        sound=Sound(clicks(times, 2.5), codec=sound, start=start),
    )
    items = items_of(path)
    assert onsets(items) == pytest.approx([t + start for t in times], abs=0.006)
    for frame in frames_of(items):
        assert abs(seen_left(frame) - square_left(frame.time, 160)) <= 2


def test_a_container_that_starts_late_starts_at_second_zero(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "tape.mkv",
        video=Video(seconds=2, start=100.0),
        sound=Sound(clicks([0.5], 1.5), codec="flac", start=100.4),
    )
    with FileSource(path) as source:
        assert any("100.00 s" in note for note in source.info.notes)
        items = list(source)
    assert frames_of(items)[0].time == pytest.approx(0.0)
    assert onsets(items) == pytest.approx([0.9], abs=0.002)


def test_pictures_of_variable_frame_rate_keep_their_times(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.52, 1.9, 3.3, 3.34]
    path = write_media(tmp_path / "phone.mkv", video=Video(times=times))
    frames = frames_of(items_of(path, frames_per_second=None))
    assert [f.time for f in frames] == pytest.approx(times, abs=0.001)
    for frame, time in zip(frames, times, strict=True):
        assert abs(seen_left(frame) - square_left(time, 160)) <= 2


def test_29_97_does_not_drift_within_ten_minutes(tmp_path: Path) -> None:
    rate = Fraction(30_000, 1001)
    count = int(600 * rate)
    video = Video(
        width=16,
        height=16,
        codec="mpeg4",
        rate=30,
        times=[float(i / rate) for i in range(count)],
        draw=lambda time, width, height: np.zeros((height, width, 3), np.uint8),
    )
    path = write_media(tmp_path / "ntsc.mp4", video=video)
    frames = frames_of(items_of(path))
    assert len(frames) == pytest.approx(3000, abs=1)
    assert frames[-1].time == pytest.approx(600, abs=0.25)
    number = frames[-1].time * float(rate)
    assert number == pytest.approx(round(number), abs=0.01)  # a time that a picture really has


def test_five_pictures_a_second_are_picked_by_time(tmp_path: Path) -> None:
    path = write_media(tmp_path / "clip.mp4", video=Video(seconds=3, rate=25))
    assert [f.time for f in frames_of(items_of(path))] == pytest.approx([i / 5 for i in range(15)])
    assert len(frames_of(items_of(path, frames_per_second=None))) == 75
    assert len(frames_of(items_of(path, frames_per_second=2))) == 6


def test_pictures_slower_than_asked_for_are_all_given(tmp_path: Path) -> None:
    path = write_media(tmp_path / "slow.mp4", video=Video(seconds=8, rate=1, codec="mpeg4"))
    assert [f.time for f in frames_of(items_of(path))] == pytest.approx(range(8))


def test_items_come_in_order_of_time_even_where_the_file_is_badly_interleaved(tmp_path: Path) -> None:
    path = tmp_path / "bad.mkv"
    write_media(tmp_path / "v.mkv", video=Video(seconds=4))
    write_media(tmp_path / "a.mkv", sound=Sound(tone(440, 4), codec="flac"))
    with (
        av.open(str(tmp_path / "v.mkv")) as pictures,
        av.open(str(tmp_path / "a.mkv")) as sound,
        av.open(str(path), "w", options={"max_interleave_delta": "1"}) as out,
    ):
        tracks = [(s, out.add_stream_from_template(s.streams[0])) for s in (sound, pictures)]
        for container, track in tracks:
            for packet in container.demux():
                if packet.dts is not None:
                    packet.stream = track
                    out.mux(packet)
    items = items_of(path)
    times = times_of(items)
    assert times == sorted(times)
    assert len(frames_of(items)) == 20
    assert sum(b.samples.size for b in blocks_of(items)) == 4 * SAMPLE_RATE


def test_pictures_without_time_stamps_are_timed_by_their_rate(tmp_path: Path) -> None:
    path = write_media(tmp_path / "raw.h264", video=Video(seconds=2, rate=25), format="h264")
    frames = frames_of(items_of(path, frames_per_second=None))
    assert len(frames) == 50
    assert [f.time for f in frames] == pytest.approx([i / 25 for i in range(50)], abs=0.045)


def test_a_transport_stream_that_starts_anew_goes_on_without_falling_back(tmp_path: Path) -> None:
    one = write_media(tmp_path / "one.ts", video=Video(seconds=3), sound=Sound(clicks([1.0], 3), codec="mp2"))
    spliced = tmp_path / "spliced.ts"
    spliced.write_bytes(one.read_bytes() * 2)
    with FileSource(spliced) as source:
        items = list(source)
        assert any("jump" in warning for warning in source.warnings)
    times = [f.time for f in frames_of(items)]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(5.8, abs=0.25)
    assert onsets(items) == pytest.approx([1.0, 4.0], abs=0.1)


def test_a_wrapped_counter_goes_on() -> None:
    continuity = Continuity({}, Damage())
    wrap, clock = 2**33, 90_000
    given = []
    for ticks in range(wrap - 2 * clock, wrap + 2 * clock, clock // 25):
        stamp = (ticks % wrap) / clock
        given.append(stamp + continuity.shift_of(0, stamp))
    assert all(-1e-6 <= b - a <= 0.0401 for a, b in pairwise(given))


def test_after_a_splice_packets_of_the_old_count_that_come_late_keep_their_place() -> None:
    continuity = Continuity({}, Damage())
    stamps = [(0, 2.8), (1, 2.7), (0, 0.0), (1, 2.8), (0, 0.1), (1, 0.0), (1, 0.1)]
    given = [t + continuity.shift_of(track, t) for track, t in stamps]
    assert given == pytest.approx([2.8, 2.7, 2.8, 2.8, 2.9, 2.8, 2.9])


def test_a_gap_in_the_sound_stays_a_gap(tmp_path: Path) -> None:
    whole = write_media(tmp_path / "whole.mkv", sound=Sound(noise(4), codec="flac"))
    holed = tmp_path / "holed.mkv"
    with av.open(str(whole)) as source, av.open(str(holed), "w") as out:
        track = out.add_stream_from_template(source.streams[0])
        for packet in source.demux():
            if packet.dts is not None and not 1.0 <= float(packet.dts * packet.time_base) < 3.0:
                packet.stream = track
                out.mux(packet)
    with FileSource(holed) as reader:
        items = list(reader)
        assert any("gap" in w for w in reader.warnings)
    blocks = blocks_of(items)
    assert not any(1.2 < (b.time + b.end) / 2 < 2.9 for b in blocks)
    assert any(p.medium == "audio" and 2.9 < p.time < 3.2 for p in progress_of(items))
    assert blocks[-1].end == pytest.approx(4.0, abs=0.01)


def test_one_damaged_time_stamp_shifts_nothing_else(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.ts", sound=Sound(noise(2), codec="mp2"))
    damage = Damage()
    with av.open(str(path)) as container:
        packets = [p for p in container.demux() if p.size]
        right = [p.dts for p in packets]
        packets[20].dts = packets[20].pts = right[20] + 40 * 90_000
        packets[40].dts = packets[40].pts = right[40] - 40 * 90_000
        continuity = Continuity({0: 1 / 90_000}, damage)
        given = [p for packet in packets for p in continuity.push(packet)]
        given += continuity.flush()
    assert [p.dts for p in given] == [*right[:20], None, *right[21:40], None, *right[41:]]
    assert damage.warnings == ("2 damaged time stamps, left out",)


def rewritten(path: Path, shift: Callable[[float], float], to: Path) -> Path:
    """The sound of a file with ``shift(time)`` seconds added to its time stamps."""
    with av.open(str(path)) as source, av.open(str(to), "w") as out:
        track = out.add_stream_from_template(source.streams[0])
        for packet in source.demux():
            if packet.dts is not None:
                late = round(shift(float(packet.dts * packet.time_base)) / packet.time_base)
                packet.pts = packet.dts = packet.dts + late
                packet.stream = track
                out.mux(packet)
    return to


def test_time_stamps_that_jitter_do_not_cut_the_sound(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", sound=Sound(noise(6), codec="flac"))
    path = rewritten(path, lambda time: 0.02 * (1 + math.sin(50 * time)), tmp_path / "jitter.mkv")
    blocks = blocks_of(items_of(path))
    assert all(b.time == pytest.approx(a.end, abs=1e-6) for a, b in pairwise(blocks))
    assert sum(b.samples.size for b in blocks) == 6 * SAMPLE_RATE


@pytest.mark.parametrize("share", [0.005, -0.005])
def test_a_sound_card_that_runs_fast_or_slow_stays_in_step(tmp_path: Path, share: float) -> None:
    clicked = [t + 0.5 for t in range(0, 30, 3)]
    path = write_media(tmp_path / "a.mkv", sound=Sound(clicks(clicked, 30), codec="flac"))
    path = rewritten(path, lambda time: share * time, tmp_path / "drift.mkv")
    assert onsets(items_of(path)) == pytest.approx([t * (1 + share) for t in clicked], abs=0.05)
