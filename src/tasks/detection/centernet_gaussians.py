"""Gaussians around the centres of objects: their width, and the cells within."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Gaussian = Literal["circle", "ellipse"]
MIN_IOU = 0.3
"""Lowest IoU with the true box of a box with corners inside the Gaussian's radius (CornerNet's t)."""
HALVINGS = 24
"""Steps of the bisection in `radius`."""
SHARE = 0.54
"""Share of a box along each axis that is within 3σ of an ellipse's centre (TTFNet's α)."""
LEAST_SIGMA = 0.5
"""Smallest σ, in cells, of a Gaussian that chooses cells: neighbours of a centre are always within 3σ."""


def within(centres: Tensor, size: Tensor, cells: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Assign each cell to the object with the largest Gaussian there, if it is within 3σ along each axis.

    A cell that holds a centre is assigned to that object.

    Args:
        centres: Cells of the centres [N, d].
        size: Sides of the objects in cells [N, d].
        cells: Spatial size of the maps.

    Returns:
        Object numbers [M], cells [M, d], and divisors [M] with which the weights of an object's cells,
        proportional to its Gaussian, add up to one over the number of objects.
    """
    if not len(centres):
        return centres.new_zeros(0), centres, size.new_zeros(0)
    dims, count = len(cells), len(centres)
    sigma = (SHARE * size / 6).clamp_min(LEAST_SIGMA)
    bumps = gaussians(centres, sigma, cells)
    best, owner = bumps.max(0)
    grid = torch.cartesian_prod(*(torch.arange(n, device=size.device) for n in cells)).reshape(-1, dims)
    best, owner = best.flatten(), owner.flatten()
    away = (grid - centres[owner]).abs()
    near = (away <= 3 * sigma[owner]).all(1)
    owner, near, weight = owner[near], grid[near], best[near]
    total = torch.zeros(count, device=size.device).index_add_(0, owner, weight)
    return owner, near, total[owner] * (total > 0).sum() / weight


def deviations(size: Tensor, gaussian: Gaussian) -> Tensor:
    """Return the standard deviations of the Gaussians of objects in cells, [N, d].

    Args:
        size: Sides of the objects in cells [N, d].
        gaussian: Their shape, see `encode`.
    """
    if gaussian == "circle":
        return ((2 * radius(size) + 1) / 6)[:, None].expand_as(size)
    return (SHARE * size / 6).clamp_min(1 / 6)


def gaussians(centres: Tensor, sigma: Tensor, cells: Sequence[int]) -> Tensor:
    """Return exp(-Σ (x - centre)² / 2σ²) on the cells [N, *cells], exactly 1 at each centre.

    Args:
        centres: Cells of the centres [N, d].
        sigma: Standard deviations along each axis in cells [N, d].
        cells: Spatial size of the maps.
    """
    bumps = torch.ones(len(centres), device=centres.device)
    for axis, n in enumerate(cells):
        away = torch.arange(n, device=centres.device) - centres[:, axis, None]
        wave = torch.exp(-(away.float() ** 2) / (2 * sigma[:, axis, None] ** 2))
        bumps = bumps[..., None] * wave.reshape(len(centres), *[1] * axis, n)
    return bumps


def radius(size: Tensor, min_iou: float = MIN_IOU) -> Tensor:
    """Return how far the corners of boxes with sides [N, d] may move with an IoU of at least `min_iou` [N].

    The smallest of CornerNet's three cases: both corners move outwards, inwards, or in the same direction.
    Law and Deng 2018, arXiv 1808.01244; solved by bisection, so it holds for any d.
    """
    volume = size.prod(1)
    lowest = size.min(1).values

    def solve(iou: object, high: Tensor) -> Tensor:
        low = torch.zeros_like(high)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            good = iou(middle[:, None]) >= min_iou  # type: ignore[operator]
            low, high = torch.where(good, middle, low), torch.where(good, high, middle)
        return low

    def shifted(r: Tensor) -> Tensor:
        common = (size - r).clamp_min(0).prod(1)
        return common / (2 * volume - common)

    inwards = solve(lambda r: (size - 2 * r).clamp_min(0).prod(1) / volume, lowest / 2)
    outwards = solve(lambda r: volume / (size + 2 * r).prod(1), size.max(1).values)
    return torch.stack([solve(shifted, lowest), inwards, outwards]).min(0).values
