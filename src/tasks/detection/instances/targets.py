"""From instance maps to the maps that a network learns, and the losses of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.data.transforms.instances import NO_BOX


class InstanceTruth(NamedTuple):
    """Target maps of a batch.

    Attributes:
        share: Share of a cell that lies in an object, [B, 1, *cells].
        valid: False for cells with voxels of which nothing is known, [B, 1, *cells] bool.
        vote: Way from the middle of a cell to the centre of its object's box, in cells [B, d, *cells]; the
            mean over the cell's voxels that lie in objects.
        inside: True for cells with such a voxel, [B, 1, *cells] bool.
    """

    share: Tensor
    valid: Tensor
    vote: Tensor
    inside: Tensor


def encode(numbers: Tensor, boxes: Sequence[Tensor], stride: int) -> InstanceTruth:
    """Encode instance maps on cells of `stride` voxels.

    The vote is that of Kendall et al. 2018 (arXiv 1705.07115) and Panoptic-DeepLab (Cheng et al. 2020, arXiv
    1911.10194), towards the centre of the box, which the centre map learns too.

    Args:
        numbers: Instance maps [B, 1, *spatial]: i + 1 in the object of box i, `NO_BOX` if unknown.
        boxes: For each image [N, 2*d]: lower and upper corner in voxels.
        stride: Voxels per cell.
    """
    dims = numbers.ndim - 2
    margins = [n for side in reversed(numbers.shape[2:]) for n in (0, -side % stride)]
    numbers = F.pad(numbers, margins, value=NO_BOX)
    pool = F.avg_pool2d if dims == 2 else F.avg_pool3d
    share = pool((numbers > 0).float(), stride)
    valid = pool((numbers == NO_BOX).float(), stride) == 0
    axes = [torch.arange(side, device=numbers.device) + 0.5 for side in share.shape[2:]]
    cells = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    means = []
    for row, own in enumerate(boxes):
        own = own.to(numbers.device).float()
        centres = torch.cat([own.new_zeros(1, dims), (own[:, :dims] + own[:, dims:]) / (2 * stride)])
        voted = centres[numbers[row, 0].clamp_min(0).long()].movedim(-1, 0)  # 0 outside objects
        means.append(pool(voted[None], stride)[0])
    votes = torch.stack(means) / share.clamp_min(1e-6) - cells
    return InstanceTruth(share, valid, votes, share > 0)


def foreground_loss(logits: Tensor, truth: InstanceTruth) -> Tensor:
    """Return cross entropy plus soft Dice of the foreground, 0-dim: a mean over images.

    Cells of which nothing is known have no part in it.

    Args:
        logits: Foreground [B, 1, *cells].
        truth: See `encode`.
    """
    logits, valid = logits.float().flatten(1), truth.valid.flatten(1).float()
    share = truth.share.flatten(1)
    entropy = F.binary_cross_entropy_with_logits(logits, share, reduction="none")
    entropy = (entropy * valid).sum(1) / valid.sum(1).clamp_min(1)
    found = logits.sigmoid() * valid
    overlap, both = (found * share).sum(1), (found + share * valid).sum(1)
    return (entropy + 1 - (2 * overlap + 1) / (both + 1)).mean()


def vote_loss(vote: Tensor, truth: InstanceTruth) -> Tensor:
    """Return the L1 loss of the votes inside objects, in cells, 0-dim: a mean over images.

    Args:
        vote: Votes [B, d, *cells].
        truth: See `encode`.
    """
    inside = truth.inside.float()
    errors = (vote.float() - truth.vote).abs().sum(1, keepdim=True) * inside
    return (errors.flatten(1).sum(1) / inside.flatten(1).sum(1).clamp_min(1)).mean()
