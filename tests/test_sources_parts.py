"""A part of a recording, several pieces as one, and sound from another file: always on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media import FASTSTART, Sound, Video, clicks, noise, tone, truncate, write_media
from tests.received import blocks_of, frames_of, items_of, joined, onsets, progress_of, times_of
from vedette.sources import FileSource, order_pieces
from vedette_base.errors import InputError, NoMediumError
from vedette_base.media import SAMPLE_RATE, Progress


@pytest.mark.parametrize(
    ("ending", "codec", "rate", "tolerance"),
    [
        ("wav", "pcm_s16le", 48_000, 0.0),
        ("wav", "pcm_s16le", 44_100, 1e-6),
        ("mkv", "flac", 32_000, 1e-6),
        ("mp4", "aac", 44_100, 1e-5),
        ("mp4", "aac", 8_000, 1e-5),
        ("flac", "flac", 44_100, 1e-6),
        ("mp3", "libmp3lame", 44_100, 1e-5),
        ("ts", "mp2", 44_100, 1e-5),
        ("ogg", "libopus", 48_000, 1e-5),
    ],
)
def test_a_part_has_the_very_samples_of_the_whole(
    tmp_path: Path, ending: str, codec: str, rate: int, tolerance: float
) -> None:
    # AAC's "noise substitution" is made up anew by every run of a decoder
    options = {"aac_pns": "0"} if codec == "aac" else {}
    sound = Sound(noise(8, rate=rate), rate=rate, codec=codec, options=options)
    path = write_media(tmp_path / f"a.{ending}", sound=sound)
    origin, whole = joined(items_of(path))
    time, part = joined(items_of(path, start=4.321, end=5.678))
    assert time == pytest.approx(4.321, abs=1 / SAMPLE_RATE)
    assert part.size == pytest.approx(1.357 * SAMPLE_RATE, abs=2)
    first = round((time - origin) * SAMPLE_RATE)
    assert np.abs(part - whole[first : first + part.size]).max() <= tolerance


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("start", [3.1, 3.33])
def test_a_part_has_the_very_pictures_of_the_whole(tmp_path: Path, ending: str, start: float) -> None:
    codec = "mpeg4" if ending == "avi" else "libx264"
    options = {} if ending == "avi" else {"g": "60", "bf": "3", "b_adapt": "0", "preset": "veryfast"}
    path = write_media(
        tmp_path / f"a.{ending}", video=Video(seconds=8, rate=30, codec=codec, options=options)
    )
    whole = {round(f.time, 3): f for f in frames_of(items_of(path)) if start <= f.time < 6.01}
    part = frames_of(items_of(path, start=start, end=6.01))
    assert [round(f.time, 3) for f in part] == list(whole)
    for frame in part:
        assert np.array_equal(frame.bgr(80, 60), whole[round(frame.time, 3)].bgr(80, 60))


def test_a_part_says_what_it_left_out(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=4), sound=Sound(tone(440, 4)))
    items = items_of(path, start=2.0, end=3.0)
    assert progress_of(items)[:2] == [
        Progress("audio", 2.0, "before the part asked for"),
        Progress("vision", 2.0, "before the part asked for"),
    ]
    assert all(2.0 <= time < 3.0 for time in times_of(items))
    assert max(b.end for b in blocks_of(items)) == pytest.approx(3.0, abs=1e-4)


@pytest.mark.parametrize("medium", ["audio", "vision"])
def test_one_medium_alone_can_be_asked_for(tmp_path: Path, medium: str) -> None:
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=3), sound=Sound(tone(440, 3)))
    items = items_of(path, media=(medium,))
    assert bool(blocks_of(items)) == (medium == "audio")
    assert bool(frames_of(items)) == (medium == "vision")
    assert {(p.medium == medium, p.reason) for p in progress_of(items)} == {(False, "not asked for")}
    with pytest.raises(InputError, match="media must be"):
        FileSource(path, media=("sound",))  # type: ignore[arg-type]


def test_a_medium_that_is_asked_for_alone_and_absent_is_named(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=1))
    with pytest.raises(NoMediumError, match="holds no sound"):
        items_of(path, media=("audio",))


def test_the_end_is_found_where_sound_stops_before_it(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=30, rate=10), sound=Sound(tone(440, 2)))
    items = items_of(path, start=5.0, end=8.0)
    assert [f.time for f in frames_of(items)] == pytest.approx([5 + i / 5 for i in range(15)])
    assert not blocks_of(items)


def test_when_the_sound_ends_early_its_watermark_moves_on(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=20, rate=10), sound=Sound(tone(440, 3)))
    items = items_of(path)
    after = progress_of(items)
    assert all(p.medium == "audio" for p in after)
    assert after[0].time < 6.0
    assert after[-1].time == pytest.approx(20.0, abs=0.1)
    assert any("ended" in p.reason for p in after)
    assert len(after) > 10


def test_when_the_picture_ends_early_its_last_frames_come_first(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=3), sound=Sound(tone(440, 20)))
    items = items_of(path)
    assert len(frames_of(items)) == 15
    told = progress_of(items)
    assert told[0].time < 7.0
    assert (told[-1].medium, told[-1].reason) == ("vision", "picture ended")
    assert told[-1].time == pytest.approx(20.0, abs=0.5)
    assert items.index(told[0]) > items.index(frames_of(items)[-1])


def test_sound_that_pauses_is_told_and_goes_on(tmp_path: Path) -> None:
    sound = write_media(tmp_path / "a.mkv", sound=Sound(clicks([1.0, 29.0], 30), codec="flac"))
    video = write_media(tmp_path / "v.mkv", video=Video(seconds=30, rate=10))
    path = tmp_path / "both.mkv"
    with av.open(str(sound)) as one, av.open(str(video)) as two, av.open(str(path), "w") as out:
        tracks = {one: out.add_stream_from_template(one.streams[0])}
        tracks[two] = out.add_stream_from_template(two.streams[0])
        packets = [(float(p.dts * p.time_base), c, p) for c in tracks for p in c.demux() if p.dts is not None]
        for time, container, packet in sorted(packets, key=lambda p: p[0]):
            if container is two or not 3.0 <= time < 27.0:
                packet.stream = tracks[container]
                out.mux(packet)
    items = items_of(path)
    assert onsets(items) == pytest.approx([1.0, 29.0], abs=0.01)
    told = [p.time for p in progress_of(items)]
    assert len(told) > 15
    assert all(2.9 < time < 27.1 for time in told)
    assert not [b for b in blocks_of(items) if 3.2 < b.time < 26.9]


@pytest.mark.parametrize("offset", [0.0, 1.5, -0.5])
def test_sound_of_another_file_is_laid_where_it_belongs(tmp_path: Path, offset: float) -> None:
    video = write_media(tmp_path / "v.mp4", video=Video(seconds=4), sound=Sound(tone(440, 4)))
    sound = write_media(
        tmp_path / "a.wav", sound=Sound(clicks([1.0, 2.0], 3, rate=44_100), rate=44_100, codec="pcm_s16le")
    )
    with FileSource(video, audio_file=sound, audio_offset=offset) as source:
        assert any("a.wav" in note for note in source.info.notes)
        items = list(source)
    assert onsets(items) == pytest.approx([1.0 + offset, 2.0 + offset], abs=0.002)
    assert len(frames_of(items)) == 20
    assert blocks_of(items)[0].time == pytest.approx(max(0.0, offset), abs=1e-4)
    times = times_of(items)
    assert times == sorted(times)


def test_sound_of_another_file_for_a_silent_video(tmp_path: Path) -> None:
    video = write_media(tmp_path / "v.mp4", video=Video(seconds=2))
    sound = write_media(tmp_path / "a.mp3", sound=Sound(tone(440, 2), codec="libmp3lame"))
    items = items_of(video, audio_file=sound)
    assert not [p for p in progress_of(items) if "no sound track" in p.reason]
    assert sum(b.samples.size for b in blocks_of(items)) > 1.9 * SAMPLE_RATE


def pieces(folder: Path, created: Sequence[str | None]) -> list[Path]:
    """Three pieces of two seconds with a click in their middle."""
    return [
        write_media(
            folder / f"cam_{number}.mp4",
            video=Video(seconds=2),
            sound=Sound(clicks([1.0], 2)),
            metadata={"creation_time": moment} if moment else None,
        )
        for number, moment in zip((9, 10, 11), created, strict=True)
    ]


def test_numbered_pieces_are_one_recording_on_one_clock(tmp_path: Path) -> None:
    first, *rest = order_pieces(reversed(pieces(tmp_path, [None, None, None])))
    with FileSource(first, sequence=rest) as source:
        assert source.info.duration == pytest.approx(6.0, abs=0.2)
        assert any("3 pieces" in note for note in source.info.notes)
        items = list(source)
    assert onsets(items) == pytest.approx([1.0, 3.0, 5.0], abs=0.1)
    assert len(frames_of(items)) == pytest.approx(30, abs=1)
    times = times_of(items)
    assert times == sorted(times)


def test_a_gap_between_pieces_is_kept_when_their_times_tell_it(tmp_path: Path) -> None:
    created = ["2026-03-01T18:00:00Z", "2026-03-01T18:00:12Z", "2026-03-01T18:00:14Z"]
    first, *rest = pieces(tmp_path, created)
    with FileSource(first, sequence=rest) as source:
        assert source.info.recorded_at == "2026-03-01T18:00:00+00:00"
        items = list(source)
        assert any("missing before cam_10.mp4" in w for w in source.warnings)
    assert onsets(items) == pytest.approx([1.0, 13.0, 15.0], abs=0.1)
    gaps = progress_of(items)
    assert {g.medium for g in gaps} == {"audio", "vision"}
    assert all(g.time == pytest.approx(12.0, abs=0.3) for g in gaps)


def test_pieces_that_all_carry_one_time_follow_back_to_back(tmp_path: Path) -> None:
    first, *rest = pieces(tmp_path, ["2026-03-01T18:00:00Z"] * 3)
    assert onsets(items_of(first, sequence=rest)) == pytest.approx([1.0, 3.0, 5.0], abs=0.1)


def test_a_part_of_a_sequence_opens_only_the_pieces_it_needs(tmp_path: Path) -> None:
    first, *rest = pieces(tmp_path, [None, None, None])
    items = items_of(first, sequence=rest, start=4.5)
    assert onsets(items) == pytest.approx([5.0], abs=0.1)
    assert all(f.time >= 4.5 for f in frames_of(items))


def test_a_piece_that_is_only_half_there_does_not_shift_the_next(tmp_path: Path) -> None:
    paths = [
        write_media(
            tmp_path / f"cam_{n}.mp4",
            video=Video(seconds=6),
            sound=Sound(noise(6) * 0.2 + clicks([5.0], 6, level=0.7)),
            options=FASTSTART,
        )
        for n in (1, 2)
    ]
    truncate(paths[0], 0.5)
    with FileSource(paths[0], sequence=paths[1:]) as source:
        items = list(source)
        assert any("cut off" in w for w in source.warnings)
    assert onsets(items, 0.4) == pytest.approx([11.0], abs=0.1)


def test_pieces_are_ordered_by_number_not_by_letter() -> None:
    names = ["ch1_10.mp4", "ch1_9.mp4", "ch1_100.mp4", "ch0_500.mp4"]
    assert [p.name for p in order_pieces(names)] == ["ch0_500.mp4", "ch1_9.mp4", "ch1_10.mp4", "ch1_100.mp4"]
    stamps = ["20260301_180000.avi", "20260228_235959.avi"]
    assert [p.name for p in order_pieces(stamps)] == stamps[::-1]
    chapters = ["GH010154.MP4", "GH020153.MP4", "GH010153.MP4"]
    assert [p.name for p in order_pieces(chapters)] == ["GH010153.MP4", "GH020153.MP4", "GH010154.MP4"]
