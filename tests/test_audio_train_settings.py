"""Every line of a training's configuration does what it says, and the same seed gives the same numbers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from tests.sounds import tiny
from vedette_audio import features
from vedette_audio.dataset import SoundCache, read_manifest
from vedette_audio.device import Device
from vedette_audio.export import export
from vedette_audio.features import frames_in
from vedette_audio.journal import Journal, draw_curves, need_tensorboard, read_log
from vedette_audio.network import build_network
from vedette_audio.scorer import torch_network
from vedette_audio.train import Trainer, train
from vedette_audio.validation import Validation
from vedette_base.config import AudioConfig, AudioTrainConfig, load_config, parse_config
from vedette_base.engine import open_engine
from vedette_base.errors import ConfigError, MissingDependencyError
from vedette_base.media import SAMPLE_RATE


def one_step(manifest: Path, cache: Path, run: Path, **changes: Any) -> Trainer:
    """A trainer after one step; its gradients are still there."""
    trainer = Trainer(tiny(**changes), manifest, run, cache=cache)
    trainer.learner.step()
    return trainer


def gradients(trainer: Trainer) -> torch.Tensor:
    return torch.cat([p.grad.ravel() for p in trainer.student.parameters() if p.grad is not None])


def test_a_seed_gives_the_same_numbers_twice_and_another_seed_others(
    manifest: Path, cache: Path, tmp_path: Path
) -> None:
    steps = [one_step(manifest, cache, tmp_path, dropout=0.5, seed=seed) for seed in (3, 3, 4)]
    first, same, other = ([p.detach() for p in trainer.student.parameters()] for trainer in steps)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_accumulated_batches_make_one_step_of_their_mean_gradient(
    manifest: Path, cache: Path, tmp_path: Path
) -> None:
    trainer = one_step(manifest, cache, tmp_path, accumulate=2, gradient_clip=0.0)
    assert trainer.learner.steps_per_epoch == 1  # 8 scenes, 4 a batch, 2 batches a step
    apart = Trainer(tiny(accumulate=2), manifest, tmp_path, cache=cache).learner
    apart.student.train()
    for number in (0, 1):
        total, _ = apart.loss(apart.batch(number), number)
        total.backward()  # type: ignore[no-untyped-call]
    mean = torch.cat([p.grad.ravel() / 2 for p in apart.student.parameters() if p.grad is not None])
    torch.testing.assert_close(gradients(trainer), mean, rtol=1e-4, atol=1e-6)


def test_a_gradient_is_clipped_to_its_greatest_norm(manifest: Path, cache: Path, tmp_path: Path) -> None:
    free = one_step(manifest, cache, tmp_path, gradient_clip=0.0)
    clipped = one_step(manifest, cache, tmp_path, gradient_clip=0.01)
    assert float(gradients(free).norm()) > 0.1
    assert float(gradients(clipped).norm()) == pytest.approx(0.01, rel=1e-2)


def test_mixed_precision_computes_in_bfloat16_where_the_processor_has_it() -> None:
    device = Device.choose(tiny(bf16=True, device="cpu"))
    with device.mixed_precision():
        product = torch.ones(4, 4) @ torch.ones(4, 4)
    assert product.dtype == (torch.bfloat16 if device.bf16 else torch.float32)
    with Device.choose(tiny(bf16=False)).mixed_precision():
        assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert Device.choose(tiny()).place.type == "cpu"
    with pytest.raises(ConfigError, match=r"train\.device is cuda, but PyTorch finds none"):
        Device.choose(tiny(device="cuda"))


class Scores:
    """Stands in for a validation: says one score after the other."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)

    def figures(self, network: torch.nn.Module) -> dict[str, float]:
        return {"score": self.scores.pop(0)}


def test_a_run_ends_when_its_score_rises_no_more(manifest: Path, cache: Path, tmp_path: Path) -> None:
    config = tiny(epochs=9, patience=2, crops=4)
    trainer = Trainer(config, manifest, tmp_path / "run", cache=cache)
    trainer.validation = Scores(0.2, 0.5, 0.4, 0.5)  # type: ignore[assignment]
    run = trainer.run()
    assert [line["epoch"] for line in read_log(run / "log.jsonl")] == [1, 2, 3, 4]
    assert json.loads((run / "best.json").read_text())["epoch"] == 2
    again = Trainer(config, manifest, tmp_path / "run", cache=cache)
    again.validation = Scores()  # type: ignore[assignment]
    again.run()  # it has ended, so nothing is measured again


def test_without_clips_to_choose_by_the_last_weights_are_kept(
    manifest: Path, cache: Path, tmp_path: Path
) -> None:
    alone = manifest.with_name("train.csv")
    alone.write_text("\n".join(row for row in manifest.read_text().split("\n") if ",val," not in row))
    run = train(tiny(), alone, tmp_path / "run", cache=cache)
    assert json.loads((run / "best.json").read_text())["epoch"] == 2


