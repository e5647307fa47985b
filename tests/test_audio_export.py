"""A tiny network goes the whole way: trained, exported, calibrated, loaded, asked, measured."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.sounds import write_data
from vedette_audio import export as exporting
from vedette_audio.classify import GunshotClassifier
from vedette_audio.evaluate import AudioReport, evaluate, evaluate_into_card
from vedette_audio.export import Parity, export
from vedette_audio.network import build_network, folded_network
from vedette_audio.scorer import check_card, torch_network
from vedette_audio.train import Trainer, train
from vedette_base.bundle import Bundle, load_bundle
from vedette_base.config import AudioTrainConfig
from vedette_base.engine import ir_weights, open_engine
from vedette_base.errors import ConfigError, DataError, ParityError
from vedette_base.probe import run_probe
from vedette_base.score import AUDIO_LABELS, FIREARMS


@dataclasses.dataclass(frozen=True)
class Made:
    """What one small training left behind."""

    manifest: Path
    run: Path
    cache: Path
    bundle: Bundle
    onnx: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    manifest = write_data(folder / "data")
    config = AudioTrainConfig(
        architecture="test_resnet", epochs=1, crops=8, batch=4, evaluate_every=1, bf16=False
    )
    run = train(config, manifest, folder / "run", cache=folder / "cache")
    onnx = folder / "audio.onnx"
    bundle = export(run, folder / "bundle", manifest=manifest, cache=folder / "cache", onnx=onnx, scenes=8)
    return Made(manifest, run, folder / "cache", bundle, onnx)


def test_the_bundle_holds_one_copy_of_the_weights_and_explains_itself(made: Made) -> None:
    bundle = load_bundle(made.bundle.folder)
    assert sorted(path.name for path in bundle.folder.iterdir()) == ["card.json", "model.bin", "model.xml"]
    check_card(bundle.card)
    assert bundle.card.precision == "int8"
    assert set(bundle.card.calibration) == set(AUDIO_LABELS)
    assert set(bundle.card.thresholds) == {"gunshot"}
    assert bundle.card.training["config"]["architecture"] == "test_resnet"
    assert bundle.card.data["val"] == 15
    assert str(made.run) not in json.dumps(bundle.card.model_dump())


def test_the_export_computes_what_the_network_computes(made: Made) -> None:
    network = build_network("test_resnet", weights=made.run / "best.safetensors").eval()
    pictures = np.random.default_rng(0).standard_normal((5, 1, 128, 188)).astype(np.float32)
    with torch.no_grad():
        wanted = torch.sigmoid(network(torch.from_numpy(pictures))).numpy()
    found = 1 / (1 + np.exp(-open_engine(made.bundle, backend="openvino").run(pictures)[0]))
    assert np.abs(found - wanted).max() < 0.05
    assert made.bundle.card.parity["mean_difference"] < 0.02
    result = run_probe(made.bundle, open_engine(made.bundle, backend="openvino"))
    assert result is not None
    assert result.passed


def test_torch_reads_the_same_weights_from_the_bundle(made: Made) -> None:
    names = {name for name, _ in folded_network("test_resnet").named_parameters()}
    assert names <= set(ir_weights(made.bundle))
    pictures = np.random.default_rng(0).standard_normal((2, 1, 128, 188)).astype(np.float32)
    torch_engine = open_engine(
        made.bundle, backend="torch", network=lambda card: folded_network(card.architecture)
    )
    openvino = open_engine(made.bundle, backend="openvino")
    assert np.abs(torch_engine.run(pictures)[0] - openvino.run(pictures)[0]).max() < 0.2


def test_int8_weights_computed_in_floats_are_read_back_by_torch_too(made: Made, tmp_path: Path) -> None:
    bundle = export(
        made.run, tmp_path / "b", manifest=made.manifest, cache=made.cache, ladder=("int8_weights",)
    )
    assert bundle.card.precision == "bf16"
    assert bundle.card.parity["way"] == "int8_weights"
    weights, best = ir_weights(bundle), load_file(made.run / "best.safetensors")
    folded = {name for name, _ in folded_network("test_resnet").named_parameters()}
    assert folded <= set(weights)
    assert np.abs(weights["fc.weight"] - best["fc.weight"].numpy()).max() < 0.01


def test_the_first_layers_can_stay_in_floats(made: Made, tmp_path: Path) -> None:
    bundle = export(
        made.run, tmp_path / "b", manifest=made.manifest, cache=made.cache, ladder=("mixed",), scenes=8
    )
    assert (bundle.card.precision, bundle.card.parity["way"]) == ("bf16", "mixed")
    layers = bundle.model.read_text()
    quantised = set(re.findall(r'name="__module\.([^"/]+)/[^"]*/fq_weights_1"', layers))
    assert "layer4.0.conv1" in quantised
    assert not {name for name in quantised if name.startswith(("conv1", "layer1", "fc"))}
    pictures = np.random.default_rng(0).standard_normal((3, 1, 128, 188)).astype(np.float32)
    torch_engine = open_engine(bundle, backend="torch", network=torch_network(bundle.card))
    found = open_engine(bundle, backend="openvino").run(pictures)[0]
    assert np.abs(torch_engine.run(pictures)[0] - found).max() < 0.2


def test_onnx_is_written_on_request(made: Made) -> None:
    import openvino

    model = openvino.Core().read_model(str(made.onnx))
    assert model.outputs[0].get_partial_shape()[1].get_length() == len(AUDIO_LABELS)


def test_an_export_without_parity_is_refused(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Parity("fp16", 0.3, 0.9, 0.2, 0.2)
    monkeypatch.setattr(exporting, "measure", lambda *_: bad)
    with pytest.raises(ParityError, match="no precision"):
        export(made.run, tmp_path / "out", manifest=made.manifest, cache=made.cache, ladder=("fp16",))
    assert not (tmp_path / "out").exists()


def test_exporting_what_was_never_trained_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        export(tmp_path, tmp_path / "out", manifest=made.manifest)


@pytest.mark.parametrize("shape", [(300,), (48_000,), (44_100, 2), (2, 150_000)])
def test_clips_of_any_length_rate_and_channels_are_classified(made: Made, shape: tuple[int, ...]) -> None:
    classifier = GunshotClassifier.load(made.bundle.folder, backend="openvino")
    rng = np.random.default_rng(0)
    for samples in (0.1 * rng.standard_normal(shape), rng.integers(-9000, 9000, shape, np.int16)):
        found = classifier.classify(samples, 22_050)
        assert 0 < found.gunshot < 1
        assert tuple(found.types) == FIREARMS
        assert all(0 <= p <= 1 for p in found.types.values())
        assert found.observed


def test_asking_twice_gives_the_same_answer(made: Made) -> None:
    classifier = GunshotClassifier.load(made.bundle.folder, backend="openvino")
    sound = 0.1 * np.random.default_rng(0).standard_normal(100_000)
    assert classifier.classify(sound, 48_000) == classifier.classify(sound, 48_000)


def test_silence_is_not_heard_as_no_shot(made: Made) -> None:
    assert (
        not GunshotClassifier.load(made.bundle.folder, backend="openvino")
        .classify(np.zeros(96_000), 48_000)
        .observed
    )


@pytest.mark.parametrize(
    ("samples", "rate", "why"),
    [
        (np.zeros(0), 48_000, "at least one sample"),
        (np.full(100, np.nan), 48_000, "finite"),
        (np.zeros((2, 2, 2)), 48_000, "must be"),
        (np.zeros(100), 0, "rate"),
        (np.array(["a"]), 48_000, "numbers"),
    ],
)
def test_what_is_no_sound_is_refused(made: Made, samples: np.ndarray, rate: int, why: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=why):
        GunshotClassifier.load(made.bundle.folder, backend="openvino").classify(samples, rate)


def test_figures_name_recordings_and_intervals_and_go_into_the_card(made: Made) -> None:
    found = evaluate(made.manifest, made.bundle, cache=made.cache, part="val", samples=20)
    assert isinstance(found, AudioReport)
    assert found.clips == 15
    assert found.typed_recordings == 6
    assert found.negative_hours == pytest.approx(3 * (2.5 + 0.7) / 3600, rel=0.02)
    assert found.accuracy_8.value is not None
    assert found.accuracy_9.value is not None
    assert 0 <= found.accuracy_9.value <= found.accuracy_8.value <= 1
    card = evaluate_into_card(made.manifest, made.bundle, cache=made.cache, samples=20).card
    assert card.metrics["val"]["clips"] == 15
    assert load_bundle(made.bundle.folder).card.metrics == card.metrics


def test_a_bundle_can_be_trained_on(made: Made, tmp_path: Path) -> None:
    """Fine-tuning starts from what the bundle hears, with norms that work."""
    config = AudioTrainConfig(
        architecture="test_resnet",
        weights=str(made.bundle.folder),
        epochs=1,
        crops=8,
        batch=4,
        evaluate_every=1,
        bf16=False,
        average=0.0,
    )
    trainer = Trainer(config, made.manifest, tmp_path / "run", cache=made.cache)
    picture = torch.rand(3, 1, 128, 188)
    backbone = trainer.student.backbone.eval()
    with torch.no_grad():
        started = backbone(picture).numpy()
    engine = open_engine(made.bundle, backend="torch", network=torch_network(made.bundle.card))
    np.testing.assert_allclose(started, engine.run(picture.numpy())[0], atol=1e-3)
    norms = [m for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not any(torch.all(norm.running_mean == 0) for norm in norms if norm.running_mean is not None)
    assert (trainer.run() / "best.safetensors").is_file()


def test_a_bundle_of_another_architecture_is_not_trained_on(made: Made, tmp_path: Path) -> None:
    config = AudioTrainConfig(architecture="resnet18", weights=str(made.bundle.folder))
    with pytest.raises(ConfigError, match="test_resnet"):
        Trainer(config, made.manifest, tmp_path / "run", cache=made.cache)


def test_a_run_of_another_kind_is_refused_in_one_line(made: Made, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"image_size": 512}')
    with pytest.raises(DataError, match="not of a sound training"):
        export(tmp_path, tmp_path / "bundle", manifest=made.manifest, cache=made.cache)
