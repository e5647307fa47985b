"""Detectors with a P2 head, what they start from, and the other families; oriented boxes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ultralytics.nn.tasks import DetectionModel, OBBModel

from vedette_base.config import AssignerConfig, LossConfig, VisionConfig, VisionTrainConfig, load_config
from vedette_base.errors import ConfigError, DataError
from vedette_base.export import to_openvino
from vedette_base.weights import weights_of
from vedette_vision.curves import draw_curves, read_log
from vedette_vision.labels import LABEL_IDS, OUTPUTS
from vedette_vision.loss import OneToOneLoss, OpenTypeLoss, training_loss
from vedette_vision.network import (
    build,
    folded,
    head_of,
    load_folded,
    person_finder,
    reinsert_norms,
)
from vedette_vision.p2.architecture import model_yaml
from vedette_vision.p2.oriented import OrientedLoss
from vedette_vision.p2.start import all_fit
from vedette_vision.rcnn import FasterRCNN, FasterRCNNLoss, second_stage_labels

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize(
    ("name", "parameters", "theirs"),
    [
        ("yolo11n-p2", 2_806_928, 2_624_080),
        ("yolo11s-p2", 9_957_712, 9_458_752),
        ("yolo12n-p2", 2_777_136, 2_602_288),
        ("yolo12s-p2", 9_750_672, 9_284_096),
    ],
)
def test_a_p2_model_has_a_head_at_stride_4_for_little_more(name: str, parameters: int, theirs: int) -> None:
    network = DetectionModel(model_yaml(name), nc=80, verbose=False)  # type: ignore[no-untyped-call]
    assert network.stride.tolist() == [4.0, 8.0, 16.0, 32.0]
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert parameters < 1.08 * theirs
    assert len(head_of(network).cv2) == 4


def test_a_p2_model_gives_boxes_like_any_other() -> None:
    network = build("yolo12n-p2").eval()
    with torch.no_grad():
        output = network(torch.rand(2, 3, 64, 96))[0]
    assert output.shape == (2, 4 + len(OUTPUTS), 24 * 16 + 12 * 8 + 6 * 4 + 3 * 2)


def test_a_name_may_end_like_a_file_and_sizes_are_read_from_it() -> None:
    assert model_yaml("yolo11n.yaml") == model_yaml("yolo11n")
    assert model_yaml("yolo12s-p2")["scale"] == "s"
    assert model_yaml("yolo26-p2")["scale"] == "n"
    assert "scales" not in model_yaml("yolov3-tiny")


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("yolo13n-p2", "unknown architecture", "did you mean 'yolo12n-p2'?"),
        ("fasterrcnn", "unknown architecture", "did you mean 'fasterrcnn_resnet50'?"),
        ("zzz", "unknown architecture", "for example yolo11n"),
        ("yolo11z", "has no size 'z'", "sizes: n, s, m, l, x"),
        ("yolo11n-seg", "is no detector", ""),
        ("rtdetr-l", "is no detector", ""),
    ],
)
def test_an_unknown_name_is_refused_in_one_line(name: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build(name)
    assert caught.value.hint.startswith(hint)


@pytest.fixture(scope="module")
def plain() -> dict[str, np.ndarray]:
    """Folded weights of a YOLO11n with COCO's 80 classes, at random."""
    torch.manual_seed(0)
    return {k: v.numpy() for k, v in folded(build(classes=80)).state_dict().items()}


def test_weights_of_yolo11n_all_find_their_place_in_its_p2_model(plain: dict[str, np.ndarray]) -> None:
    network = build("yolo11n-p2")
    taken = load_folded(network, plain)
    own = build("yolo11n")
    assert taken.parameters == sum(p.numel() for p in own.parameters() if p.requires_grad)
    assert taken.fresh == (19, 20, 22)
    assert f"{taken.parameters:,} of {taken.of:,}" in str(taken)
    state = network.state_dict()
    assert np.array_equal(state["model.23.conv.weight"], plain["model.17.conv.weight"])
    assert np.array_equal(state["model.29.cv2.3.0.conv.weight"], plain["model.23.cv2.2.0.conv.weight"])
    assert np.array_equal(state["model.29.cv3.1.2.bias"][4], plain["model.23.cv3.0.2.bias"][0])  # person


def test_a_p2_model_begins_by_seeing_what_its_start_saw(plain: dict[str, np.ndarray]) -> None:
    """The new branch joins the old one without disturbing it: heads P3 to P5 nearly agree."""
    torch.manual_seed(3)
    picture = torch.rand(2, 3, 128, 128)
    old, new = build("yolo11n", 80), build("yolo11n-p2", 80)
    for network in (old, new):
        load_folded(network, plain)
        reinsert_norms(network, [picture])
    with torch.no_grad():
        before, after = old.eval()(picture)[0], new.eval()(picture)[0][:, :, 32 * 32 :]
    assert after.shape == before.shape
    together = np.corrcoef(before[:, :4].flatten(), after[:, :4].flatten())[0, 1]
    assert together > 0.99


