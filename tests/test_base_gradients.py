"""The way back through a network, made of OpenVINO operations, is PyTorch's to the last digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from vedette_base.bundle import MODEL, WEIGHTS, Bundle, Card, write_bundle
from vedette_base.errors import BundleError, InputError
from vedette_base.export import fold_norms, quantise, to_openvino
from vedette_base.gradients import GradientEngine
from vedette_base.telemetry import load_openvino

SHAPE = (1, 64, 96)
LABELS = ("a", "b", "c")
PICTURE = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def network(name: str, pooling: str = "avg") -> nn.Module:
    torch.manual_seed(0)
    made = timm.create_model(name, in_chans=1, num_classes=len(LABELS), global_pool=pooling)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, 0.1, 0.1)
    folded: nn.Module = fold_norms(made.eval())
    return folded


def bundle_of(folder: Path, made: nn.Module, *, int8: bool = False, half: bool = False) -> Bundle:
    model: Any = to_openvino(made, PICTURE[None])
    if int8:
        model = quantise(model, [PICTURE[None]])
    load_openvino().save_model(model, str(folder / MODEL), compress_to_fp16=half)
    card = Card(name="t", task="audio", version="1", architecture="t", labels=LABELS, licence="none")
    return write_bundle(folder / "bundle", card, {name: folder / name for name in (MODEL, WEIGHTS)})


def by_torch(made: nn.Module, layer: str, output: int) -> tuple[Any, Any, Any]:
    kept: list[torch.Tensor] = []

    def keep(_: nn.Module, __: object, result: torch.Tensor) -> None:
        result.retain_grad()
        kept.append(result)

    hook = made.get_submodule(layer).register_forward_hook(keep)
    logits = made(torch.from_numpy(PICTURE[None]).requires_grad_())
    logits[0, output].backward()
    hook.remove()
    assert kept[0].grad is not None
    return logits[0].detach().numpy(), kept[0][0].detach().numpy(), kept[0].grad[0].numpy()


@pytest.mark.parametrize(("layer", "stride"), [("layer4", 32), ("layer2", 8), ("layer1", 4)])
def test_gradients_are_those_of_torch(tmp_path: Path, layer: str, stride: int) -> None:
    made = network("resnet18")
    logits, last, fine = GradientEngine(bundle_of(tmp_path, made), SHAPE, stride=stride).run(PICTURE, 1)
    wanted, values, gradient = by_torch(made, layer, 1)
    assert last.values.shape[1:] == (2, 3)
    np.testing.assert_allclose(logits, wanted, atol=1e-4)
    np.testing.assert_allclose(fine.values, values, atol=1e-4)
    np.testing.assert_allclose(fine.gradient, gradient, atol=1e-4 * np.abs(gradient).max())


@pytest.mark.parametrize("pooling", ["max", "catavgmax"])
def test_the_greatest_cell_can_be_pooled_too(tmp_path: Path, pooling: str) -> None:
    made = network("resnet18", pooling)
    _, last, fine = GradientEngine(bundle_of(tmp_path, made), SHAPE).run(PICTURE, 1)
    for layer, name in ((last, "layer4"), (fine, "layer1")):
        _, values, gradient = by_torch(made, name, 1)
        alive = values > 0  # where all cells are 0 torch takes the first of them, we all
        np.testing.assert_allclose(layer.gradient[alive], gradient[alive], atol=1e-4 * np.abs(gradient).max())


def test_the_last_map_shares_its_gradient_evenly_when_pooled_by_the_mean(tmp_path: Path) -> None:
    """So Grad-CAM of it is CAM: the channel weights are the classifier's row."""
    made = network("resnet18")
    _, last, _ = GradientEngine(bundle_of(tmp_path, made), SHAPE).run(PICTURE, 2)
    row = made.get_parameter("fc.weight")[2].detach().numpy()
    cells = last.values.shape[1] * last.values.shape[2]
    np.testing.assert_allclose(
        last.gradient * cells, np.broadcast_to(row[:, None, None], last.values.shape), atol=1e-5
    )


def test_int8_is_explained_nearly_as_its_network(tmp_path: Path) -> None:
    made = network("resnet18")
    _, _, fine = GradientEngine(bundle_of(tmp_path, made, int8=True), SHAPE).run(PICTURE, 0)
    gradient = by_torch(made, "layer1", 0)[2]
    assert np.corrcoef(fine.gradient.ravel(), gradient.ravel())[0, 1] > 0.9


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    engine = GradientEngine(bundle_of(tmp_path, network("resnet18")), SHAPE)
    with pytest.raises(InputError, match="shape"):
        engine.run(PICTURE[:, :10], 0)
    with pytest.raises(InputError, match="output"):
        engine.run(PICTURE, 3)


def test_a_network_that_is_not_pooled_is_refused(tmp_path: Path) -> None:
    made = nn.Sequential(nn.Flatten(), nn.Linear(64 * 96, 3), nn.Tanh()).eval()
    with pytest.raises(BundleError, match="pooled"):
        GradientEngine(bundle_of(tmp_path, made), SHAPE)
