"""Overlaps of boxes beside MONAI's, closed forms and a planted descent."""

from __future__ import annotations

import math

import pytest
import torch
from monai.data.box_utils import box_pair_giou
from torch import Tensor

from ganatomy.tasks.detection.losses import OVERLAPS, aspect_difference, overlap_loss


def drawn(dims: int, count: int = 400) -> tuple[Tensor, Tensor]:
    """Pairs of boxes that overlap, touch or lie apart."""
    draw = torch.Generator().manual_seed(dims)
    boxes = []
    for _ in range(2):
        low = torch.rand(count, dims, generator=draw) * (8 if dims == 2 else 3)
        boxes.append(torch.cat([low, low + 0.1 + torch.rand(count, dims, generator=draw) * 6], 1))
    return boxes[0], boxes[1]


@pytest.mark.parametrize("dims", [2, 3])
def test_giou_is_monais(dims: int) -> None:
    found, truth = drawn(dims)
    loss = overlap_loss("giou", found, truth)
    torch.testing.assert_close(1 - loss, box_pair_giou(found, truth), atol=1e-5, rtol=0)
    assert (loss > 1).any() and (loss < 0.8).any()


def test_closed_forms_of_two_squares() -> None:
    """Squares of side 4, one moved by 2 to the right: 8 in common of 24; the box around them is 4 by 6."""
    found, truth = torch.tensor([[0.0, 2, 4, 6]]), torch.tensor([[0.0, 0, 4, 4]])
    iou = 8 / 24
    expected = {"iou": 1 - iou, "giou": 1 - iou, "diou": 1 - iou + 4 / 52, "ciou": 1 - iou + 4 / 52}
    for kind in OVERLAPS:
        assert float(overlap_loss(kind, found, truth)) == pytest.approx(expected[kind], abs=1e-6), kind
    apart = torch.tensor([[0.0, 6, 4, 10]])  # a gap of 2: 32 of 40 are filled; centres are 6 apart
    expected = {"iou": 1.0, "giou": 1 + 8 / 40, "diou": 1 + 36 / 116, "ciou": 1 + 36 / 116}
    for kind in OVERLAPS:
        assert float(overlap_loss(kind, apart, truth)) == pytest.approx(expected[kind], abs=1e-6), kind


def test_ciou_adds_the_aspect() -> None:
    """An upright box of 2 by 4 in a square of 4 with the same centre."""
    found, truth = torch.tensor([[1.0, 0, 3, 4]]), torch.tensor([[0.0, 0, 4, 4]])
    v = 4 / math.pi**2 * (math.atan(0.5) - math.atan(1)) ** 2
    alpha = v / (1 - 0.5 + v)
    assert float(overlap_loss("ciou", found, truth)) == pytest.approx(0.5 + alpha * v, abs=1e-6)
    sides, cube = torch.tensor([[2.0, 4.0, 4.0]]), torch.tensor([[4.0, 4.0, 4.0]])
    assert float(aspect_difference(sides, cube)) == pytest.approx(2 / 3 * v, abs=1e-6)  # two of three pairs


@pytest.mark.parametrize("kind", OVERLAPS)
@pytest.mark.parametrize("dims", [2, 3])
def test_equal_boxes_cost_nothing_and_boxes_without_a_volume_are_finite(dims: int, kind: str) -> None:
    found, _ = drawn(dims, 20)
    torch.testing.assert_close(overlap_loss(kind, found, found), torch.zeros(20), atol=1e-5, rtol=0)
    flat = torch.cat([found[:, :dims], found[:, :dims]], 1).requires_grad_()
    for truth in (found, flat.detach()):
        loss = overlap_loss(kind, flat, truth)
        (gradient,) = torch.autograd.grad(loss.sum(), flat)
        assert torch.isfinite(loss).all() and torch.isfinite(gradient).all()


@pytest.mark.parametrize("kind", ["giou", "diou", "ciou"])
@pytest.mark.parametrize("dims", [2, 3])
def test_boxes_that_lie_apart_are_drawn_together(dims: int, kind: str) -> None:
    """The plain IoU has no gradient there."""
    box = torch.tensor([*[0.0] * dims, *[1.0] * dims])[None].requires_grad_()
    truth = torch.tensor([*[4.0] * dims, *[7.0] * dims])[None]
    assert not torch.autograd.grad(overlap_loss("iou", box, truth).sum(), box)[0].any()
    descent = torch.optim.Adam([box], lr=0.05)
    for _ in range(600):
        descent.zero_grad()
        overlap_loss(kind, box, truth).sum().backward()
        descent.step()
    torch.testing.assert_close(box.detach(), truth, atol=0.15, rtol=0)


def test_half_precision_is_computed_in_float32() -> None:
    found, truth = drawn(2)
    assert overlap_loss("ciou", found.bfloat16(), truth.bfloat16()).dtype == torch.float32
