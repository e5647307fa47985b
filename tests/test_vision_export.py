"""Calibration, parity and figures of a detector, and its way through OpenVINO."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vedette_base.errors import DataError, ParityError
from vedette_base.export import to_openvino
from vedette_base.weights import weights_of
from vedette_vision.dataset import Picture
from vedette_vision.detector import Look
from vedette_vision.evaluate import report
from vedette_vision.export import BASE_RATE, Parity, calibrate
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.labels import LABEL_IDS, OUTPUTS
from vedette_vision.network import inference_network, load_folded

BOX = (0.2, 0.2, 0.6, 0.6)


def shown(*labels: str, subset: str = "us_cam1", name: str = "a.jpg") -> Picture:
    rows = [[LABEL_IDS[label], *BOX] for label in labels]
    return Picture(Path(name), subset, name, np.array(rows, np.float32).reshape(-1, 5))


def look(**scores: float) -> Look:
    classes = np.array([OUTPUTS.index(name) for name in scores], np.int64)
    boxes = np.tile(np.array(BOX, np.float32), (len(scores), 1))
    return Look(boxes, np.array(list(scores.values()), np.float32), classes)


def examples() -> tuple[list[Picture], list[Look]]:
    """Forty pictures of each class, scored around 0.7, with false scores around 0.2 on the others."""
    rng = np.random.default_rng(0)
    pictures, looks = [], []
    for label in OUTPUTS[:4]:
        for _ in range(40):
            pictures.append(shown(label))
            noise = {name: float(rng.uniform(0.05, 0.35)) for name in OUTPUTS[:4]}
            looks.append(look(**(noise | {label: float(rng.uniform(0.3, 0.9))})))
    return pictures, looks


def test_calibration_assumes_that_weapons_are_rare() -> None:
    maps = calibrate(*examples())
    assert set(maps) == set(OUTPUTS[:4])
    for fitted in maps.values():
        assert fitted.base_rate == BASE_RATE
        low, middle, high = fitted.apply([0.1, 0.3, 0.8])
        assert low < 0.02
        assert low < middle < high
        assert high > 0.5


def test_a_firearm_of_another_type_is_no_false_alarm() -> None:
    pictures, looks = examples()
    plain = calibrate(pictures, looks)["long_gun"]
    confused = calibrate([*pictures, *[shown("gun")] * 40], [*looks, *[look(long_gun=0.9)] * 40])["long_gun"]
    assert confused == plain


def test_a_class_without_pictures_cannot_be_calibrated() -> None:
    with pytest.raises(DataError, match="cannot calibrate"):
        calibrate([shown("knife")], [look(knife=0.5)])


class Painted(torch.nn.Module):
    """The painted engine as a network."""

    def __init__(self, engine: PaintedEngine) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.engine.run(x.numpy())[0])


@pytest.fixture
def painted(tmp_path: Path) -> list[Picture]:
    pictures = []
    for number, label in enumerate(OUTPUTS[:4]):
        image = np.full((100, 160, 3), 100, np.uint8)
        image[20:60, 32:96] = COLOURS[label]
        file = tmp_path / f"{number}.png"
        cv2.imwrite(str(file), image)
        pictures.append(Picture(file, "x", str(number), np.array([[LABEL_IDS[label], *BOX]], np.float32)))
    return pictures


def test_an_export_that_gives_the_same_passes(painted: list[Picture]) -> None:
    check = Parity(Painted(PaintedEngine()), painted, (160, 96))
    facts = check(PaintedEngine())
    assert facts["mean_score_difference"] == 0
    assert facts["map50_export"] == facts["map50_network"] == pytest.approx(1.0)


def test_an_export_that_scores_otherwise_is_refused(painted: list[Picture]) -> None:
    check = Parity(Painted(PaintedEngine()), painted, (160, 96))
    with pytest.raises(ParityError, match="scores differ"):
        check(PaintedEngine(dict.fromkeys(COLOURS, 0.7)))


def test_an_export_that_misses_a_class_is_refused(painted: list[Picture]) -> None:
    check = Parity(Painted(PaintedEngine()), painted, (160, 96))
    with pytest.raises(ParityError, match=r"mAP50 1\.000 became 0\.750"):
        check(PaintedEngine({"knife": 0.0}))


def test_figures_count_unresolved_guns_as_firearms_and_keep_them_out_of_the_types() -> None:
    pictures = [shown("gun"), shown("pistol", name="b.jpg"), shown(name="c.jpg")]
    looks = [look(pistol=0.9, long_gun=0.4), look(pistol=0.8), look(knife=0.3)]
    figures = report(pictures, looks, part="all", path="whole").subsets["us_cam1"]
    assert figures.firearm_ap50 == pytest.approx(1.0)
    assert figures.ap50 == {"pistol": pytest.approx(1.0)}
    assert figures.firearm_auroc == pytest.approx(1.0)


def test_the_network_goes_through_openvino_at_any_size_and_keeps_its_names() -> None:
    torch.manual_seed(0)
    network = inference_network("yolo11n.yaml")
    model = to_openvino(network, np.zeros((1, 3, 64, 64), np.float32), free=(0, 2, 3))
    weights = weights_of(model)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert np.allclose(weights[name], parameter.detach().numpy(), atol=1e-5), name
    picture = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        expected = network(picture).numpy()
    import openvino

    found = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture.numpy())[0]
    assert np.allclose(found, expected, atol=1e-2)
    load_folded(network_like(), weights)


def network_like() -> torch.nn.Module:
    """A fresh unfolded network: what fine-tuning from a bundle starts with."""
    from vedette_vision.network import build

    return build()
