"""The terms for small things, each against a case worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from ultralytics.utils.loss import BboxLoss
from ultralytics.utils.metrics import bbox_iou
from ultralytics.utils.tal import bbox2dist

from vedette_base.config import AssignerConfig, LossConfig
from vedette_vision.p2.assigner import SmallAssigner
from vedette_vision.p2.box_loss import Assigned, SmallBoxLoss
from vedette_vision.p2.terms import (
    annealed,
    area_weights,
    box_areas,
    cap_at,
    capped,
    centre_distances,
    dfl_weights,
    focal,
    is_small,
)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values).reshape(-1, 1)


def squares(*sides: float) -> torch.Tensor:
    """Boxes from the origin."""
    return torch.tensor([[0.0, 0.0, side, side] for side in sides])


@pytest.mark.parametrize(("progress", "value"), [(0.0, 0.5), (0.25, 0.4), (1.0, 0.1), (1.7, 0.1)])
def test_a_weight_moves_evenly_from_start_to_end_and_stays(progress: float, value: float) -> None:
    assert annealed(0.5, 0.1, progress) == pytest.approx(value)


@pytest.mark.parametrize(
    ("progress", "cap"), [(0.0, None), (0.1, 1.0), (0.29, 1.0), (0.3, 1.5), (0.99, 1.5), (1.0, 1.5)]
)
def test_a_cap_holds_from_its_share_of_the_training_on(progress: float, cap: float | None) -> None:
    assert cap_at([(0.1, 1.0), (0.3, 1.5)], progress) == cap


def test_there_is_no_cap_without_a_schedule() -> None:
    assert cap_at([], 0.5) is None
    assert float(capped(torch.tensor(7.0), None)) == 7.0


def test_a_cap_brings_the_term_down_and_scales_its_gradient_instead_of_cutting_it() -> None:
    x = torch.tensor(4.0, requires_grad=True)
    term = capped(x * 2, 2.0)  # 8 becomes 2
    term.backward()
    assert term.item() == pytest.approx(2.0)
    assert x.grad is not None
    assert float(x.grad) == pytest.approx(2 * 2 / 8)
    assert float(capped(torch.tensor(1.5), 2.0)) == pytest.approx(1.5)


@pytest.mark.parametrize("stride", [4.0, 8.0, 16.0, 32.0])
def test_24_pixels_are_the_limit_of_smallness_on_every_stride(stride: float) -> None:
    sides = [23.9 / stride, 24.1 / stride]
    assert is_small(squares(*sides), column(stride, stride), 24.0)[:, 0].tolist() == [True, False]


def test_smallness_goes_by_area() -> None:
    bar = torch.tensor([[0.0, 0.0, 12.0, 1.0]])  # 48 x 4 pixels at stride 4: 192 of 576
    assert is_small(bar, column(4.0), 24.0).all()
    assert not is_small(bar * 4, column(4.0), 24.0).any()


def test_areas() -> None:
    assert box_areas(torch.tensor([[1.0, 2.0, 4.0, 7.0], [3.0, 3.0, 1.0, 9.0]]))[:, 0].tolist() == [15.0, 0.0]


def test_box_weights_by_hand() -> None:
    """alpha 0.5, areas 4 and 100, scores 0.8 and 0.4: raw 0.525 and 0.205, scaled to the sum 1.2."""
    weights = area_weights(column(0.8, 0.4), column(4.0, 100.0), 0.5)
    assert weights[:, 0].tolist() == pytest.approx([0.525 * 1.2 / 0.73, 0.205 * 1.2 / 0.73])
    assert float(weights.sum()) == pytest.approx(1.2)


def test_box_weights_by_the_root_of_the_area() -> None:
    """1/2 and 1/10 in place of 1/4 and 1/100: raw 0.65 and 0.25."""
    weights = area_weights(column(0.8, 0.4), column(4.0, 100.0), 0.5, root=True)
    assert weights[:, 0].tolist() == pytest.approx([0.65 * 1.2 / 0.9, 0.25 * 1.2 / 0.9])


def test_box_weights_are_the_scores_where_alpha_is_0_and_areas_below_a_cell_count_as_one() -> None:
    assert area_weights(column(0.8, 0.4), column(4.0, 9.0), 0.0)[:, 0].tolist() == pytest.approx([0.8, 0.4])
    same = area_weights(column(0.5, 0.5), column(0.01, 1.0), 1.0)
    assert same[:, 0].tolist() == pytest.approx([0.5, 0.5])


def test_distribution_weights_rise_as_things_shrink() -> None:
    """Sides of 0, 12, 24 and 96 pixels at stride 4, gain 0.5."""
    weights = dfl_weights(squares(0.0, 3.0, 6.0, 24.0), column(4.0, 4.0, 4.0, 4.0), 24.0, 0.5)
    assert weights[:, 0].tolist() == pytest.approx([1.5, 1.25, 1.0, 1.0])


def test_centre_distances_by_hand() -> None:
    found = torch.tensor([[0.0, 0.0, 2.0, 2.0]])  # centre 1, 1
    truth = torch.tensor([[1.0, 3.0, 3.0, 7.0]])  # centre 2, 5
    assert centre_distances(found, truth).tolist() == [[2.5]]


def test_focal_loss_by_hand() -> None:
    """p = 0.8 of a positive: 0.25 * 0.2^1.5 * -ln 0.8; of a negative: 0.75 * 0.8^1.5 * -ln 0.2."""
    logit = torch.full((2,), math.log(4.0))
    terms = focal(logit, torch.tensor([1.0, 0.0]), 1.5, 0.25)
    assert terms.tolist() == pytest.approx(
        [-0.25 * 0.2**1.5 * math.log(0.8), -0.75 * 0.8**1.5 * math.log(0.2)], rel=1e-5
    )


def test_focal_loss_with_a_soft_target_by_hand() -> None:
    """t = 0.5, p = 0.8: 0.3 apart, cross-entropy (-ln 0.8 - ln 0.2) / 2, and no alpha."""
    term = focal(torch.tensor([math.log(4.0)]), torch.tensor([0.5]), 2.0, 0.0)
    assert term.item() == pytest.approx(0.3**2 * -(math.log(0.8) + math.log(0.2)) / 2, rel=1e-5)


@pytest.mark.parametrize("target", [0.05, 0.3, 0.9])
def test_focal_loss_draws_a_score_to_a_soft_target_from_both_sides(target: float) -> None:
    logits = torch.logit(torch.tensor([target / 3, (1 + target) / 2])).requires_grad_()
    focal(logits, torch.full((2,), target), 1.5, 0.25).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0] < 0 < logits.grad[1]


def test_focal_loss_without_gamma_and_alpha_is_cross_entropy_and_never_gives_a_bad_gradient() -> None:
    logits = torch.tensor([-30.0, -1.0, 0.3, 30.0], requires_grad=True)
    wanted = torch.tensor([0.0, 0.7, 1.0, 1.0])
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    assert torch.allclose(focal(logits, wanted, 0.0, 0.0), plain)
    focal(logits, wanted, 1.5, 0.25).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


BINS = 16


def assigned(scores: torch.Tensor, strides: torch.Tensor, truth: torch.Tensor) -> Assigned:
    count = len(scores)
    torch.manual_seed(0)
    points = torch.full((count, 2), 3.5)
    return Assigned(
        found=torch.tensor([[1.0, 1.0, 5.0, 6.0]]).repeat(count, 1),
        truth=truth,
        distances=torch.randn(count, 4 * BINS),
        points=points,
        strides=strides,
        scores=scores,
        total=scores.sum().clamp(min=1),
        finest=4.0,
        size=torch.tensor([64.0, 64.0]),
    )


@pytest.fixture
def pair() -> Assigned:
    """A thing of 12 pixels and one of 48, both at stride 4."""
    truth = torch.tensor([[2.0, 2.0, 5.0, 5.0], [0.0, 0.0, 12.0, 12.0]])
    return assigned(column(0.9, 0.6), column(4.0, 4.0), truth)


def test_with_every_switch_off_the_box_loss_is_the_librarys(pair: Assigned) -> None:
    place, spread = SmallBoxLoss(BINS, LossConfig())(pair, 0.5)
    theirs = BboxLoss(BINS)(
        pair.distances[None],
        pair.found[None],
        pair.points,
        pair.truth[None].clone(),
        pair.scores[None],
        pair.total,
        torch.ones(1, 2, dtype=torch.bool),
        pair.size,
        pair.strides,
    )
    assert (float(place), float(spread)) == pytest.approx((float(theirs[0]), float(theirs[1])), rel=1e-5)


def losses(pair: Assigned) -> list[float]:
    overlap = bbox_iou(pair.found, pair.truth, xywh=False, CIoU=True)[:, 0]
    return (1 - overlap).tolist()


def test_the_area_weight_moves_the_iou_term_to_the_small_thing_and_fades(pair: Assigned) -> None:
    loss = SmallBoxLoss(BINS, LossConfig(area_weight=1.0, area_weight_end=0.0))
    small, large = losses(pair)
    raw = [1 / 9, 1 / 144]  # cells of the finest stride
    share = [r * 1.5 / sum(raw) for r in raw]
    assert float(loss(pair, 0.0)[0]) == pytest.approx((small * share[0] + large * share[1]) / 1.5, rel=1e-5)
    assert float(loss(pair, 1.0)[0]) == pytest.approx((small * 0.9 + large * 0.6) / 1.5, rel=1e-5)


def test_a_thing_weighs_the_same_on_every_head() -> None:
    """24 pixels: 6 cells of stride 4, 3 of stride 8."""
    at = assigned(column(0.5, 0.5), column(4.0, 8.0), squares(6.0, 3.0))
    loss = SmallBoxLoss(BINS, LossConfig(area_weight=1.0, area_weight_end=1.0))
    assert float(loss(at, 0.0)[0]) == pytest.approx(sum(losses(at)) * 0.5, rel=1e-5)


def test_the_centre_term_is_for_small_things_alone_and_fades(pair: Assigned) -> None:
    """Centres (3, 3.5) against (3.5, 3.5): 0.25 cells in the mean, weighted by 0.9 of 1.5."""
    plain = float(SmallBoxLoss(BINS, LossConfig())(pair, 0.0)[0])
    loss = SmallBoxLoss(BINS, LossConfig(centre=2.0, centre_end=1.0))
    assert float(loss(pair, 0.0)[0]) - plain == pytest.approx(2.0 * 0.25 * 0.9 / 1.5, rel=1e-4)
    assert float(loss(pair, 0.5)[0]) - plain == pytest.approx(1.5 * 0.25 * 0.9 / 1.5, rel=1e-4)


def test_caps_hold_for_both_terms(pair: Assigned) -> None:
    loss = SmallBoxLoss(BINS, LossConfig(iou_caps=((0.0, 0.1), (0.5, 99.0)), dfl_caps=((0.0, 0.2),)))
    place, spread = loss(pair, 0.0)
    assert (float(place), float(spread)) == pytest.approx((0.1, 0.2))
    assert float(loss(pair, 0.5)[0]) > 0.1


def test_the_distribution_term_weighs_small_things_more(pair: Assigned) -> None:
    plain = BboxLoss(BINS).dfl_loss
    assert plain is not None
    terms = plain(pair.distances.view(-1, BINS), bbox2dist(pair.points, pair.truth, BINS - 1))[:, 0]
    expected = (terms[0] * 0.9 * (1 + 0.8 * 0.5) + terms[1] * 0.6) / 1.5  # 12 of 24 pixels: half the gain
    assert float(SmallBoxLoss(BINS, LossConfig(dfl_small=0.8))(pair, 0.0)[1]) == pytest.approx(
        float(expected)
    )


def test_distances_without_a_distribution_are_compared_as_shares_of_the_input() -> None:
    """YOLO26: wanted 1.5 cells on each side, said 2.5: one cell of 4 pixels in 64."""
    truth = torch.tensor([[2.0, 2.0, 5.0, 5.0]])
    at = assigned(column(0.5), column(4.0), truth)
    at = Assigned(**{f: getattr(at, f) for f in at.__slots__} | {"distances": torch.full((1, 4), 2.5)})
    assert float(SmallBoxLoss(1, LossConfig())(at, 0.0)[1]) == pytest.approx(0.5 * 4 / 64)


STRIDES = [4.0, 8.0, 16.0, 32.0]


def anchors(side: int) -> torch.Tensor:
    """Centres of all cells of all strides, in pixels."""
    points = []
    for stride in STRIDES:
        steps = torch.arange(side // int(stride)) * stride + stride / 2
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()], 1))
    return torch.cat(points)


def chosen(config: AssignerConfig, box: list[float], side: int = 64) -> int:
    """How many anchors a box gets when every anchor has found it exactly."""
    points = anchors(side)
    truth = torch.tensor([[box]])
    found = truth.expand(1, len(points), 4)
    scores = torch.full((1, len(points), 5), 0.5)
    assigner = SmallAssigner(5, STRIDES, config)
    return int(assigner.assign(scores, found, points, torch.zeros(1, 1, 1), truth)[2].sum())


TINY, LARGE = [28.0, 28.0, 36.0, 36.0], [8.0, 8.0, 56.0, 56.0]


@pytest.mark.parametrize(("least_side", "count"), [(0.0, 2 * 2), (16.0, 4 * 4 + 2 * 2)])
def test_a_tiny_box_is_as_large_as_it_is_told_to_count(least_side: float, count: int) -> None:
    """8 pixels hold the centres of 2 x 2 cells of stride 4; 16 pixels 4 x 4, and 2 x 2 of stride 8."""
    assert chosen(AssignerConfig(top_k=25, least_side=least_side), TINY) == count


def test_the_side_that_counts_does_not_come_from_the_second_stride() -> None:
    """The library would take 8 for a P2 head: 2 x 2 anchors in place of 4 x 4 and 2 x 2."""
    assert SmallAssigner(5, STRIDES, AssignerConfig()).stride_val == 16.0
    assert SmallAssigner(5, [8.0, 16.0, 32.0], AssignerConfig(least_side=4.0)).stride_val == 4.0


@pytest.mark.parametrize("top_k", [1, 10, 25])
def test_a_large_box_gets_as_many_anchors_as_it_may(top_k: int) -> None:
    assert chosen(AssignerConfig(top_k=top_k), LARGE) == top_k


def test_more_anchors_than_there_are_are_not_looked_for() -> None:
    assert chosen(AssignerConfig(top_k=1000), [0.0, 0.0, 32.0, 32.0], side=32) == 64 + 16 + 4 + 1


def test_beta_says_how_much_the_overlap_counts_against_the_score() -> None:
    """One anchor is sure and half off, one unsure and exact: beta 0.2 takes the first, 4 the second."""
    points = torch.tensor([[16.0, 16.0], [18.0, 16.0]])
    truth = torch.tensor([[[0.0, 0.0, 32.0, 32.0]]])
    found = torch.tensor([[[0.0, 0.0, 32.0, 16.0], [0.0, 0.0, 32.0, 32.0]]])
    scores = torch.tensor([[[0.9], [0.3]]])
    for beta, first in ((0.2, True), (4.0, False)):
        assigner = SmallAssigner(1, STRIDES, AssignerConfig(top_k=1, beta=beta))
        mine = assigner.assign(scores, found, points, torch.zeros(1, 1, 1), truth)[2]
        assert mine[0].tolist() == [first, not first]
