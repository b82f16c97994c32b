"""The Laplacian pyramid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

COARSEST = 14
"""Smallest shorter side of a level."""


def level_sides(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sides of each level, finest first, each half of the one before, rounded up."""
    sides = [(height, width)]
    while -(-min(sides[-1]) // 2) >= COARSEST:
        sides.append((-(-sides[-1][0] // 2), -(-sides[-1][1] // 2)))
    return sides


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Split [n, C, H, W] into levels, finest first: differences to the next coarser one; the coarsest itself.

    Burt and Adelson, IEEE Trans. Commun. 31 (1983) 532: the kernel [1, 4, 6, 4, 1] / 16, images mirrored at
    their edges.
    """
    levels = [images]
    for _ in level_sides(images.shape[2], images.shape[3])[1:]:
        coarse = smoothed(levels[-1])[:, :, ::2, ::2]
        levels[-1] = levels[-1] - _enlarged(coarse, levels[-1])
        levels.append(coarse)
    return levels


def smoothed(images: Tensor) -> Tensor:
    """Convolve with the binomial kernel of five taps along both axes: a Gaussian of 1 pixel."""
    for axis, margins in ((2, (0, 0, 2, 2)), (3, (2, 2, 0, 0))):
        padded, side = F.pad(images, margins, mode="reflect"), images.shape[axis]
        images = padded.narrow(axis, 2, side) * (6 / 16)
        for place, weight in ((1, 4 / 16), (0, 1 / 16)):
            pair = padded.narrow(axis, place, side) + padded.narrow(axis, 4 - place, side)
            images.add_(pair, alpha=weight)
    return images


def _enlarged(coarse: Tensor, like: Tensor) -> Tensor:
    spread = torch.zeros_like(like)
    spread[:, :, ::2, ::2] = coarse
    return 4 * smoothed(spread)


def halved(images: Tensor) -> Tensor:
    """Return the means over 2x2 pixels of [n, C, H, W]; at the end of an odd side over those there are.

    The same bits as `avg_pool2d(images, 2, ceil_mode=True)`, which takes more than twice as long on a CPU.
    """
    if any(side % 2 for side in images.shape[2:]):
        return F.avg_pool2d(images, 2, ceil_mode=True)
    upper, lower = images[:, :, ::2], images[:, :, 1::2]
    total = upper[..., ::2] + upper[..., 1::2]
    return total.add_(lower[..., ::2]).add_(lower[..., 1::2]).mul_(0.25)
