"""Training pictures, and a training that resumes where it stopped, on a tiny data set made on the fly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pictures import RED_SQUARE, Shown, few, red_square, write_manifest, write_weights
from vedette_base.config import VisionTrainConfig
from vedette_base.errors import ConfigError, DataError
from vedette_vision.augment import Sampler
from vedette_vision.dataset import LABEL_IDS, Picture, data_hash, load_pictures, with_people
from vedette_vision.labels import OUTPUTS
from vedette_vision.network import (
    build,
    folded,
    identity_norms,
    load_folded,
    reinsert_norms,
    start_weights,
)
from vedette_vision.train import load_checkpoint, train


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures of a red square, a start checkpoint, and the COCO model's view of no people."""
    root, rng = tmp_path_factory.mktemp("data") / "vision", np.random.default_rng(0)
    write_weights(root.parent / "start.npz", classes=80)
    sides = ["train"] * 6 + ["val"] * 2
    return write_manifest(
        root,
        [
            Shown(f"{side}/images/{n}.jpg", "granada_armas", red_square(rng), [("pistol", *RED_SQUARE)])
            for n, side in enumerate(sides)
        ],
    )


def settings(**changes: object) -> VisionTrainConfig:
    return few(**{"weights": "start.npz"} | changes)


def test_a_resumed_training_ends_where_an_unbroken_one_does(tiny: Path, tmp_path: Path) -> None:
    train(tiny, settings(), tmp_path / "whole")
    train(tiny, settings(), tmp_path / "broken", stop_after=1)
    train(tiny, settings(), tmp_path / "broken", resume=True)
    whole, broken = (load_checkpoint(tmp_path / name / "last.ckpt") for name in ("whole", "broken"))
    assert whole["step"] == broken["step"] == 2
    for name, value in whole["network"].items():
        assert torch.equal(value, broken["network"][name]), name


def test_a_run_explains_itself(tiny: Path, tmp_path: Path) -> None:
    result = train(tiny, settings(), tmp_path)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 2]
    assert set(log[0]) >= {"box", "cls", "dfl", "lr"}
    assert log[-1]["val"].keys() == {"granada_armas"}
    assert json.loads((tmp_path / "config.json").read_text())["image_size"] == 64
    assert result.data_hash == data_hash(load_pictures(tiny, "train"))
    assert (tmp_path / "best.ckpt").is_file()


def test_a_clock_ends_a_training_with_its_schedule_run_out(tiny: Path, tmp_path: Path) -> None:
    result = train(tiny, settings(steps=1000, minutes=1e-4), tmp_path)
    assert result.steps < 10


def test_resuming_what_never_ran_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no checkpoint"):
        train(tiny, settings(), tmp_path, resume=True)


def test_missing_start_weights_are_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no start weights"):
        train(tiny, settings(weights="nowhere.npz"), tmp_path)


def test_a_checkpoint_of_other_classes_is_refused(tmp_path: Path) -> None:
    torch.save({"outputs": ["cat"]}, tmp_path / "other.ckpt")
    with pytest.raises(DataError, match="other classes"):
        load_checkpoint(tmp_path / "other.ckpt")


def test_a_run_does_not_go_on_with_other_settings(tiny: Path, tmp_path: Path) -> None:
    train(tiny, settings(), tmp_path, stop_after=1)
    with pytest.raises(ConfigError, match="another seed: 0, not 7"):
        train(tiny, settings(seed=7), tmp_path, resume=True)
    assert train(tiny, settings(steps=3, log_steps=1), tmp_path, resume=True).steps == 3


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\x03\x04 cut off", b"junk\n" * 9, bytes(range(256))]
)
def test_a_damaged_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(DataError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "last.ckpt")


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 cut off"])
def test_damaged_start_weights_are_refused(content: bytes, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "start.npz").write_bytes(content)
    with pytest.raises(DataError, match="holds no start weights"):
        train(tiny, settings(weights=str(tmp_path / "start.npz")), tmp_path / "run")


def test_shares_of_no_pictures_are_told_and_those_that_leave_none_refused(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tiny, settings(shares={"granada_armas": 2.0, "granada": 1.0}), tmp_path / "run", stop_after=1)
    assert "no picture of 'granada' is trained on" in caplog.text
    with pytest.raises(ConfigError, match="leave no picture"):
        train(tiny, settings(shares={"granada_armas": 0.0}), tmp_path / "none")
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        settings(shares={"granada_armas": -1.0})


def test_norms_put_back_do_not_change_the_function() -> None:
    torch.manual_seed(1)
    network = build()
    identity_norms(network)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    picture = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before = network.eval()(picture)[0]
        reinsert_norms(network, [picture])
        after = network.eval()(picture)[0]
    assert torch.allclose(before, after, atol=1e-3)


def test_folded_weights_load_back_into_an_unfolded_network() -> None:
    torch.manual_seed(2)
    source = folded(build())
    weights = {k: v.numpy() for k, v in source.state_dict().items()}
    other = build().eval()
    load_folded(other, weights)
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(source(picture), other(picture)[0], atol=1e-3)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit"):
        load_folded(build(), {"model.0.conv.weight": np.zeros((3, 3, 3, 3), np.float32)})