def test_norms_of_layers_that_start_at_random_get_statistics(plain: dict[str, np.ndarray]) -> None:
    network = build("yolo11n-p2")
    load_folded(network, plain)
    reinsert_norms(network, [torch.rand(2, 3, 64, 64)])
    norm = network.model[19].cv1.bn
    assert (norm.weight == 1).all()
    assert not torch.allclose(norm.running_var, torch.ones(1))
    assert norm.momentum == network.model[0].bn.momentum == 0.03


def test_weights_of_another_size_are_refused(plain: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match="weights do not fit the network"):
        load_folded(build("yolo11s-p2"), plain)


def test_weights_of_another_family_give_the_layers_they_share(plain: dict[str, np.ndarray]) -> None:
    network = build("yolo12n-p2")
    taken = load_folded(network, plain)
    assert 0.15 < taken.parameters / taken.of < 0.5
    assert not {0, 1, 2, 3, 4, 5} & set(taken.fresh)
    assert not all_fit(network, plain)


def test_no_weights_are_a_start_too() -> None:
    assert load_folded(build("yolov3-tiny"), {}).parameters == 0


def test_people_are_found_by_the_network_that_the_weights_are_of(plain: dict[str, np.ndarray]) -> None:
    found = person_finder(plain, "yolo12s-p2")
    assert found is not None
    network, row = found
    assert head_of(network).nc == 80
    assert row == 4
    assert person_finder({}, "yolo11n") is None


TARGETS = torch.tensor(
    [
        [0.0, LABEL_IDS["pistol"], 8, 8, 16, 14],
        [0.0, LABEL_IDS["gun"], 40, 40, 60, 52],
        [1.0, LABEL_IDS["ignore"], 0, 0, 40, 40],
        [1.0, LABEL_IDS["maybe_person"], 0, 0, 64, 64],
        [1.0, LABEL_IDS["weapon"], 44, 8, 60, 30],
    ]
)
FULL = LossConfig(
    area_weight=0.5, centre=0.5, dfl_small=0.5, iou_caps=((0.0, 1.0),), dfl_caps=((0.0, 2.0),), area_root=True
)


@pytest.mark.parametrize(
    ("architecture", "loss", "kind"),
    [
        ("yolo11n-p2", FULL, OpenTypeLoss),
        ("yolo12n-p2", LossConfig(classification="focal"), OpenTypeLoss),
        ("yolo26n-p2", LossConfig(area_weight=0.5, centre=0.5), OneToOneLoss),
        ("yolov3-tiny", LossConfig(), OpenTypeLoss),
        ("fasterrcnn_resnet50", LossConfig(), FasterRCNNLoss),
    ],
)
def test_every_family_learns_and_finds_in_one_layout(architecture: str, loss: LossConfig, kind: type) -> None:
    torch.manual_seed(0)
    config = VisionTrainConfig(architecture=architecture, loss=loss)
    network = build(architecture)
    measure = training_loss(network, config)
    assert isinstance(measure, kind)
    pictures = torch.rand(2, 3, 64, 64)
    losses = measure(network.train()(pictures), TARGETS, 0.3)
    assert losses.shape == (3,)
    losses.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    assert sum(float(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None) > 0
    with torch.no_grad():
        output = network.eval()(pictures)[0]
    assert output.shape[:2] == (2, 4 + len(OUTPUTS))
    assert ((output[:, 4:] >= 0) & (output[:, 4:] <= 1)).all()


@pytest.mark.parametrize(
    ("architecture", "changes", "named"),
    [
        ("yolo26n-p2", {"loss": LossConfig(dfl_small=0.5)}, "train.loss.dfl_small"),
        ("yolo26n-p2", {"loss": LossConfig(dfl_caps=((0.0, 1.0),))}, "train.loss.dfl_caps"),
        ("fasterrcnn_resnet50", {"loss": LossConfig(classification="focal")}, "train.loss.classification"),
        ("fasterrcnn_resnet50", {"assigner": AssignerConfig(top_k=25)}, "train.assigner.top_k"),
    ],
)
def test_a_switch_that_does_not_apply_is_refused(
    architecture: str, changes: dict[str, LossConfig], named: str
) -> None:
    config = VisionTrainConfig.model_validate({"architecture": architecture} | changes)
    network = FasterRCNN.__new__(FasterRCNN) if "rcnn" in architecture else build(architecture)
    with pytest.raises(ConfigError, match=rf"^{named}: {architecture} has no such term"):
        training_loss(network, config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iou_caps": [[0.5, 1.0], [0.2, 2.0]]},
        {"dfl_caps": [[0.0, 0.0]]},
        {"iou_caps": [[1.5, 1.0]]},
        {"classification": "hinge"},
        {"focal_alpha": 2.0},
    ],
)
def test_impossible_terms_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own, turned into ConfigError when a file is read
        LossConfig.model_validate(wrong)


