"""Any sound becomes 48 kHz mono float32 that is finite, sample for sample where it should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.media import Samples, Sound, Video, clicks, noise, silence, tone, write_media, write_wav_float
from tests.received import items_of, joined
from vedette.sources import FileSource
from vedette_base.errors import InputError
from vedette_base.media import SAMPLE_RATE, AudioBlock, Progress


def sound_of(path: Path, **options: object) -> Samples:
    """All sound of a recording without gaps."""
    return joined(items_of(path, **options))[1]


def loudness_at(samples: Samples, hertz: float) -> float:
    """Amplitude of a sine in the middle of some sound."""
    middle = samples[samples.size // 4 : -samples.size // 4].astype(np.float64)
    wave = np.exp(-2j * np.pi * hertz * np.arange(middle.size) / SAMPLE_RATE)
    return float(2 * np.abs(np.mean(middle * wave)))


def test_48_khz_is_passed_on_sample_for_sample(tmp_path: Path) -> None:
    samples = noise(1.0)
    path = write_wav_float(tmp_path / "a.wav", samples)
    assert np.array_equal(sound_of(path), samples)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le", "pcm_u8", "pcm_f64le", "pcm_s32le"])
def test_every_sample_format_has_the_same_scale(tmp_path: Path, codec: str) -> None:
    path = write_media(tmp_path / "a.wav", sound=Sound(tone(1000, 1, level=0.5), codec=codec))
    samples = sound_of(path)
    assert samples.size == SAMPLE_RATE
    assert np.abs(samples - tone(1000, 1, level=0.5)).max() < (0.02 if codec == "pcm_u8" else 1e-4)


@pytest.mark.parametrize(("codec", "tolerance"), [("pcm_mulaw", 0.02), ("pcm_alaw", 0.02)])
def test_telephone_sound_at_8_khz(tmp_path: Path, codec: str, tolerance: float) -> None:
    path = write_media(tmp_path / "phone.wav", sound=Sound(tone(500, 2, rate=8000), rate=8000, codec=codec))
    samples = sound_of(path)
    assert samples.size == pytest.approx(2 * SAMPLE_RATE, abs=SAMPLE_RATE // 100)
    assert loudness_at(samples, 500) == pytest.approx(0.3, abs=tolerance)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 96_000])
def test_resampling_keeps_the_time_of_a_click(tmp_path: Path, rate: int) -> None:
    path = write_media(
        tmp_path / "a.wav", sound=Sound(clicks([0.75], 1.5, rate=rate), rate=rate, codec="pcm_s16le")
    )
    samples = sound_of(path)
    peak = int(np.argmax(np.abs(samples)))
    assert peak / SAMPLE_RATE == pytest.approx(0.7503, abs=0.0006)
    assert samples.size == pytest.approx(1.5 * SAMPLE_RATE, abs=5)


def test_cinema_sound_of_eight_channels(tmp_path: Path) -> None:
    planes = np.zeros((8, SAMPLE_RATE), np.float32)
    planes[:] = tone(700, 1)
    planes[3] = tone(50, 1, level=0.9)  # bass effects: not part of what was heard
    path = write_media(tmp_path / "71.mkv", sound=Sound(planes, layout="7.1", codec="flac"))
    samples = sound_of(path)
    assert loudness_at(samples, 700) == pytest.approx(0.3, abs=0.005)
    assert loudness_at(samples, 50) < 0.005


def test_eight_planar_channels_of_aac(tmp_path: Path) -> None:
    path = write_media(tmp_path / "71.mp4", sound=Sound(tone(700, 1), layout="7.1", codec="aac"))
    assert loudness_at(sound_of(path), 700) == pytest.approx(0.3, abs=0.02)


def test_stereo_is_the_mean_of_its_channels(tmp_path: Path) -> None:
    planes = np.stack([tone(600, 1, level=0.4), silence(1)])
    path = write_media(tmp_path / "st.wav", sound=Sound(planes, layout="stereo", codec="pcm_s16le"))
    assert loudness_at(sound_of(path), 600) == pytest.approx(0.2, abs=0.002)


def test_samples_that_are_no_numbers_become_zero_and_are_counted(tmp_path: Path) -> None:
    samples = tone(440, 1, rate=44_100)
    samples[10_000:10_050] = np.nan
    samples[20_000] = np.inf
    samples[20_001] = -3e38
    path = write_wav_float(tmp_path / "nan.wav", samples, rate=44_100)
    with FileSource(path) as source:
        heard = np.concatenate([i.samples for i in source if isinstance(i, AudioBlock)])
        assert any(w.startswith("52 sound samples") for w in source.warnings)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < 0.6


def test_sound_of_nothing_but_nan_is_read_to_its_end(tmp_path: Path) -> None:
    path = write_wav_float(tmp_path / "nan.wav", np.full(SAMPLE_RATE, np.nan, np.float32))
    samples = sound_of(path)
    assert samples.size == SAMPLE_RATE
    assert not samples.any()


def test_the_first_of_two_tracks_is_read_unless_another_is_named(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "two.mp4",
        video=Video(seconds=1),
        sound=[Sound(tone(500, 1)), Sound(tone(900, 1), rate=44_100)],
    )
    assert loudness_at(sound_of(path), 500) > 0.25
    assert loudness_at(sound_of(path, audio_track=1), 900 * 44_100 / 48_000) < 0.3
    assert loudness_at(sound_of(path, audio_track=1), 500) < 0.02
    with pytest.raises(InputError, match="2 sound tracks") as caught:
        FileSource(path, audio_track=2)
    assert "0 to 1" in caught.value.hint


def test_sound_alone_moves_the_pictures_watermark_on(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", sound=Sound(tone(440, 3.5), codec="pcm_s16le"))
    with FileSource(path) as source:
        assert not source.info.video
        items = list(source)
    progress = [i for i in items if isinstance(i, Progress)]
    assert {p.medium for p in progress} == {"vision"}
    assert {p.reason for p in progress} == {"no pictures"}
    assert [p.time for p in progress] == sorted(p.time for p in progress)
    assert progress[-1].time == pytest.approx(3.5)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    import av

    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("libmp3lame", rate=48_000)
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(tone(440, 1).reshape(1, -1), "fltp", "mono")
        frame.sample_rate = 48_000
        packets = [*cover.encode(av.VideoFrame(32, 32, "yuvj420p")), *cover.encode(None)]
        for packet in [*packets, *sound.encode(frame), *sound.encode(None)]:
            out.mux(packet)
    with FileSource(path) as source:
        assert source.info.audio
        assert not source.info.video


def test_digital_silence_is_delivered_as_it_is(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", sound=Sound(silence(1), codec="pcm_s16le"))
    assert not sound_of(path).any()
