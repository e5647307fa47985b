"""The data set tells the truth: twins share targets, unknown firearms are masked, no recording twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.sounds import HEAD, write_data, write_sound
from vedette_audio import synthetic
from vedette_audio.augment import Channel, Placed, local_level, mix, place
from vedette_audio.dataset import (
    Clip,
    SoundCache,
    decode,
    decoded,
    distinct_sounds,
    read_manifest,
    share_targets,
    shot_peaks,
    twin_types,
    without_doubles,
)
from vedette_audio.scenes import SceneMaker
from vedette_base.config import AudioAugmentConfig, AudioTrainConfig
from vedette_base.errors import DataError
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import AUDIO_LABELS, GUNSHOT

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Clip, ...], SoundCache]:
    folder = tmp_path_factory.mktemp("data")
    clips = read_manifest(write_data(folder))
    return clips, SoundCache.open(folder, clips, folder / "cache")


def on(values: Floats) -> set[str]:
    return {label for label, value in zip(AUDIO_LABELS, values, strict=True) if value}


def test_twins_share_their_targets(data: tuple[tuple[Clip, ...], SoundCache]) -> None:
    clips, cache = data
    twins = twin_types(clips, cache)
    assert twins == (frozenset({"M4", "M16"}),)
    shared = share_targets(clips, twins)
    for clip in shared:
        if clip.fine in ("M4", "M16"):
            assert on(clip.targets) == {"M4", "M16", GUNSHOT}
        if clip.fine == "AK-47":
            assert on(clip.targets) == {"AK-47", GUNSHOT}


def test_a_sound_that_occurs_twice_is_learnt_once(data: tuple[tuple[Clip, ...], SoundCache]) -> None:
    clips, cache = data
    kept = without_doubles(clips, cache)
    assert kept == distinct_sounds(clips, cache, merge_twins=False)
    assert len(clips) - len(kept) == 6
    assert {clip.fine for clip in kept} == {"M4", "AK-47", "gun", "rain", "dog"}


def test_a_sound_of_two_names_is_learnt_once_under_both(data: tuple[tuple[Clip, ...], SoundCache]) -> None:
    clips, cache = data
    kept = distinct_sounds(clips, cache)
    assert [clip.path for clip in kept] == [clip.path for clip in without_doubles(clips, cache)]
    assert {clip.types for clip in kept if clip.fine == "M4"} == {("M16", "M4")}


def test_a_shot_of_an_unknown_firearm_says_nothing_about_types() -> None:
    unknown = Clip("x", "s", True, "gun", "g", "train")
    assert on(unknown.targets) == {GUNSHOT}
    assert on(unknown.mask) == {GUNSHOT}
    noise = Clip("x", "s", False, "rain", "g", "train")
    assert on(noise.targets) == set()
    assert on(noise.mask) == set(AUDIO_LABELS)


def test_a_recording_on_both_sides_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(HEAD + "a,s,x,other,rain,g,train,1,1,\n" + "b,s,x,other,rain,g,val,1,1,\n")
    with pytest.raises(DataError, match="both sides of the split"):
        read_manifest(path)


def test_a_manifest_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("path,label\na,other\n")
    with pytest.raises(DataError, match="no column source"):
        read_manifest(path)
    with pytest.raises(DataError, match="manifest"):
        read_manifest(tmp_path / "none" / "manifest.csv")


def test_a_clip_that_is_no_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ogg").write_bytes(b"not sound")
    clip = Clip("a.ogg", "s", False, "rain", "g", "train")
    with pytest.raises(DataError, match=r"a\.ogg"):
        SoundCache.open(tmp_path, [clip], tmp_path / "cache")


def test_clips_are_decoded_to_48_khz_and_only_once(data: tuple[tuple[Clip, ...], SoundCache]) -> None:
    clips, cache = data
    rain = next(clip for clip in clips if clip.fine == "rain")
    assert cache.sound(rain).size == pytest.approx(2.5 * SAMPLE_RATE, abs=64)
    assert np.std(cache.sound(rain)) == pytest.approx(0.1, rel=0.1)


def test_the_shot_stays_inside_the_crop(data: tuple[tuple[Clip, ...], SoundCache]) -> None:
    clips, cache = data
    shot = next(clip for clip in clips if clip.fine == "gun")
    sound = cache.sound(shot)
    peak = int(shot_peaks(sound)[0])
    assert peak / SAMPLE_RATE == pytest.approx(2.0, abs=0.03)
    rng = np.random.default_rng(0)
    for _ in range(50):
        placed = place(sound, peak, 97_792, rng)
        assert placed.impulse is not None
        assert np.abs(placed.sound[placed.impulse : placed.impulse + 4800]).max() > 0.2


def test_a_background_is_mixed_at_the_ratio_asked_for() -> None:
    rng = np.random.default_rng(0)
    shot = np.zeros(48_000, np.float32)
    shot[10_000:14_800] = rng.standard_normal(4800) * 0.1
    background = rng.standard_normal(48_000).astype(np.float32)
    placed = Placed(shot, 10_000)
    mixed = mix(placed, background, 10.0).sound - shot
    ratio = 20 * np.log10(local_level(placed) / np.sqrt(np.mean(mixed**2)))
    assert ratio == pytest.approx(10.0, abs=0.1)


def test_every_channel_leaves_sound_that_can_be_heard() -> None:
    channel, rng = Channel(AudioAugmentConfig()), np.random.default_rng(3)
    for _ in range(40):
        sound = channel(synthetic.disturbances(rng, 48_000), rng)
        assert sound.dtype == np.float32
        assert sound.shape == (48_000,)
        assert np.all(np.isfinite(sound))
        assert 0 < np.abs(sound).max() <= 1


def test_scenes_hold_what_they_say(data: tuple[tuple[Clip, ...], SoundCache]) -> None:
    clips, cache = data
    clips = distinct_sounds(clips, cache)
    maker = SceneMaker([c for c in clips if c.split == "train"], cache, AudioTrainConfig(), 48_896)
    rng = np.random.default_rng(0)
    scenes = [maker.draw(rng) for _ in range(150)]
    shots = [scene for scene in scenes if scene.targets[-1]]
    assert 50 < len(shots) < 100
    assert {frozenset(on(scene.targets)) for scene in shots} == {
        frozenset({"M4", "M16", GUNSHOT}),
        frozenset({"AK-47", GUNSHOT}),
        frozenset({GUNSHOT}),
    }
    for scene in scenes:
        assert scene.sound.shape == (48_896,)
        assert scene.fine.shape == (len(maker.fine_names),)
        assert scene.mask[:-1].all() or on(scene.targets) == {GUNSHOT}


def test_the_same_seed_draws_the_same_scene(data: tuple[tuple[Clip, ...], SoundCache]) -> None:
    clips, cache = data
    maker = SceneMaker(clips, cache, AudioTrainConfig(), 48_896)
    one, two = (maker.draw(np.random.default_rng((0, 7))) for _ in range(2))
    np.testing.assert_array_equal(one.sound, two.sound)


def test_the_public_set_has_the_twins_it_is_known_for(datasets: Path) -> None:
    clips = [c for c in read_manifest(datasets / "audio" / "manifest.csv") if c.fine in ("M4", "M16")]
    assert {c.types for c in share_targets(clips, (frozenset({"M4", "M16"}),))} == {("M16", "M4")}


def test_a_long_clip_is_kept_and_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six hours are 4 GB as floats: nothing may hold a whole clip to decode, hash or hear it."""
    rng = np.random.default_rng(0)
    write_sound(tmp_path / "long.flac", (rng.standard_normal(150 * 32_000) * 0.1).astype(np.float32))
    (tmp_path / "manifest.csv").write_text(
        HEAD + "long.flac,own,detection,other,hum,a,train,32000,150,\n", encoding="utf-8"
    )
    pieces = [piece.size for piece in decoded(tmp_path / "long.flac")]
    assert max(pieces) < SAMPLE_RATE
    assert sum(pieces) == pytest.approx(150 * SAMPLE_RATE, abs=SAMPLE_RATE // 10)
    (clip,) = read_manifest(tmp_path / "manifest.csv")
    monkeypatch.setattr("vedette_audio.dataset.decode", None)
    sounds = SoundCache.open(tmp_path, [clip], tmp_path / "cache")
    blocks = list(sounds.blocks(clip))
    assert [block.size for block in blocks[:2]] == [60 * SAMPLE_RATE] * 2
    np.testing.assert_array_equal(np.concatenate(blocks), sounds.sound(clip))
    assert decode(tmp_path / "long.flac", 1.5).size == 1.5 * SAMPLE_RATE
