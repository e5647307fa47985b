"""What is cut out of a recording shows the moment it says it shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media import Sound, Video, clicks, quarters, square_left, write_media, write_still
from tests.report_cases import SECONDS, SHOT, make_analysis, recording
from vedette.report.annotate import annotate, box_at
from vedette.report.evidence import Evidence, reopen_file
from vedette_base.errors import MediaError
from vedette_base.media import SAMPLE_RATE, SourceInfo
from vedette_base.score import Coverage, Segment


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("media") / "clip.mp4")


def evidence_of(path: Path, *, sound: bool = True, picture: bool = True) -> Evidence:
    info = SourceInfo(path.name, SECONDS, sound, picture, (160, 120))
    return Evidence(reopen_file(path), info, SECONDS)


def bright_left(pixels: np.ndarray) -> int:  # type: ignore[type-arg]
    """Left edge of the white square."""
    return int(np.flatnonzero((pixels[:, :, 1] > 200).any(axis=0))[0])


def picture_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0) if frame.time is not None]


def sound_of(path: Path) -> tuple[float, np.ndarray]:  # type: ignore[type-arg]
    """Time of the first sample, and all samples."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].time is not None
    return frames[0].time, np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.parametrize("time", [0.0, 1.0, 2.52, 3.96])
def test_a_still_is_the_picture_of_that_moment(clip: Path, time: float) -> None:
    still = evidence_of(clip).still(time)
    assert still is not None
    assert still.time == pytest.approx(time, abs=0.021)
    assert bright_left(still.pixels) == pytest.approx(square_left(still.time, 160), abs=2)


def test_sound_is_cut_where_it_was_heard(clip: Path) -> None:
    heard = evidence_of(clip).sound(Segment(1.5, 2.5))
    assert heard is not None
    assert heard.samples.size == SAMPLE_RATE
    onset = np.flatnonzero(np.abs(heard.samples) > 0.2)[0] / SAMPLE_RATE
    assert heard.time + onset == pytest.approx(SHOT, abs=0.01)


def test_a_span_that_reaches_over_the_ends_is_cut_to_the_recording(clip: Path) -> None:
    heard = evidence_of(clip).sound(Segment(-3.0, 99.0))
    assert heard is not None
    assert heard.span == Segment(0.0, SECONDS)


def test_a_sense_that_is_absent_gives_nothing(tmp_path: Path) -> None:
    silent = recording(tmp_path / "silent.mp4", sound=False)
    assert evidence_of(silent, sound=False).sound(Segment(0, 1)) is None
    heard = recording(tmp_path / "sound.m4a", video=False)
    assert evidence_of(heard, picture=False).still(1.0) is None


def test_a_separate_sound_file_is_opened_again_at_its_offset(clip: Path, tmp_path: Path) -> None:
    other = write_media(tmp_path / "other.wav", sound=Sound(clicks([1.0], 2.0), codec="pcm_s16le"))
    info = SourceInfo("clip", SECONDS, True, True, (160, 120))
    evidence = Evidence(reopen_file(clip, audio_file=other, audio_offset=0.5), info, SECONDS)
    heard = evidence.sound(Segment(1.0, 3.0))
    assert heard is not None
    onsets = np.flatnonzero(np.abs(heard.samples) > 0.2) / SAMPLE_RATE + heard.time
    assert onsets[0] == pytest.approx(1.5, abs=0.01)
    assert onsets[-1] < 1.6


def test_a_clip_plays_the_seconds_it_was_cut_from(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "cut.mp4"
    assert evidence_of(clip).clip(Segment(1.0, 3.0), target) == Segment(1.0, 3.0)
    times = picture_times(target)
    assert times[0] == pytest.approx(0.0, abs=0.001)
    assert len(times) == pytest.approx(50, abs=1)
    begin, samples = sound_of(target)
    onset = begin + np.flatnonzero(np.abs(samples) > 0.2)[0] / SAMPLE_RATE
    assert onset == pytest.approx(SHOT - 1.0, abs=0.03)


def test_a_clip_of_sound_alone_is_sound_alone(tmp_path: Path) -> None:
    path = recording(tmp_path / "sound.m4a", video=False)
    target = tmp_path / "cut.mp4"
    assert evidence_of(path, picture=False).clip(Segment(1.0, 3.0), target) is not None
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


def test_the_annotated_video_keeps_every_time_of_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.51, 1.7, 1.75, 2.0, 3.2]
    path = write_media(
        tmp_path / "vfr.mp4",
        video=Video(times=times, width=160, height=120),
        sound=Sound(clicks([SHOT], 3.3)),
    )
    made = annotate(make_analysis(path), tmp_path / "out.mp4")
    assert picture_times(made) == pytest.approx(picture_times(path), abs=1e-4)
    begin, samples = sound_of(made)
    onset = begin + np.flatnonzero(np.abs(samples) > 0.2)[0] / SAMPLE_RATE
    assert onset == pytest.approx(SHOT, abs=0.03)