def test_a_batch_depends_on_seed_and_step_alone(tiny: Path) -> None:
    pictures = load_pictures(tiny, "train")
    first, second = (Sampler(pictures, 96, 3, seed=5) for _ in range(2))
    second.draw(0)
    for a, b in zip(first.draw(7), second.draw(7), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first.draw(7)[0], first.draw(8)[0])


def test_labels_stay_on_what_they_label(tiny: Path) -> None:
    """Wherever a whole picture lands, what is inside its box is red and hardly anything outside is."""
    sampler = Sampler(load_pictures(tiny, "train"), 128, 1, mosaic=0.0, closer=0.0)
    checked = 0
    for step in range(30):
        image, labels = sampler._picture(np.random.default_rng(step), mosaic=False)
        if len(labels) != 1 or labels[0, 0] != LABEL_IDS["pistol"]:
            continue
        red = (image[..., 2] > 180) & (image[..., 0] < 80)
        rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
        edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert labels[0, 1:] == pytest.approx(edges, abs=4)
        checked += 1
    assert checked > 10


def test_a_box_cut_to_a_sliver_is_ignored_rather_than_taught(tiny: Path) -> None:
    sampler = Sampler(load_pictures(tiny, "train"), 64, 8)
    ids = np.concatenate([sampler.draw(step)[1][:, 1] for step in range(12)])
    assert set(np.unique(ids)) == {LABEL_IDS["pistol"], LABEL_IDS["ignore"]}


def test_people_found_by_another_model_are_taught_when_sure_and_left_open_when_not() -> None:
    plain = Picture(Path("a.jpg"), "knife", "a", np.empty((0, 5), np.float32))
    taught = with_people(plain, [[0.8, 0, 0, 0.5, 1], [0.2, 0.5, 0, 1, 1]])
    assert taught.labels[:, 0].tolist() == [LABEL_IDS["person"], LABEL_IDS["maybe_person"]]


def test_a_manifest_is_read_with_every_kind_of_label(tmp_path: Path) -> None:
    boxes = [[name, 0.5, 0.5, 0.2, 0.2] for name in LABEL_IDS]
    line = {"file": "train/images/a.jpg", "subset": "train/x", "group": "g", "boxes": boxes}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    (picture,) = load_pictures(tmp_path, "train")
    assert picture.labels[:, 0].tolist() == sorted(LABEL_IDS.values())
    assert picture.shows("gun")
    assert not picture.file.exists()
    with pytest.raises(DataError, match="cannot read"):
        picture.read()


@pytest.mark.parametrize(
    ("box", "reason"),
    [(["sword", 0.5, 0.5, 0.1, 0.1], "unknown label"), (["knife", 0.5, 0.5, 0.0, 0.1], "no area")],
)
def test_a_wrong_label_names_its_line(tmp_path: Path, box: list[object], reason: str) -> None:
    line = {"file": "a.jpg", "subset": "val/x", "group": "g", "boxes": [box]}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(DataError, match=rf"manifest.jsonl:1: .*{reason}"):
        load_pictures(tmp_path, "val")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.jsonl"):
        load_pictures(tmp_path, "train")


def test_the_outputs_start_with_the_picture_classes() -> None:
    assert OUTPUTS == ("knife", "long_gun", "no_weapon", "pistol", "person")


def test_the_real_data_set_reads_as_described(datasets: Path) -> None:
    training, judged = (load_pictures(datasets / "vision", split) for split in ("train", "val"))
    assert (len(training), len(judged)) == (5488, 1134)
    assert not {p.group for p in training} & {p.group for p in judged}


def test_a_new_branch_may_learn_faster_than_the_trunk(tiny: Path, tmp_path: Path) -> None:
    train(tiny, settings(), tmp_path / "plain")
    p2 = {"architecture": "yolo11n-p2", "weights": str(tmp_path / "plain" / "best.ckpt"), "steps": 1}
    network = build("yolo11n-p2")
    fresh = load_folded(network, start_weights(tmp_path / "plain" / "best.ckpt")).names
    numbers = {name: p.numel() for name, p in network.named_parameters() if p.requires_grad}
    assert {"model.19.cv1.conv.weight", "model.29.cv2.0.0.bn.weight", "model.22.cv1.bn.bias"} <= fresh
    assert not fresh & {"model.16.cv1.conv.weight", "model.16.cv1.bn.weight", "model.29.cv2.1.0.bn.weight"}
    train(tiny, settings(**p2, fresh_rate=5.0), tmp_path / "fast")
    groups = torch.load(tmp_path / "fast" / "last.ckpt", weights_only=True)["optimizer"]["param_groups"]
    assert [group["times"] for group in groups] == [1.0, 1.0, 5.0, 5.0]
    assert groups[2]["lr"] == pytest.approx(5 * groups[0]["lr"])
    assert sum(len(group["params"]) for group in groups[2:]) == len(fresh)
    assert sum(len(group["params"]) for group in groups) == len(numbers)
