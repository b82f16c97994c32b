"""Losses of overlap between prediction and truth: Dice, Tversky, generalised Dice."""

from __future__ import annotations

import torch
from monai.losses import DiceLoss, TverskyLoss
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.losses.maps import Maps
from ganatomy.tasks.segmentation.losses.voxels import cross_entropy_loss, focal_loss

SMOOTH = 1e-5
"""MONAI's default of `smooth`: a class that is absent from an image and its prediction has loss 0."""


def dice_loss(maps: Maps, background: bool = True, smooth: float = SMOOTH) -> Tensor:
    """Return the mean over images and classes of 1 - (2 |P T| + s) / (|P| + |T| + s).

    MONAI's DiceLoss. With its small s a class that is absent from an image adds 1 and hardly a gradient until
    its prediction has all but gone; a larger `smooth` (1) makes false positives count there.

    Args:
        maps: Logits and truth.
        background: False leaves out the first of exclusive classes, as nnU-Net does.
        smooth: s, in voxels.

    Raises:
        UserError: If `smooth` is not positive.
    """
    loss = DiceLoss(reduction="none", smooth_nr=_positive(smooth), smooth_dr=smooth)
    return maps.mean_of_classes(loss(*maps.masked(maps.probabilities, maps.truth)).flatten(1), background)


def dice_ce_loss(maps: Maps, background: bool = True, smooth: float = SMOOTH) -> Tensor:
    """Return Dice loss + cross entropy: MONAI's DiceCELoss to the last bit where all voxels count alike.

    Args:
        maps: Logits and truth.
        background: See `dice_loss`.
        smooth: See `dice_loss`.
    """
    return dice_loss(maps, background, smooth) + cross_entropy_loss(maps)


def dice_focal_loss(
    maps: Maps, gamma: float = 2.0, background: bool = True, smooth: float = SMOOTH
) -> Tensor:
    """Return Dice loss + focal loss.

    Args:
        maps: Logits and truth.
        gamma: See `focal_loss`.
        background: See `dice_loss`.
        smooth: See `dice_loss`.
    """
    return dice_loss(maps, background, smooth) + focal_loss(maps, gamma)


def tversky_loss(
    maps: Maps, alpha: float = 0.3, beta: float = 0.7, background: bool = True, smooth: float = SMOOTH
) -> Tensor:
    """Return the mean over images and classes of 1 - (TP + s) / (TP + alpha FP + beta FN + s).

    Salehi et al., arXiv 1706.05721, eq. 4; the defaults are their best, for recall. MONAI's TverskyLoss.

    Args:
        maps: Logits and truth.
        alpha: Weight of false positives.
        beta: Weight of false negatives; alpha = beta = 0.5 gives Dice.
        background: See `dice_loss`.
        smooth: s, in voxels.

    Raises:
        UserError: If a weight is negative, both are 0, or `smooth` is not positive.
    """
    if min(alpha, beta) < 0 or alpha + beta == 0:
        raise UserError(f"alpha, beta: {alpha}, {beta}; must be >= 0, and one of them above 0")
    loss = TverskyLoss(
        alpha=alpha, beta=beta, reduction="none", smooth_nr=_positive(smooth), smooth_dr=smooth
    )
    return maps.mean_of_classes(loss(*maps.masked(maps.probabilities, maps.truth)).flatten(1), background)


def generalised_dice_loss(maps: Maps, smooth: float = SMOOTH) -> Tensor:
    """Return the mean over images of 1 - (2 Σ w |P T| + s) / (Σ w (|P| + |T|) + s) with w = 1/|T|² by class.

    Sudre et al., arXiv 1707.03237, eq. 3. Classes that are absent from an image take the largest weight of
    the others, as in MONAI's GeneralizedDiceLoss. That one is not used: its weights, 1e-12 for a class of a
    million voxels, vanish beside its s, and with them the loss. Here the largest weight of an image is
    1/|T| of its class, so that the sums are about 1. Class weights do not apply: this loss has its own.

    Args:
        maps: Logits and truth.
        smooth: s, in shares of the smallest class.

    Raises:
        UserError: If `smooth` is not positive.
    """
    _positive(smooth)
    probabilities, truth = (each.flatten(2) for each in maps.masked(maps.probabilities, maps.truth))
    sizes = truth.sum(2)
    present = sizes > 0
    smallest = torch.where(present, sizes, sizes.new_full((), torch.inf)).amin(1, keepdim=True)
    smallest = torch.where(smallest.isfinite(), smallest, smallest.new_ones(()))
    weights = torch.where(present, (smallest / sizes.clamp_min(1)) ** 2, sizes.new_ones(())) / smallest
    overlap = (weights * (probabilities * truth).sum(2)).sum(1)
    total = (weights * (probabilities.sum(2) + sizes)).sum(1)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def _positive(smooth: float) -> float:
    if not smooth > 0:
        raise UserError(f"smooth: {smooth}; must be above 0")
    return smooth