def test_the_annotated_video_shows_box_caption_and_strip(clip: Path, tmp_path: Path) -> None:
    made = annotate(make_analysis(clip), tmp_path / "out.mp4")
    with av.open(str(made)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (160, 160)
        frames = {
            round(frame.time or 0, 2): frame.to_ndarray(format="rgb24") for frame in container.decode(stream)
        }

    def yellow(picture: np.ndarray) -> int:  # type: ignore[type-arg]
        red, green, blue = (picture[:120, :, c].astype(int) for c in range(3))
        return int(((red > 150) & (green > 120) & (blue < 100)).sum())

    assert yellow(frames[2.0]) > 50  # the look at 2 s gave a box
    assert yellow(frames[0.52]) < 5  # far from it nothing is claimed about the place


def test_a_turned_phone_video_is_annotated_upright(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "phone.mp4", video=Video(seconds=1, width=160, height=120, rotation=90, draw=quarters)
    )
    analysis = make_analysis(path, sound=False)
    info = replace(analysis.source, size=(120, 160))
    made = annotate(replace(analysis, source=info, events=(), tracks=()), tmp_path / "out.mp4")
    with av.open(str(made)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape[1] == 120
    assert picture[30, 90].argmax() == 0  # the red quarter, turned to the upper right


def test_a_recording_of_sound_alone_gets_a_plain_picture_with_the_strip(tmp_path: Path) -> None:
    path = recording(tmp_path / "sound.m4a", video=False)
    analysis = make_analysis(path)
    info = replace(analysis.source, video=False, size=None)
    made = annotate(replace(analysis, source=info, tracks=()), tmp_path / "out.mp4")
    times = picture_times(made)
    assert times[-1] == pytest.approx(SECONDS, abs=0.15)
    assert np.diff(times) == pytest.approx(0.04, abs=1e-3)


def test_a_still_picture_becomes_a_short_video(tmp_path: Path) -> None:
    path = write_still(tmp_path / "still.png", width=64, height=48)
    analysis = make_analysis(path, sound=False)
    still = replace(
        analysis, source=replace(analysis.source, size=(64, 48)), duration=0.0, coverage=Coverage()
    )
    assert picture_times(annotate(still, tmp_path / "out.mp4")) == pytest.approx([0.0, 1.0])


def test_only_the_analysed_part_is_annotated(clip: Path, tmp_path: Path) -> None:
    part = Coverage((Segment(1.5, 2.5),), (Segment(1.5, 2.5),))
    made = annotate(replace(make_analysis(clip), coverage=part), tmp_path / "out.mp4")
    assert len(picture_times(made)) == pytest.approx(25, abs=1)
    begin, samples = sound_of(made)
    onset = begin + np.flatnonzero(np.abs(samples) > 0.2)[0] / SAMPLE_RATE
    assert onset == pytest.approx(SHOT - 1.5, abs=0.03)


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (33, 17)])
def test_odd_and_tiny_pictures_are_no_trouble(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    path = write_media(
        tmp_path / "tiny.mkv",
        video=Video(seconds=0.4, width=width, height=height, codec="ffv1", pix_fmt="yuv444p"),
    )
    analysis = make_analysis(path, sound=False)
    tiny = replace(analysis, source=replace(analysis.source, size=size), duration=0.4)
    assert len(picture_times(annotate(tiny, tmp_path / "out.mp4"))) == 10
    evidence = Evidence(reopen_file(path), tiny.source, 0.4)
    assert evidence.clip(Segment(0.0, 0.4), tmp_path / "cut.mp4") is not None
    still = evidence.still(0.2)
    assert still is not None
    assert still.pixels.shape == (height, width, 3)


def test_nothing_to_annotate_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no video can be annotated"):
        annotate(make_analysis(None), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_box_is_moved_between_close_looks_and_dropped_between_far_ones() -> None:
    looks = [(1.0, (0.0, 0.0, 10.0, 10.0)), (1.5, (10.0, 0.0, 20.0, 10.0)), (9.0, (0.0, 0.0, 1.0, 1.0))]
    assert box_at(1.25, looks) == (5.0, 0.0, 15.0, 10.0)
    assert box_at(1.7, looks) == (10.0, 0.0, 20.0, 10.0)
    assert box_at(5.0, looks) is None
    assert box_at(0.5, looks) is None
    assert box_at(0.8, looks) == (0.0, 0.0, 10.0, 10.0)
