"""The synthesised scene: its sound obeys physics, its pictures show what its truth says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from vedette.demo import make_demo
from vedette_base.errors import InputError, OutputError
from vedette_base.media import SAMPLE_RATE
from vedette_fusion import acoustics
from vedette_fusion.acoustics import PISTOL, RIFLE, Street
from vedette_fusion.figure import Pose, draw
from vedette_fusion.scenes import Scene, Script, pose_at

SHORT = Script(
    duration=2.0, fired=(1.2,), arrives=(0.0, 0.3), draws=(0.4, 0.8), rests=(), hides=(1.6, 1.8),
    leaves=(1.8, 2.0), claps=(0.5,), slams=(),
)  # fmt: skip
SMALL = Scene(SHORT, seed=3, size=(160, 96), frame_rate=10)


@pytest.mark.parametrize(
    ("hertz", "decibel_per_kilometre"),
    [(125, 0.45), (250, 1.3), (500, 2.7), (1000, 4.7), (2000, 9.9), (4000, 29.7), (8000, 105.0)],
)
def test_air_absorbs_as_the_tables_of_iso_9613_say(hertz: float, decibel_per_kilometre: float) -> None:
    found = 1000.0 * acoustics.air_absorption(np.array([hertz]))[0]
    assert found == pytest.approx(decibel_per_kilometre, rel=0.04)


def test_sound_halves_with_twice_the_distance_and_takes_its_time() -> None:
    pulse = acoustics.blast(PISTOL, np.random.default_rng(0))
    (early, near), (late, far) = acoustics.travel(pulse, 10.0), acoustics.travel(pulse, 20.0)
    assert late == 2 * early == pytest.approx(20.0 / 343.0)
    assert np.abs(far).max() == pytest.approx(np.abs(near).max() / 2, rel=0.1)


def test_only_a_bullet_faster_than_sound_cracks_and_before_its_blast() -> None:
    assert acoustics.shock_wave(PISTOL, 10.0, 3.0) is None
    crack = acoustics.shock_wave(RIFLE, 50.0, 3.0)
    assert crack is not None
    arrival, wave = crack
    assert arrival < np.hypot(50.0, 3.0) / acoustics.SPEED_OF_SOUND
    assert wave[0] == -wave[-1] > 100.0  # an N-wave, Pa
    assert 0.1e-3 < wave.size / SAMPLE_RATE < 0.4e-3
    assert acoustics.shock_wave(RIFLE, -5.0, 3.0) is None  # nobody behind the shooter hears it


def test_a_shot_is_heard_after_the_travel_time_of_its_sound() -> None:
    pressure = np.zeros(SAMPLE_RATE)
    away = acoustics.shoot(
        pressure, PISTOL, 0.2, (0.0, 0.0, 1.5), (9.0, 0.0, 1.5), (0.0, -34.3, 1.5), Street(width=90.0),
        np.random.default_rng(0),
    )  # fmt: skip
    onset = np.flatnonzero(np.abs(pressure) > 0.3 * np.abs(pressure).max())[0] / SAMPLE_RATE
    assert away == pytest.approx(0.3)
    assert onset == pytest.approx(0.3, abs=0.002)


def test_the_same_seed_gives_the_same_sound_and_shots_stand_out_of_it() -> None:
    sound = SMALL.sound()
    assert sound.dtype == np.float32
    assert np.abs(sound).max() <= 1.0
    np.testing.assert_array_equal(sound, SMALL.sound())
    assert not np.array_equal(sound, replace(SMALL, seed=4).sound())
    shot = SMALL.truth["shots"][0]
    assert np.argmax(np.abs(sound) > 0.5) / SAMPLE_RATE == pytest.approx(shot, abs=0.003)
    quiet = sound[: int(0.4 * SAMPLE_RATE)]
    assert np.sqrt(np.mean(quiet**2)) < 0.05


def test_pictures_repeat_and_flash_when_a_shot_is_fired() -> None:
    frames = list(SMALL.frames())
    assert len(frames) == 20
    assert frames[0].shape == (96, 160, 3)
    assert frames[0].dtype == np.uint8
    np.testing.assert_array_equal(frames[12], list(SMALL.frames())[12])
    bright = [int((frame > 250).sum()) for frame in frames]
    assert np.argmax(bright) == 12
    assert np.abs(frames[9].astype(int) - frames[0]).max() > 60  # he has come in


def test_the_weapon_is_in_hand_as_the_truth_says() -> None:
    script = Script()
    (seen,) = Scene(script).truth["visible"]
    for time in (seen["start"], 10.0, 14.0, seen["end"]):
        assert pose_at(script, time)[0].armed
    for time in (0.0, 3.0, script.draws[0], script.hides[1], 23.0):
        assert not pose_at(script, time)[0].armed


@pytest.mark.parametrize(("long_gun", "metres"), [(False, (0.15, 0.30)), (True, (0.7, 1.1))])
def test_weapons_are_drawn_in_their_true_size(long_gun: bool, metres: tuple[float, float]) -> None:
    scale = 100.0
    grain = np.zeros((420, 540), np.float32)
    drawn = draw(Pose(shoulder=1.25, elbow=0.3, support=1.0, armed=True, long_gun=long_gun), scale, grain)
    assert drawn.weapon is not None
    assert drawn.muzzle is not None
    assert metres[0] < (drawn.weapon[2] - drawn.weapon[0]) / scale < metres[1]
    assert drawn.weapon[2] - 3 < drawn.muzzle[0] < drawn.weapon[2] + 3
    assert draw(Pose(), scale, grain).weapon is None


def test_a_scene_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="shots must lie within"):
        Scene(Script(fired=(99.0,)))
    with pytest.raises(InputError, match="at least 1 picture"):
        Scene(size=(8, 8))


def test_a_demo_file_holds_sound_picture_and_its_truth(tmp_path: Path) -> None:
    path = make_demo(tmp_path / "demo.mp4", SMALL)
    with av.open(str(path)) as media:
        assert media.streams.audio[0].rate == SAMPLE_RATE
        pictures = [frame.to_ndarray(format="bgr24") for frame in media.decode(video=0)]
    with av.open(str(path)) as media:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in media.decode(audio=0)])
    assert len(pictures) == 20
    assert pictures[0].shape == (96, 160, 3)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert np.argmax(np.abs(sound) > 0.3) / SAMPLE_RATE == pytest.approx(truth["shots"][0], abs=0.03)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*demo.mp4"):
        make_demo(tmp_path / "nowhere" / "demo.mp4", SMALL)
