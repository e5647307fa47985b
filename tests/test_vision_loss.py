"""Labels that leave the type open, regions that say nothing."""

from __future__ import annotations

import math

import pytest
import torch

from vedette_base.config import AssignerConfig, LossConfig
from vedette_vision.labels import LABEL_IDS, OUTPUTS
from vedette_vision.loss import CLASS_GAIN, OpenTypeLoss, class_weights, with_open_types

SIZE, BINS = 64, 16
GRIDS = (8, 4, 2)
ANCHORS = sum(g * g for g in GRIDS)
BOX = (16.0, 16.0, 48.0, 48.0)


class Head(torch.nn.Module):
    stride = torch.tensor([8.0, 16.0, 32.0])
    reg_max = BINS


def outputs(logit: float = 0.0) -> dict[str, torch.Tensor]:
    return {
        "boxes": torch.zeros(1, 4 * BINS, ANCHORS),
        "scores": torch.full((1, len(OUTPUTS), ANCHORS), logit).requires_grad_(logit != 0),
        "feats": [torch.zeros(1, 1, g, g) for g in GRIDS],  # type: ignore[dict-item]
    }


def targets(*labels: str, box: tuple[float, float, float, float] = BOX) -> torch.Tensor:
    return torch.tensor([[0.0, LABEL_IDS[label], *box] for label in labels]).reshape(-1, 6)


def test_an_open_type_scores_as_the_best_of_what_it_may_be() -> None:
    scores = torch.tensor([[0.1, 0.5, 0.9, 0.3, 0.8]])  # knife, long_gun, no_weapon, pistol, person
    assert with_open_types(scores)[0].tolist() == pytest.approx([0.1, 0.5, 0.9, 0.3, 0.8, 0.5, 0.5])
    scores = torch.tensor([[0.7, 0.5, 0.9, 0.3, 0.8]])
    assert with_open_types(scores)[0, 5:].tolist() == pytest.approx([0.5, 0.7])


def test_the_loss_of_an_empty_picture_by_hand() -> None:
    """All logits 0: ln 2 for each of 5 classes at each of 84 anchors; the divisor is at least 1."""
    loss = OpenTypeLoss(Head())(outputs(), torch.empty(0, 6))
    assert loss.tolist() == pytest.approx([0.0, CLASS_GAIN * math.log(2) * 5 * ANCHORS, 0.0], rel=1e-5)


SMALL_THINGS = LossConfig(
    area_weight=0.5, centre=0.5, dfl_small=0.5, iou_caps=((0.0, 1.0),), dfl_caps=((0.0, 2.0),)
)


@pytest.mark.parametrize("label", ["gun", "weapon"])
@pytest.mark.parametrize("config", [LossConfig(), LossConfig(classification="focal"), SMALL_THINGS])
def test_an_open_label_teaches_the_best_of_its_types_and_nothing_else(label: str, config: LossConfig) -> None:
    given = outputs(-5.0)
    with torch.no_grad():
        given["scores"][:, LABEL_IDS["pistol"]] = -4.0
    OpenTypeLoss(Head(), config)(given, targets(label), 0.3).sum().backward()
    gradient = given["scores"].grad
    assert gradient is not None
    taught = gradient[0, LABEL_IDS["pistol"]] < 0  # anchors whose pistol score the box raises
    assert 1 <= int(taught.sum()) <= 10
    others = [i for i in range(len(OUTPUTS)) if i != LABEL_IDS["pistol"]]
    assert gradient[0, others][:, taught].abs().sum() == 0
    assert (gradient[0, :, ~taught] > 0).all()


def test_a_closed_label_teaches_against_the_other_classes() -> None:
    given = outputs(-5.0)
    OpenTypeLoss(Head())(given, targets("pistol")).sum().backward()
    gradient = given["scores"].grad
    assert gradient is not None
    taught = gradient[0, LABEL_IDS["pistol"]] < 0
    assert taught.any()
    assert (gradient[0, LABEL_IDS["knife"]][taught] > 0).all()


def test_an_open_label_costs_four_class_terms_less_per_anchor() -> None:
    """The same anchors are chosen for ``pistol`` and ``gun`` when all logits are 0; each term is ln 2."""
    loss = OpenTypeLoss(Head())
    closed, opened = (float(loss(outputs(), targets(label))[1]) for label in ("pistol", "gun"))
    empty = CLASS_GAIN * math.log(2) * 5 * ANCHORS
    total = empty / closed  # the divisor, common to both
    chosen = (closed - opened) * total / (CLASS_GAIN * math.log(2) * 4)
    assert 1 <= round(chosen) <= 10
    assert chosen == pytest.approx(round(chosen), abs=1e-3)


def test_the_place_of_an_open_label_is_trained_like_any_other() -> None:
    loss = OpenTypeLoss(Head())
    closed, opened = (loss(outputs(), targets(label)) for label in ("pistol", "gun"))
    assert opened[[0, 2]].tolist() == pytest.approx(closed[[0, 2]].tolist())
    assert opened[0] > 0


def test_ignored_regions_say_nothing() -> None:
    points = torch.tensor([[8.0, 8.0], [32.0, 32.0], [60.0, 60.0]])
    scores = torch.zeros(1, 3, 7)
    chosen = torch.zeros(1, 3, dtype=torch.bool)
    weights = class_weights(scores, chosen, targets("ignore"), points)
    assert weights[0, :, :5].sum(1).tolist() == [5, 0, 5]
    weights = class_weights(scores, chosen, targets("maybe_person"), points)
    assert weights[0, 1].tolist() == [1, 1, 1, 1, 0, 0, 0]


def test_a_box_inside_an_ignored_region_still_teaches() -> None:
    points = torch.tensor([[32.0, 32.0]])
    scores = torch.zeros(1, 1, 7)
    scores[0, 0, LABEL_IDS["knife"]] = 0.7
    weights = class_weights(scores, torch.ones(1, 1, dtype=torch.bool), targets("ignore"), points)
    assert weights[0, 0, :5].tolist() == [1, 1, 1, 1, 1]


def test_the_focal_loss_of_an_empty_picture_by_hand() -> None:
    """All logits 0: 0.75 * 0.5^1.5 of ln 2 for each negative."""
    loss = OpenTypeLoss(Head(), LossConfig(classification="focal"))(outputs(), torch.empty(0, 6))
    term = 0.75 * 0.5**1.5 * math.log(2)
    assert loss.tolist() == pytest.approx([0.0, CLASS_GAIN * term * 5 * ANCHORS, 0.0], rel=1e-5)


def test_ignored_regions_say_nothing_to_the_focal_loss_either() -> None:
    given = outputs(-1.0)
    everywhere = targets("ignore", box=(-1.0, -1.0, 65.0, 65.0))
    OpenTypeLoss(Head(), LossConfig(classification="focal"))(given, everywhere).sum().backward()
    assert given["scores"].grad is not None
    assert given["scores"].grad.abs().sum() == 0


def test_the_assigners_settings_reach_it() -> None:
    """A box of 32 pixels holds 4 x 4 anchors of stride 8 and 2 x 2 of stride 16; beta 0: all count alike."""
    for top_k in (3, 25):
        given = outputs(-5.0)
        config = AssignerConfig(top_k=top_k, beta=0.0)
        OpenTypeLoss(Head(), None, config)(given, targets("pistol")).sum().backward()
        assert given["scores"].grad is not None
        taught = int((given["scores"].grad[0, LABEL_IDS["pistol"]] < 0).sum())
        assert taught == min(top_k, 4 * 4 + 2 * 2)
