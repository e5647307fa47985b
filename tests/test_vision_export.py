"""Calibration, parity and figures of a detector, and its way through OpenVINO."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.pictures import RED_SQUARE, Shown, red_square, write_manifest
from vedette.cli import app
from vedette_base.bundle import load_bundle
from vedette_base.errors import DataError, ParityError
from vedette_base.export import to_openvino
from vedette_base.weights import weights_of
from vedette_vision.calibrate import BASE_RATE, fit_maps, weapon_free
from vedette_vision.dataset import Picture
from vedette_vision.detector import Look, WeaponDetector
from vedette_vision.evaluate import report
from vedette_vision.export import Parity, export
from vedette_vision.fakes import COLOURS, PaintedEngine
from vedette_vision.labels import LABEL_IDS, OUTPUTS
from vedette_vision.network import build, inference_network, load_folded

BOX = (0.2, 0.2, 0.6, 0.6)


def shown(*labels: str, subset: str = "us_cam1", name: str = "a.jpg") -> Picture:
    rows = [[LABEL_IDS[label], *BOX] for label in labels]
    return Picture(Path(name), subset, name, np.array(rows, np.float32).reshape(-1, 5))


def test_pictures_that_show_nothing_cannot_check_an_export(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    state = {"step": 0, "outputs": list(OUTPUTS), "architecture": "yolo11n.yaml"}
    torch.save(state | {"average": build("yolo11n.yaml").state_dict()}, tmp_path / "run" / "best.ckpt")
    rng = np.random.default_rng(0)
    sides = ["train", "val"]
    root = write_manifest(
        tmp_path / "data", [Shown(f"{s}/images/a.jpg", "web", red_square(rng), []) for s in sides]
    )
    with pytest.raises(DataError, match=r"no val picture in .* shows knife"):
        export(tmp_path / "run", root, tmp_path / "bundle")


def look(**scores: float) -> Look:
    classes = np.array([OUTPUTS.index(name) for name in scores], np.int64)
    boxes = np.tile(np.array(BOX, np.float32), (len(scores), 1))
    return Look(boxes, np.array(list(scores.values()), np.float32), classes)


def examples() -> tuple[list[Picture], list[Look], list[Look]]:
    """Forty pictures of each class, scored around 0.6, and forty empty ones scored around 0.2."""
    rng = np.random.default_rng(0)
    pictures = [shown(label) for label in OUTPUTS[:4] for _ in range(40)]
    looks = [look(**{label: float(rng.uniform(0.3, 0.9))}) for label in OUTPUTS[:4] for _ in range(40)]
    empty = [look(**{n: float(rng.uniform(0.05, 0.35)) for n in OUTPUTS[:4]}) for _ in range(40)]
    return pictures, looks, empty


def test_calibration_assumes_that_weapons_are_rare() -> None:
    maps = fit_maps(*examples())
    assert set(maps) == set(OUTPUTS[:4])
    for fitted in maps.values():
        assert fitted.base_rate == BASE_RATE
        low, middle, high = fitted.apply([0.1, 0.3, 0.8])
        assert low < 0.02
        assert low < middle < high
        assert high > 0.5


def test_all_weapons_share_one_map() -> None:
    maps = fit_maps(*examples())
    assert maps["knife"] == maps["long_gun"] == maps["pistol"]


def test_a_class_without_pictures_cannot_be_calibrated() -> None:
    with pytest.raises(DataError, match="cannot calibrate no_weapon: 0 pictures show it"):
        fit_maps([shown("knife")] * 4, [look(knife=0.5)] * 4, [look(knife=0.1)] * 4)


def test_a_network_that_finds_nothing_yet_is_told_to_train_longer() -> None:
    pictures, looks, empty = examples()
    with pytest.raises(DataError, match="of 120 pictures that show it 0 score") as caught:
        fit_maps(pictures, [look(knife=0.01)] * len(looks), empty)
    assert "train longer" in caught.value.hint


def test_the_part_of_a_picture_without_weapons_is_its_largest_strip(tmp_path: Path) -> None:
    image = np.full((200, 400, 3), 50, np.uint8)
    image[20:180, 40:140] = COLOURS["pistol"]
    cv2.imwrite(str(tmp_path / "a.png"), image)
    box = [LABEL_IDS["pistol"], 0.1, 0.1, 0.35, 0.9]
    part = weapon_free(Picture(tmp_path / "a.png", "x", "a", np.array([box], np.float32)))
    assert part is not None
    assert part.shape[0] == 200
    assert part.shape[1] in (259, 260)
    assert (part == 50).all()


def test_a_picture_filled_by_its_weapon_has_no_part_without(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((200, 200, 3), np.uint8))
    box = [LABEL_IDS["knife"], 0.2, 0.2, 0.8, 0.8]
    assert weapon_free(Picture(tmp_path / "a.png", "x", "a", np.array([box], np.float32))) is None


def test_a_picture_without_labels_is_free_of_weapons_as_a_whole(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((200, 300, 3), np.uint8))
    part = weapon_free(Picture(tmp_path / "a.png", "x", "a", np.empty((0, 5), np.float32)))
    assert part is not None
    assert part.shape == (200, 300, 3)


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


def test_recalibrating_changes_the_card_and_leaves_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it looks at is real; what the shipped network would find on painted squares is made up."""
    rng = np.random.default_rng(0)
    labels = ("knife", "long_gun", "no_weapon", "pistol")
    pictures = [
        Shown(f"val/images/{i}.png", "squares", red_square(rng), [(labels[i % 4], *RED_SQUARE)])
        for i in range(48)
    ]
    write_manifest(tmp_path / "data", pictures)

    def look_at(detector: WeaponDetector, pictures: list[Picture]) -> list[Look]:
        shown = [labels[[p.shows(name) for name in labels].index(True)] for p in pictures]
        return [look(**{name: 0.5 + 0.005 * i}) for i, name in enumerate(shown)]

    empty = [look(**dict.fromkeys(labels, 0.1))]
    monkeypatch.setattr("vedette_vision.export.look_at", look_at)
    monkeypatch.setattr("vedette_vision.export.calibrate", lambda d, p, looks: fit_maps(p, looks, empty * 20))
    before = load_bundle("vision")
    arguments = ["export", "recalibrate", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--version", "9"])
    assert result.exit_code == 0, result.output
    after = load_bundle(tmp_path / "out")
    assert after.card.version == "9"
    assert after.card.files == before.card.files
    assert after.card.calibration["pistol"] != before.card.calibration["pistol"]
    assert after.card.metrics["val"]["pictures"] == 48
