"""Tutors learn firearm types and shots, answer with one voice, and keep what they learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchaudio
from safetensors.torch import load_file

from tests.sounds import tiny, untrained_teacher
from vedette_audio.augment import carpet, quiet_stretch, style_mix
from vedette_audio.evaluation.scored import Sounds, read_table
from vedette_audio.teacher import SAMPLE_RATE as THEIRS
from vedette_audio.torch_features import TorchLogMel, to_picture
from vedette_audio.train import train
from vedette_audio.training_data import TrainingData, collect
from vedette_audio.tutor import Front, Tutor, Tutors
from vedette_audio.tutor_folds import cross_validate_tutors
from vedette_audio.tutoring import SHOT, TRUNK, fit, fit_several, fit_shot, level_difference, measure
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import BundleError, DataError
from vedette_base.media import SAMPLE_RATE as RATE
from vedette_base.score import FIREARMS


def small(**changes: Any) -> AudioTrainConfig:
    return tiny(**{"epochs": 1, "crops": 4} | changes)


@pytest.fixture(scope="module")
def data(manifest: Path) -> TrainingData:
    return collect(small(), manifest, manifest.parent / "cache").split()


@pytest.fixture(scope="module")
def folder(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("tutors")
    seen: dict[int, list[float]] = {}
    shares: list[float] = []

    def on_step(share: float, number: int, loss: float) -> None:
        shares.append(share)
        seen.setdefault(number, []).append(loss)

    fit_several(small(), data, untrained_teacher(), out, count=1, epochs=1, on_step=on_step)
    assert sorted(seen) == [-1, 0]
    assert [len(seen[-1]), len(seen[0])] == [32, 16]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert np.mean(seen[0][-4:]) < np.mean(seen[0][:4])
    return out


@pytest.fixture(scope="module")
def tutor(folder: Path) -> Path:
    return folder / "tutor-0.safetensors"


def test_a_tutor_answers_with_probabilities_of_the_nine_firearms(tutor: Path, data: TrainingData) -> None:
    tutors = Tutors.load([tutor, tutor])
    heard = torch.from_numpy(np.random.default_rng(0).standard_normal((3, RATE)).astype(np.float32))
    found = tutors.probabilities(heard)
    assert found.shape == (3, len(FIREARMS))
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))
    torch.testing.assert_close(found, Tutors.load([tutor]).probabilities(heard))
    assert 0.0 <= measure(tutors, data)["accuracy"] <= 1.0


def test_loudness_does_not_change_what_a_tutor_says(tutor: Path) -> None:
    tutors = Tutors.load([tutor])
    heard = torch.from_numpy(np.random.default_rng(1).standard_normal((1, RATE)).astype(np.float32))
    quiet = tutors.probabilities(heard * 0.01)
    torch.testing.assert_close(tutors.probabilities(heard), quiet, atol=1e-4, rtol=0)


def test_the_front_makes_the_pictures_that_the_tagger_makes_of_the_sound() -> None:
    """Within what other frames (43 ms for 25 ms) leave: noise whose pitch and level change."""
    teacher = untrained_teacher()
    rng, time = np.random.default_rng(2), np.arange(2 * RATE) / RATE
    noise = rng.standard_normal(2 * RATE) * (1.2 + np.sin(2 * np.pi * 1.5 * time))
    sound = torch.from_numpy((np.cumsum(noise) % 1.0 + noise).astype(np.float32))[None] * 0.05
    ours = Front(level_difference(teacher))(to_picture(TorchLogMel()(sound)))[0, 0]
    theirs = teacher.picture(torchaudio.functional.resample(sound, RATE, THEIRS))[0, 0]
    at = (np.arange(ours.shape[1]) * 512 / RATE / 0.01).round().astype(int).clip(0, theirs.shape[1] - 1)
    levels = torch.stack([ours.mean(dim=1), theirs[:, at].mean(dim=1)])
    levels -= levels.mean(dim=1, keepdim=True)  # each window has one level
    # units of 5 in natural-log mel; below 80 Hz we have no bands
    assert float((levels[0] - levels[1]).abs()[4:].max()) < 0.1
    assert float(torch.corrcoef(torch.stack([ours[8:].mean(dim=0), theirs[8:, at].mean(dim=0)]))[0, 1]) > 0.9


def test_the_tutor_for_shots_tells_blasts_from_the_rest(folder: Path, data: TrainingData) -> None:
    weights = load_file(folder / SHOT)
    assert weights["head.weight"].shape[0] == 1
    trunk = load_file(folder / TRUNK)
    assert all(torch.equal(value, trunk[name]) for name, value in weights.items() if "head" not in name)
    tutor, mel = Tutor.load(folder / SHOT), TorchLogMel()
    found: dict[bool, list[float]] = {True: [], False: []}
    for clip in data.training:
        sound = data.sounds.sound(clip)[: 2 * RATE]
        found[clip.shot].append(float(tutor(to_picture(mel(torch.from_numpy(sound[None]))))))
    assert np.median(found[True]) > np.median(found[False])


def test_shots_alone_make_no_tutor_for_shots(folder: Path, data: TrainingData, tmp_path: Path) -> None:
    alone = TrainingData(tuple(c for c in data.training if c.shot), data.held, data.sounds)
    with pytest.raises(DataError, match="with and without shots"):
        fit_shot(small(shot_share=1.0), alone, Tutor.load(folder / TRUNK), tmp_path / "t", batches=1)


def test_the_network_learns_from_its_tutors(tutor: Path, manifest: Path, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    train(small(tutors=(str(tutor),), shot_share=1.0), manifest, tmp_path / "run", log=lines.append)
    assert lines[-1]["loss"]["tutored"] > 0


def test_what_is_not_a_tutor_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"not weights")
    for file in (wrong, tmp_path / "gone.safetensors"):
        with pytest.raises(BundleError, match="not a tutor"):
            Tutors.load([file])
    with pytest.raises(BundleError, match="not a tutor for firearm types"):
        Tutors.load([folder / SHOT])


def test_without_known_firearms_there_is_nothing_to_tutor(
    folder: Path, data: TrainingData, tmp_path: Path
) -> None:
    untyped = TrainingData(tuple(c for c in data.training if not c.types), data.held, data.sounds)
    with pytest.raises(DataError, match="no shot of a known firearm"):
        fit(small(), untyped, Tutor.load(folder / TRUNK), tmp_path / "t.safetensors")


def test_tutors_that_are_there_already_are_kept(folder: Path, data: TrainingData) -> None:
    before = {file.name: file.read_bytes() for file in folder.glob("*.safetensors")}
    assert sorted(before) == ["tutor-0.safetensors", SHOT, TRUNK]
    found = fit_several(small(), data, untrained_teacher(), folder, count=1, epochs=1)
    assert {file.name: file.read_bytes() for file in folder.glob("*.safetensors")} == before
    assert found["accuracy"] == found["each"][0]


def test_a_fresh_tutor_has_one_logit_per_firearm() -> None:
    assert Tutor.start()(torch.zeros(2, 1, 128, 100)).shape == (2, len(FIREARMS))


def test_the_quiet_stretch_of_a_recording_holds_none_of_its_shots() -> None:
    rng = np.random.default_rng(0)
    sound = (0.001 * rng.standard_normal(2 * RATE)).astype(np.float32)
    sound[RATE // 2 : RATE // 2 + 2000] += 0.5
    stretch = quiet_stretch(sound)
    assert stretch is not None
    assert stretch.size == round(0.4 * RATE)
    assert np.abs(stretch).max() < 0.01


@pytest.mark.parametrize("sound", [np.ones(2 * RATE, np.float32), np.zeros(100, np.float32)])
def test_a_recording_that_is_never_quiet_lends_no_background(sound: np.ndarray) -> None:
    assert quiet_stretch(sound) is None


def test_a_carpet_is_as_loud_everywhere_as_what_it_is_laid_from() -> None:
    stretch = np.random.default_rng(0).standard_normal(round(0.4 * RATE)).astype(np.float32)
    laid = carpet(stretch, 2 * RATE, np.random.default_rng(1))
    assert laid.size == 2 * RATE
    levels = np.sqrt(np.square(laid).reshape(20, -1).mean(axis=1))
    assert levels.min() > 0.8 * np.sqrt(np.square(stretch).mean())
    assert levels.max() < 1.2 * np.sqrt(np.square(stretch).mean())


def test_style_mixing_moves_bands_between_the_styles_of_a_batch_and_keeps_their_shape() -> None:
    rng = np.random.default_rng(0)
    pictures = (
        rng.standard_normal((4, 1, 8, 50)).astype(np.float32)
        + np.arange(4, dtype=np.float32)[:, None, None, None]
    )
    before = pictures.copy()
    style_mix(pictures, rng)
    means = pictures.mean(axis=3)
    assert means.min() > before.mean(axis=3).min() - 1e-3
    assert means.max() < before.mean(axis=3).max() + 1e-3
    for now, then in zip(pictures[:, 0], before[:, 0], strict=True):
        for row, old in zip(now, then, strict=True):
            assert np.corrcoef(row, old)[0, 1] > 0.999


def test_every_sound_is_judged_by_tutors_that_never_heard_its_recording(
    manifest: Path, tmp_path: Path
) -> None:
    config = small(folds=2)
    collection = collect(config, manifest, manifest.parent / "cache")
    shares: list[float] = []

    def on_step(share: float, number: int, loss: float) -> None:
        shares.append(share)

    how: dict[str, Any] = {"count": 1, "epochs": 1, "on_step": on_step}
    found = cross_validate_tutors(config, collection, untrained_teacher(), tmp_path, **how)
    assert found["clips"] == len(collection.clips)
    assert shares == sorted(shares)
    table = read_table(tmp_path / "out_of_fold.csv", Sounds.open(manifest, manifest.parent / "cache"))
    assert (table.missing, table.folds, table.leaks) == (0, 2, False)
    for number in range(2):
        assert (tmp_path / f"fold-{number}" / SHOT).is_file()
    before = len(shares)
    assert cross_validate_tutors(config, collection, untrained_teacher(), tmp_path, **how) == found
    assert len(shares) == before  # what is there is kept
