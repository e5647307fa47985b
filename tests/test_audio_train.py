"""Training goes on after a kill as if nothing had happened, and what it exports computes what it learnt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.sounds import tiny, write_data
from vedette_audio.network import build_network, fold_norms, folded_network, initial_weights
from vedette_audio.train import train
from vedette_base.errors import ConfigError, DataError
from vedette_base.score import AUDIO_LABELS

SHAPE = (2, 1, 128, 47)


class KilledError(RuntimeError):
    pass


def test_a_killed_run_resumes_as_if_nothing_had_happened(manifest: Path, tmp_path: Path) -> None:
    def kill(line: dict[str, Any]) -> None:
        raise KilledError

    cache = tmp_path / "cache"
    whole = train(tiny(), manifest, tmp_path / "whole", cache=cache)
    with pytest.raises(KilledError):
        train(tiny(), manifest, tmp_path / "killed", cache=cache, log=kill)
    again = train(tiny(), manifest, tmp_path / "killed", cache=cache)
    assert [json.loads(line)["step"] for line in (again / "log.jsonl").read_text().splitlines()] == [2, 4]
    one, two = (torch.load(run / "last.pt", weights_only=True) for run in (whole, again))
    for part in ("student", "average"):
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=0, atol=0, msg=name)
    log = json.loads((whole / "log.jsonl").read_text().splitlines()[-1])
    assert {"accuracy", "auroc", "ap", "auroc_others", "score"} <= set(log["val"])


def test_a_run_is_not_resumed_with_other_settings(manifest: Path, tmp_path: Path) -> None:
    train(tiny(epochs=1), manifest, tmp_path / "run", cache=tmp_path / "cache")
    with pytest.raises(ConfigError, match="another learning_rate"):
        train(tiny(learning_rate=0.1), manifest, tmp_path / "run", cache=tmp_path / "cache")


def test_pretrained_without_a_file_is_refused_and_says_why() -> None:
    with pytest.raises(ConfigError, match="pretrained") as caught:
        initial_weights(True, None)
    assert "safetensors" in caught.value.hint
    assert initial_weights(False, None) is None


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ConfigError, match="resnet5000"):
        build_network("resnet5000")


def test_weights_of_a_run_can_be_started_from(manifest: Path, tmp_path: Path) -> None:
    run = train(tiny(epochs=1), manifest, tmp_path / "run", cache=tmp_path / "cache")
    network = build_network("test_resnet", weights=run / "best.safetensors")
    saved = load_file(run / "best.safetensors")
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="not a readable"):
        build_network("test_resnet", weights=tmp_path / "bad.safetensors")


def test_training_without_other_sounds_is_refused(tmp_path: Path) -> None:
    manifest = write_data(tmp_path)
    lines = [line for line in manifest.read_text().splitlines() if ",other," not in line]
    manifest.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="with and without shots"):
        train(tiny(), manifest, tmp_path / "run", cache=tmp_path / "cache")


@pytest.mark.parametrize("architecture", ["test_resnet", "resnet18"])
def test_folding_the_norms_changes_nothing(architecture: str) -> None:
    torch.manual_seed(0)
    network = build_network(architecture)
    for module in network.modules():  # norms that do something
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
            module.running_mean.normal_()  # type: ignore[union-attr,operator]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr,operator]
    network.eval()
    pictures = torch.randn(SHAPE)
    with torch.no_grad():
        before = network(pictures)
        after = fold_norms(network, SHAPE)(pictures)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    empty = folded_network(architecture)
    assert {n: p.shape for n, p in empty.named_parameters()} == {
        n: p.shape for n, p in network.named_parameters()
    }


def test_the_shipped_network_has_one_output_per_label() -> None:
    network = build_network()
    with torch.no_grad():
        assert network.eval()(torch.zeros(SHAPE)).shape == (2, len(AUDIO_LABELS))
    assert network.conv1.weight.shape[1] == 1  # type: ignore[union-attr,index]
    assert np.isclose(float(network.drop_rate), 0.0)  # type: ignore[arg-type]


def test_a_continuation_can_be_told_to_keep_what_a_shot_is(manifest: Path, tmp_path: Path) -> None:
    first = train(tiny(), manifest, tmp_path / "first", cache=tmp_path / "cache")
    lines: list[dict[str, Any]] = []
    settings = tiny(weights=str(first), predecessor=str(first), epochs=1)
    train(settings, manifest, tmp_path / "next", cache=tmp_path / "cache", log=lines.append)
    assert lines[-1]["loss"]["remembered"] > 0


def test_a_run_in_mixed_precision_can_be_measured(manifest: Path, tmp_path: Path) -> None:
    run = train(tiny(bf16=True, epochs=1), manifest, tmp_path / "run", cache=tmp_path / "cache")
    assert json.loads((run / "best.json").read_text())["auroc"] >= 0