def test_pooling_and_dropout_reach_the_network_and_its_bundle(
    manifest: Path, cache: Path, tmp_path: Path
) -> None:
    run = train(tiny(epochs=1, pooling="catavgmax", dropout=0.25), manifest, tmp_path / "run", cache=cache)
    network = build_network("test_resnet", pooling="catavgmax", dropout=0.25)
    assert network.drop_rate == 0.25
    width = network.fc.in_features  # type: ignore[union-attr]
    assert width == 2 * build_network("test_resnet").fc.in_features  # type: ignore[union-attr,operator]
    bundle = export(run, tmp_path / "bundle", manifest=manifest, cache=cache, ladder=("fp32",))
    picture = np.random.default_rng(0).random((1, 1, 128, frames_in(SAMPLE_RATE // 2)), np.float32)
    engine = open_engine(bundle, backend="torch", network=torch_network(bundle.card))
    np.testing.assert_allclose(engine.run(picture)[0], open_engine(bundle).run(picture)[0], atol=1e-2)


def test_a_network_may_hear_more_at_once_than_it_was_trained_on(
    manifest: Path, cache: Path, tmp_path: Path
) -> None:
    trainer = Trainer(tiny(inference_chunk=1.0), manifest, tmp_path, cache=cache)
    (heard,) = {part.shape[-1] for part in trainer.validation._batches(False)}
    assert heard == frames_in(SAMPLE_RATE)
    assert trainer.learner.batch(0)[0].sound.size < SAMPLE_RATE


def test_pictures_that_are_not_kept_give_the_same_scores(manifest: Path, cache: Path) -> None:
    clips = read_manifest(manifest)
    validation = Validation(clips, SoundCache.open(manifest.parent, clips, cache), 24)
    network = build_network("test_resnet").eval()
    kept = [validation.clip_scores(network, poor=poor) for poor in (False, True)]
    validation._keep = False
    made = [validation.clip_scores(network, poor=poor) for poor in (False, True)]
    np.testing.assert_array_equal(made, kept)


# -- the configuration ---------------------------------------------------------------------------------------


def test_the_front_end_of_the_configuration_is_the_one_that_runs() -> None:
    assert AudioTrainConfig().front_end.model_dump() == {
        "rate": SAMPLE_RATE,
        "window": features.N_FFT,
        "hop": features.HOP,
        "mels": features.MELS,
        "low": features.F_MIN,
        "high": features.F_MAX,
    }


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("front_end: {mels: 64}", "train.front_end.mels: must be 128, which is all that"),
        ("front_end: {high: 8000}", "train.front_end.high: must be 16000, which is all that"),
        ("front_end: {rate: 32000}", "got 32000"),
        ("pooling: min", "train.pooling must be 'avg', 'max' or 'catavgmax'"),
        ("loss: focal", "train.loss must be 'bce'"),
        ("optimizer: sgd", "train.optimizer must be 'adamw'"),
        ("folds: 1", "folds must be 0 (the manifest's own split) or at least 2, got 1"),
        ("folds: 5\n  fold: 5", "fold must be below folds 5, got 5"),
        ("dropout: 1.0", "train.dropout must be less than 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"train:\n  {text}\n", AudioConfig, where="my.yaml")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


MISSION = {
    "architecture": "resnet50", "pretrained": True, "dropout": 0.0, "pooling": "avg", "loss": "bce",
    "front_end": {"rate": 48000, "window": 2048, "hop": 512, "mels": 128, "low": 50.0, "high": 16000.0},
    "optimizer": "adamw", "learning_rate": 1e-3, "schedule": "cosine", "epochs": 5, "batch": 16,
    "weight_decay": 0.0, "chunk": 60.0, "inference_chunk": 60.0,
}  # fmt: skip


def test_the_mission_is_written_down_literally_and_runs(
    root: Path, manifest: Path, cache: Path, tmp_path: Path
) -> None:
    path = root / "configs" / "audio.mission.yaml"
    written = yaml.safe_load(path.read_text("utf-8"))["train"]
    assert MISSION.items() <= written.items()
    assert written["augment"]["mix"] == 0.0
    config = load_config(path, AudioConfig).train
    with pytest.raises(ConfigError, match="names no file"):
        train(config, manifest, tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()
    three = build_network("test_resnet").state_dict()
    three["conv1.0.weight"] = three["conv1.0.weight"].repeat(1, 3, 1, 1) / 3  # as ImageNet's: three colours
    save_file(three, tmp_path / "imagenet.safetensors")
    small = {"architecture": "test_resnet", "crops": 2, "batch": 2, "epochs": 1, "inference_chunk": 4.0}
    named = {"weights": str(tmp_path / "imagenet.safetensors")}
    run = train(config.model_copy(update=small | named), manifest, tmp_path / "run", cache=cache)
    assert load_file(run / "best.safetensors")


# -- what is written down ------------------------------------------------------------------------------------


def a_line(step: int) -> dict[str, Any]:
    return {"epoch": step, "step": step, "rate": 1e-3, "loss": {"shot": 0.5 / step}, "val": {"score": 0.1}}


def test_a_log_goes_on_without_what_a_kill_undid(tmp_path: Path) -> None:
    lines = "".join(json.dumps(a_line(step)) + "\n" for step in (1, 2, 3))
    (tmp_path / "log.jsonl").write_text(lines + '{"epoch": 4, "st')
    journal = Journal(tmp_path, step=2)
    journal.add(a_line(3))
    journal.close()
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3]


def test_curves_are_a_picture_of_the_log() -> None:
    one, more = draw_curves([a_line(1)]), draw_curves([a_line(step) for step in (1, 2, 3)])
    assert one[:8] == more[:8] == b"\x89PNG\r\n\x1a\n"
    assert one != more


def test_tensorboard_gets_what_the_log_gets(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what TensorBoard itself imports
        journal = Journal(tmp_path, tensorboard=True)
        journal.add(a_line(1))
        journal.close()
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        found = EventAccumulator(str(tmp_path / "tensorboard"))
        found.Reload()
    assert {"rate", "loss/shot", "loss/total", "val/score"} <= set(found.Tags()["scalars"])


def test_tensorboard_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette_audio.journal.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="tensorboard is not installed") as caught:
        need_tensorboard()
    assert "pip install tensorboard" in caught.value.hint
