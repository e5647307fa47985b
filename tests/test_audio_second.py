"""A second opinion rides in a bundle: blended as the card says, calibrated for the blend, hard to damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.sounds import tiny, untrained_teacher
from vedette.cli import app
from vedette_audio.classify import GunshotClassifier
from vedette_audio.export import export
from vedette_audio.scorer import torch_network
from vedette_audio.second import SecondOpinion, add_second_opinion, empty, open_validation, read_tutors
from vedette_audio.train import train
from vedette_audio.training_data import collect
from vedette_audio.tutor import Tutor
from vedette_audio.tutoring import SHOT, fit_several
from vedette_audio.unfold import from_bundle
from vedette_base.bundle import MODEL, WEIGHTS, Bundle, Second, load_bundle
from vedette_base.engine import open_engine
from vedette_base.errors import BundleError, InputError
from vedette_base.probe import run_probe
from vedette_base.score import AUDIO_LABELS, GUNSHOT

FRAMES = 47  # half a second


@pytest.fixture(scope="module")
def first(manifest: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("first")
    train(tiny(), manifest, folder / "run", cache=cache)
    return export(folder / "run", folder / "bundle", manifest=manifest, cache=cache, ladder=("bf16", "fp32"))


@pytest.fixture(scope="module")
def tutors(manifest: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tutors")
    data = collect(tiny(), manifest, cache).split()
    fit_several(tiny(), data, untrained_teacher(), folder, count=2, epochs=1)
    return folder


@pytest.fixture(scope="module")
def both(
    first: Bundle, tutors: Path, manifest: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    out = tmp_path_factory.mktemp("both") / "bundle"
    validation = open_validation(manifest, cache, first.folder)
    return add_second_opinion(first, tutors, out, validation, shot_share=0.25, type_share=0.75, version="9")


def pictures(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 1, 128, FRAMES)).astype(np.float32)


def test_the_blend_is_the_weighted_mean_of_both(both: Bundle, first: Bundle, tutors: Path) -> None:
    assert both.card.second is not None
    assert both.second is not None
    given = pictures()
    with torch.no_grad():
        theirs = read_tutors(tutors)(torch.from_numpy(given)).numpy()
    own = open_engine(first).run(given)[0]
    found = open_engine(both).run(given)[0]
    share = np.array([0.25 if label == GUNSHOT else 0.75 for label in AUDIO_LABELS])
    np.testing.assert_allclose(found, own + share * (theirs - own), atol=0.05)
    assert "second opinion" in open_engine(both).description


def test_the_first_network_stays_as_it_is_byte_for_byte(both: Bundle, first: Bundle) -> None:
    for name in (MODEL, WEIGHTS):
        assert (both.folder / name).read_bytes() == (first.folder / name).read_bytes()
    assert both.identity != first.identity
    assert both.card.version == "9"


def test_calibration_is_made_anew_for_the_blend(both: Bundle, first: Bundle) -> None:
    assert both.card.calibration[GUNSHOT] != first.card.calibration[GUNSHOT]
    result = run_probe(both, open_engine(both))
    assert result is not None
    assert result.difference < 0.01


def test_pytorch_reads_the_same_numbers(both: Bundle) -> None:
    given = pictures()
    there = open_engine(both, backend="torch", network=torch_network(both.card)).run(given)[0]
    np.testing.assert_allclose(there, open_engine(both).run(given)[0], atol=0.05)


def test_a_clip_is_classified_with_both(both: Bundle) -> None:
    sound = np.random.default_rng(1).standard_normal(24_000).astype(np.float32) * 0.1
    found = GunshotClassifier.load(both.folder).classify(sound, 48_000)
    assert 0 <= found.gunshot <= 1
    assert set(found.types) == set(AUDIO_LABELS[:-1])


def test_the_first_network_can_still_be_trained_on(both: Bundle, first: Bundle) -> None:
    one, two = (from_bundle("test_resnet", bundle.folder).state_dict() for bundle in (both, first))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_damaged_second_opinion_is_refused(both: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(both.folder, copy)
    assert load_bundle(copy).card == both.card
    (copy / "second.bin").write_bytes(b"nothing")
    with pytest.raises(BundleError, match=r"second\.bin does not match its card"):
        load_bundle(copy)
    (copy / "second.bin").unlink()
    with pytest.raises(BundleError, match=r"second\.bin cannot be read"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("shares", "said"),
    [({}, "must name each label"), (dict.fromkeys(AUDIO_LABELS, 1.5), "within 0..1")],
)
def test_a_card_with_odd_shares_is_refused(
    both: Bundle, tmp_path: Path, shares: dict[str, float], said: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(both.folder, copy)
    card = json.loads((copy / "card.json").read_text())
    card["second"]["shares"] = shares
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match=said):
        load_bundle(copy)


def test_tutors_of_another_making_are_refused(tutors: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no tutors for firearm types"):
        read_tutors(tmp_path)
    shutil.copytree(tutors, tmp_path / "t")
    shutil.copy(tutors / SHOT, tmp_path / "t" / "tutor-7.safetensors")
    with pytest.raises(BundleError, match="not of the same making"):
        read_tutors(tmp_path / "t")


def test_an_architecture_names_how_many_tutors_there_are() -> None:
    network = empty("mn04x3")
    assert isinstance(network, SecondOpinion)
    assert network.architecture == "mn04x3"
    assert network(torch.zeros(2, 1, 128, FRAMES)).shape == (2, len(AUDIO_LABELS))
    for name in ("mn04x1", "mn04", "resnet50"):
        with pytest.raises(InputError, match="mn04x2 or more"):
            empty(name)


def test_the_log_probabilities_of_types_are_those_of_a_shot(tutors: Path) -> None:
    network = read_tutors(tutors)
    with torch.no_grad():
        found = network(torch.from_numpy(pictures()))
    assert torch.all(found[:, :-1].exp().sum(dim=1) <= 1 + 1e-5)
    alone = Tutor.load(tutors / SHOT)
    torch.testing.assert_close(found[:, -1:], alone(torch.from_numpy(pictures())))


def test_the_command_adds_measures_and_says_so(
    first: Bundle, tutors: Path, manifest: Path, cache: Path, tmp_path: Path
) -> None:
    arguments = ["export", "second", str(manifest), "--tutors", str(tutors), "--model", str(first.folder)]
    more = ["--out", str(tmp_path / "out"), "--cache", str(cache), "--version", "3"]
    result = CliRunner().invoke(app, [*arguments, *more])
    assert result.exit_code == 0, result.output
    card = load_bundle(tmp_path / "out").card
    assert isinstance(card.second, Second)
    assert card.version == "3"
    assert card.metrics["val"]["auroc"]
