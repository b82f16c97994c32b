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
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]).to(images) / 16
    planes = F.pad(images.flatten(0, 1)[:, None], (2, 2, 2, 2), mode="reflect")
    planes = F.conv2d(F.conv2d(planes, kernel.reshape(1, 1, 1, 5)), kernel.reshape(1, 1, 5, 1))
    return planes.reshape(images.shape)


def _enlarged(coarse: Tensor, like: Tensor) -> Tensor:
    spread = torch.zeros_like(like)
    spread[:, :, ::2, ::2] = coarse
    return 4 * smoothed(spread)
