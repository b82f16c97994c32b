"""Losses of the overlap of boxes: IoU, GIoU, DIoU and CIoU in 2D and 3D."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

Overlap = Literal["iou", "giou", "diou", "ciou"]
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)
TINY = 1e-7
"""Added to denominators, in cells or cells^d: boxes without a volume have no overlap and no NaN."""


def overlap_loss(kind: Overlap, found: Tensor, truth: Tensor) -> Tensor:
    """Return 1 minus an overlap of boxes, pair by pair [M]; 0 where they are equal.

    iou: intersection over union U. giou: IoU - (C - U)/C, with C the volume of the smallest box around both
    (Rezatofighi et al. 2019, arXiv 1902.09630). diou: IoU - ρ²/c², with ρ the distance of the centres and c
    the diagonal of that box. ciou: the same minus αv, where v compares the aspects and α = v/(1 - IoU + v)
    has no gradient (Zheng et al. 2020, arXiv 1911.08287); in 3D v is the mean over the pairs of axes.

    Args:
        kind: Which overlap.
        found: Found boxes [M, 2*d], lower corner then upper corner.
        truth: True boxes [M, 2*d].
    """
    dims = found.shape[1] // 2
    found, truth = found.float(), truth.float()
    low, high, true_low, true_high = found[:, :dims], found[:, dims:], truth[:, :dims], truth[:, dims:]
    sides, true_sides = high - low, true_high - true_low
    common = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp_min(0).prod(1)
    union = sides.prod(1) + true_sides.prod(1) - common
    iou = common / (union + TINY)
    if kind == "iou":
        return 1 - iou
    around = torch.maximum(high, true_high) - torch.minimum(low, true_low)
    if kind == "giou":
        volume = around.prod(1)
        return 1 - iou + (volume - union) / (volume + TINY)
    apart = ((low + high - true_low - true_high) / 2).square().sum(1)
    loss = 1 - iou + apart / (around.square().sum(1) + TINY)
    if kind == "diou":
        return loss
    v = aspect_difference(sides, true_sides)
    alpha = (v / (1 - iou + v + TINY)).detach()
    return loss + alpha * v


def aspect_difference(sides: Tensor, others: Tensor) -> Tensor:
    """Return v of CIoU, 4/π² (atan(w/h) - atan(w'/h'))², the mean over pairs of axes [M].

    Args:
        sides: Sides of boxes [M, d], above 0.
        others: Sides of the boxes they are compared with [M, d].
    """
    first, second = torch.triu_indices(sides.shape[1], sides.shape[1], 1, device=sides.device)
    angles = [torch.atan2(each[:, first], each[:, second]) for each in (sides, others)]
    return 4 / math.pi**2 * (angles[0] - angles[1]).square().mean(1)
