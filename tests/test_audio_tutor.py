"""Tutors learn firearm types from typed shots, answer with one voice, and keep what they learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.sounds import write_data
from vedette_audio.augment import carpet, quiet_stretch, style_mix
from vedette_audio.teacher import Teacher, parts
from vedette_audio.train import train
from vedette_audio.training_data import TrainingData, collect
from vedette_audio.tutor import Tutor, Tutors, fit, fit_several, measure
from vedette_base.config import AudioTrainConfig
from vedette_base.errors import BundleError, DataError
from vedette_base.media import SAMPLE_RATE as RATE
from vedette_base.score import FIREARMS


def small(**changes: Any) -> AudioTrainConfig:
    values: dict[str, Any] = {
        "architecture": "test_resnet",
        "epochs": 1,
        "crops": 4,
        "batch": 4,
        "chunk": 0.5,
    }
    return AudioTrainConfig(**values | {"evaluate_every": 1, "bf16": False} | changes)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("audio"))


@pytest.fixture(scope="module")
def data(manifest: Path) -> TrainingData:
    return collect(small(), manifest, manifest.parent / "cache").split()


@pytest.fixture(scope="module")
def tutor(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("tutor") / "tutor-0.safetensors"
    seen: list[float] = []
    fit(small(), data, untrained_teacher(), out, epochs=1, on_step=lambda share, loss: seen.append(loss))
    assert len(seen) == 16
    assert np.mean(seen[-4:]) < np.mean(seen[:4])
    return out


def untrained_teacher() -> Teacher:
    _, trunk = parts()
    teacher = Teacher.__new__(Teacher)
    front_end, _ = parts()
    teacher._front_end = front_end.eval()
    teacher._network = torch.nn.ModuleDict({"features": trunk})
    return teacher


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
    torch.testing.assert_close(
        tutors.probabilities(heard), tutors.probabilities(heard * 0.01), atol=1e-4, rtol=0
    )


def test_the_network_learns_from_its_tutors(tutor: Path, manifest: Path, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    train(small(tutors=(str(tutor),), shot_share=1.0), manifest, tmp_path / "run", log=lines.append)
    assert lines[-1]["loss"]["tutored"] > 0


def test_what_is_not_a_tutor_is_refused_in_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"not weights")
    for file in (wrong, tmp_path / "gone.safetensors"):
        with pytest.raises(BundleError, match="not a tutor"):
            Tutors.load([file])


def test_without_known_firearms_there_is_nothing_to_tutor(data: TrainingData, tmp_path: Path) -> None:
    untyped = TrainingData(tuple(c for c in data.training if not c.types), data.held, data.sounds)
    with pytest.raises(DataError, match="no shot of a known firearm"):
        fit(small(), untyped, untrained_teacher(), tmp_path / "t.safetensors")


def test_tutors_that_are_there_already_are_kept(tutor: Path, data: TrainingData) -> None:
    before = tutor.read_bytes()
    found = fit_several(small(), data, untrained_teacher(), tutor.parent, count=1, epochs=1)
    assert tutor.read_bytes() == before
    assert found["accuracy"] == found["each"][0]


def test_a_fresh_tutor_has_one_logit_per_firearm() -> None:
    tutor = Tutor.start()
    assert tutor(torch.zeros(2, 1, 128, 100)).shape == (2, len(FIREARMS))


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
