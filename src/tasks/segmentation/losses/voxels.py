"""Losses that are means over voxels: cross entropy, focal loss, the hardest voxels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.losses.cross_entropy import cross_entropy
from ganatomy.tasks.segmentation.losses.maps import Maps, mean_of_voxels

TINY = 1e-12
"""Smallest base of a power: a smaller one has an infinite gradient for exponents below 1."""


def cross_entropy_loss(maps: Maps) -> Tensor:
    """Return the mean cross entropy of the voxels that count.

    For classes -log softmax(logits) at the true one; class weights as torch's: the sum of w_y times the loss
    over the sum of w_y, y being the class of a voxel. For regions the mean over voxels and regions of the
    binary cross entropy, weighted by region.

    Args:
        maps: Logits and truth.
    """
    if maps.valid is None and maps.class_weights is None and not maps.sigmoid:
        return cross_entropy(maps.logits, maps.label)
    return mean_of_voxels(*_of_voxels(maps))


def focal_loss(maps: Maps, gamma: float = 2.0) -> Tensor:
    """Return the mean of (1 - p)^gamma times the cross entropy -log p. Lin et al., arXiv 1708.02002, eq. 4.

    MONAI's DiceFocalLoss is not used: it takes sigmoids of logits that the network and every answer pass
    through a softmax, and its focal loss with a softmax is 1/K of this one, a mean over channels too.

    Args:
        maps: Logits and truth.
        gamma: The larger, the less do voxels count that are almost right; 0 gives cross entropy.

    Raises:
        UserError: If `gamma` is negative.
    """
    if gamma < 0:
        raise UserError(f"gamma: {gamma}; must be >= 0")
    losses, weights = _of_voxels(maps)
    return mean_of_voxels((-torch.expm1(-losses)).clamp_min(TINY) ** gamma * losses, weights)


def topk_loss(maps: Maps, percent: float = 10.0) -> Tensor:
    """Return the mean cross entropy of the `percent` of each image's voxels where it is largest.

    Wu et al., arXiv 1605.06885, section 3; the default is nnU-Net's. Of each image, where nnU-Net takes them
    of the batch: so N processes agree with one. Losses are ranked, and averaged, after their class weights.

    Args:
        maps: Logits and truth.
        percent: Share of the voxels that count, in percent; at least one voxel.

    Raises:
        UserError: If `percent` is not above 0 and at most 100.
    """
    if not 0 < percent <= 100:
        raise UserError(f"percent: {percent}; must be above 0, at most 100")
    losses, weights = _of_voxels(maps)
    values = (losses if weights is None else losses * weights).flatten(1)
    if maps.valid is None:
        return values.topk(_share(values.shape[1], percent)).values.mean()
    counted = maps.valid.expand_as(maps.truth if maps.sigmoid else maps.valid).flatten(1)
    counts = torch.tensor([_share(n, percent) for n in counted.sum(1).tolist()], device=values.device)
    ranked = (
        torch.where(counted, values, torch.full_like(values, -1.0)).topk(max(1, int(counts.max()))).values
    )
    places = torch.arange(ranked.shape[1], device=values.device)
    return mean_of_voxels(ranked, ((places < counts[:, None]) & (ranked >= 0)).float())


def _share(count: int, percent: float) -> int:
    return min(count, max(1, int(count * percent / 100)))


def _of_voxels(maps: Maps) -> tuple[Tensor, Tensor | None]:
    """Return cross entropies and their weights: [B, *spatial] of classes, [B, K, *spatial] of regions."""
    weights = maps.class_weights
    shape = (-1, *[1] * (maps.truth.dim() - 2))
    if maps.sigmoid:
        losses = F.binary_cross_entropy_with_logits(maps.logits, maps.truth, reduction="none")
        weights = None if weights is None else weights.to(losses).reshape(shape).expand_as(losses)
        counted = maps.counted
    else:
        label = maps.label
        losses = cross_entropy(maps.logits, label, "none")
        weights = None if weights is None else weights.to(losses)[label]
        counted = None if maps.counted is None else maps.counted[:, 0]
    if counted is None:
        return losses, weights
    return losses, counted.expand_as(losses) if weights is None else weights * counted
