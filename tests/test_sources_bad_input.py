"""Bad input gives one clear line and a hint; what can be read is read, and damage is counted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.media import (
    FASTSTART,
    Sound,
    Video,
    damage,
    noise,
    tone,
    truncate,
    write_media,
    write_still,
    write_wav_float,
)
from tests.received import blocks_of, frames_of, progress_of
from vedette.sources import FileSource, find_recordings, is_recording, probe
from vedette_base.errors import InputError, MediaError, NoMediumError
from vedette_base.media import MediaItem


def clip(path: Path, seconds: float = 4.0, **options: object) -> Path:
    return write_media(
        path,
        video=Video(seconds=seconds),
        sound=Sound(noise(seconds)),
        **options,  # type: ignore[arg-type]
    )


def refusal(path: Path, kind: type[MediaError] = MediaError) -> MediaError:
    """The error of opening or reading ``path``, which must be one line that names it, and a hint."""
    with pytest.raises(kind) as caught, FileSource(path) as source:
        list(source)
    error = caught.value
    assert "\n" not in str(error)
    assert str(path) in str(error)
    assert error.hint
    return error


def read(path: Path) -> tuple[list[MediaItem], tuple[str, ...]]:
    with FileSource(path) as source:
        return list(source), source.warnings


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in str(refusal(tmp_path / "nowhere.mp4"))


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in str(refusal(tmp_path))


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "empty" in str(refusal(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", 0.5)
    path.chmod(0)
    assert "permission" in str(refusal(path))


@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.wav", "text.jpg"])
def test_text_is_no_recording(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("This is not a recording.\n" * 100)
    refusal(path)
    assert not is_recording(path)


@pytest.mark.parametrize("ending", ["mp4", "wav", "mkv", "mp3", "avi", "ts", "jpg", "png", "bin"])
def test_random_bytes_are_no_recording(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"garbage.{ending}"
    path.write_bytes(np.random.default_rng(7).bytes(60_000))
    refusal(path)


def test_an_mp4_cut_off_before_its_index_says_so(tmp_path: Path) -> None:
    path = truncate(clip(tmp_path / "cut.mp4"), 0.6)
    error = refusal(path)
    assert "cut off" in str(error)
    assert "moov" in str(error)
    assert "untrunc" in error.hint
    assert not is_recording(path)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_a_recording_cut_off_in_the_middle_is_read_up_to_there(tmp_path: Path, ending: str) -> None:
    options = FASTSTART if ending == "mp4" else None
    whole = clip(tmp_path / f"whole.{ending}", 8.0, options=options)
    said = probe(whole).duration
    path = truncate(whole, 0.5, to=tmp_path / f"half.{ending}")
    items, warnings = read(path)
    ends = [b.end for b in blocks_of(items)]
    assert 2.0 < max(ends) < 7.0
    frames = frames_of(items)
    assert 2.0 < frames[-1].time < 7.0
    if ending != "ts":  # a transport stream does not say how long it is
        assert said == pytest.approx(8.0, abs=0.1)
        assert any("cut off" in w for w in warnings), warnings


def test_damaged_packets_are_skipped_and_counted(tmp_path: Path) -> None:
    path = damage(clip(tmp_path / "a.mp4", 8.0, options=FASTSTART), every=61)
    items, warnings = read(path)
    assert any("damaged" in w for w in warnings), warnings
    blocks = blocks_of(items)
    assert blocks[-1].end == pytest.approx(8.0, abs=0.2)
    assert all(np.isfinite(b.samples).all() for b in blocks)
    frames = frames_of(items)
    assert frames[-1].time == pytest.approx(7.8, abs=0.3)


def test_a_damaged_transport_stream_is_read_to_its_end(tmp_path: Path) -> None:
    path = damage(clip(tmp_path / "a.ts", 8.0), every=61)
    items, warnings = read(path)
    assert warnings
    assert blocks_of(items)[-1].end == pytest.approx(8.0, abs=0.3)


def test_sound_of_no_length(tmp_path: Path) -> None:
    path = write_wav_float(tmp_path / "zero.wav", np.empty(0, np.float32))
    assert "no sound and no picture" in str(refusal(path, NoMediumError))


def test_a_video_without_a_single_packet(tmp_path: Path) -> None:
    path = write_media(tmp_path / "zero.mkv", video=Video(times=[]))
    refusal(path)


def test_a_sound_track_of_no_length_beside_pictures(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.mkv", video=Video(seconds=3), sound=Sound(np.empty(0, np.float32), codec="flac")
    )
    items, _ = read(path)
    progress = progress_of(items)
    assert {p.medium for p in progress} == {"audio"}
    assert progress[-1].time == pytest.approx(3.0, abs=0.1)


def test_subtitles_alone_are_neither_sound_nor_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:02,000\nHello\n")
    assert "neither sound nor pictures" in str(refusal(path, NoMediumError))


def test_a_cut_off_photograph_says_so_or_gives_what_there_is(tmp_path: Path) -> None:
    whole = write_still(tmp_path / "whole.png", width=200, height=200)
    refusal(truncate(whole, 0.02, to=tmp_path / "cut.png"))


def test_options_out_of_range_are_refused_by_name(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", 1.0)
    for options, words in (
        ({"start": 0.5, "end": 0.5}, "end must be later than start"),
        ({"start": -1.0}, "start must be"),
        ({"start": float("nan")}, "start must be"),
        ({"end": float("nan")}, "end must be"),
        ({"start": 5.0}, "lasts only 1.0"),
        ({"audio_track": 1}, "1 sound track"),
        ({"audio_track": -1}, "1 sound track"),
        ({"frames_per_second": 0}, "frames_per_second"),
        ({"recorded_at": "yesterday"}, "ISO 8601"),
        ({"recorded_at": "2026-03-01T18:00:00"}, "time zone"),
        ({"audio_offset": float("inf")}, "audio_offset"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            FileSource(path, **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_a_start_behind_an_end_that_nobody_knew_is_refused_while_reading(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.h264", video=Video(seconds=1), format="h264")
    with pytest.raises(InputError, match="ends at"), FileSource(path, start=50.0) as source:
        list(source)


def test_a_separate_sound_file_without_sound_is_refused(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", 1.0)
    silent = write_media(tmp_path / "b.mp4", video=Video(seconds=1))
    with pytest.raises(NoMediumError, match="has none"):
        FileSource(path, audio_file=silent)


def test_a_source_is_iterated_once(tmp_path: Path) -> None:
    with FileSource(clip(tmp_path / "a.mp4", 0.5)) as source:
        list(source)
        with pytest.raises(InputError, match="once"):
            list(source)


def test_a_folder_is_scanned_by_endings_and_looked_into(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    good = [
        clip(tmp_path / "b" / "x.mp4", 0.5),
        clip(tmp_path / "a.MKV", 0.5),
        write_still(tmp_path / "c.jpg"),
    ]
    bad = tmp_path / "bad.mp4"
    bad.write_text("no")
    (tmp_path / "notes.txt").write_text("no")
    (tmp_path / ".hidden.mp4").write_bytes(good[0].read_bytes())
    assert find_recordings(tmp_path) == sorted([*good, bad])
    assert [is_recording(p) for p in good] == [True] * 3
    assert not is_recording(bad)
    assert not is_recording(tmp_path / "b")
    assert not is_recording(tmp_path / "nowhere.mp4")
    with pytest.raises(MediaError, match="no such folder"):
        find_recordings(tmp_path / "nowhere")


def test_probe_tells_what_there_is(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.mp4",
        video=Video(seconds=2, width=64, height=48),
        sound=[Sound(tone(440, 2)), Sound(tone(440, 2))],
        metadata={"creation_time": "2026-03-01T18:00:00Z"},
    )
    info = probe(path)
    assert (info.audio, info.video, info.size, info.frame_rate) == (True, True, (64, 48), 25.0)
    assert info.duration == pytest.approx(2.0, abs=0.05)
    assert info.recorded_at == "2026-03-01T18:00:00+00:00"
    assert "2 sound tracks" in info.notes
    with FileSource(path, recorded_at="2026-03-01T19:00:00+02:00") as source:
        assert source.info.recorded_at == "2026-03-01T19:00:00+02:00"