def test_the_missions_recipe_is_the_small_thing_detector() -> None:
    train = load_config(CONFIGS / "vision.mission.yaml", VisionConfig).train
    assert train.architecture == "yolo12s-p2"
    assert (train.assigner.top_k, train.assigner.beta, train.clip_norm) == (25, 4.0, 5.0)
    assert train.loss.small_side == 24.0
    assert (train.loss.focal_gamma, train.loss.focal_alpha) == (1.5, 0.25)


def test_the_second_stage_of_faster_rcnn_leaves_open_and_ignored_boxes_out() -> None:
    ids = torch.tensor([LABEL_IDS[n] for n in ("knife", "person", "gun", "weapon", "ignore")]).float()
    assert second_stage_labels(ids).tolist() == [1, 5, -1, -1, -1]


def test_a_p2_model_with_attention_goes_through_openvino_at_any_size() -> None:
    torch.manual_seed(0)
    network = folded(build("yolo12n-p2"))
    model = to_openvino(network, np.zeros((1, 3, 64, 64), np.float32), free=(0, 2, 3))
    kept = weights_of(model)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert np.allclose(kept[name], parameter.detach().numpy(), atol=1e-5), name
    model.reshape([2, 3, 64, 96])
    picture = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        expected = network(picture).numpy()
    import openvino

    found = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture.numpy())[0]
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=2e-2)


def test_yolo26_keeps_its_one_to_one_head_alone_and_its_layout_when_folded() -> None:
    torch.manual_seed(0)
    network = build("yolo26n-p2").eval()
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = network(picture)[0]
        after = folded(network)(picture)
    assert before.shape == after.shape == (1, 4 + len(OUTPUTS), 256 + 64 + 16 + 4)
    assert torch.allclose(before, after, atol=1e-3)
    assert head_of(network).cv2 is None
    kept = weights_of(to_openvino(network, picture.numpy(), free=(0, 2, 3)))
    assert not [n for n, p in network.named_parameters() if p.requires_grad and n not in kept]


@pytest.mark.parametrize("classification", ["bce", "focal"])
def test_oriented_boxes_train(classification: str) -> None:
    """A tiny yolo11n-obb: the loss of one batch falls over a few steps."""
    torch.manual_seed(0)
    model = OBBModel("yolo11n-obb.yaml", nc=2, verbose=False)  # type: ignore[no-untyped-call]
    config = LossConfig.model_validate({"classification": classification})
    loss = OrientedLoss(model, config, AssignerConfig(top_k=25, beta=4.0))
    assert (loss.assigner.topk, loss.assigner.beta, loss.assigner.stride_val) == (25, 4.0, 16.0)
    batch = {
        "batch_idx": torch.tensor([0.0, 1.0]),
        "cls": torch.tensor([0.0, 1.0]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.5, 0.25, 0.3], [0.4, 0.6, 0.3, 0.3, 1.0]]),
    }
    pictures = torch.rand(2, 3, 64, 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    history = []
    for _ in range(5):
        total, parts = loss(model.train()(pictures), batch)
        optimizer.zero_grad()
        total.sum().backward()
        optimizer.step()
        history.append(float(total.detach().sum()))
    assert set(parts) == {"box_loss", "cls_loss", "dfl_loss", "angle_loss"}
    assert all(map(math.isfinite, history))
    assert history[-1] < history[0]


def test_curves_are_drawn_from_a_log_also_of_a_resumed_run(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    notes = [
        {"step": 20, "box": 3.0, "cls": 2.0, "dfl": 1.0},
        {"step": 40, "box": 2.0, "cls": 1.5, "dfl": 0.9},
        {"step": 40, "val": {"us_cam1": 0.1, "knife": 0.4}, "mean": 0.25},
        {"step": 40, "box": 1.9, "cls": 1.5, "dfl": 0.9},
        {"step": 60, "val": {"us_cam1": 0.2}, "mean": 0.2},
    ]
    log.write_text("".join(json.dumps(note) + "\n" for note in notes))
    draw_curves(log, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert [n.get("box") for n in read_log(log) if "box" in n] == [3.0, 1.9]
    assert {f.name for f in tmp_path.iterdir()} == {"log.jsonl", "curves.png"}


def test_curves_of_a_run_that_has_measured_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "box": 3.0, "cls": 2.0, "dfl": 1.0}\n')
    draw_curves(tmp_path / "log.jsonl", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").is_file()
