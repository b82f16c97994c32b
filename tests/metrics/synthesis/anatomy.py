"""Generated images that differ as patients do: smooth bodies with organs, some texture, many subjects."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def anatomies(count: int, side: int = 32, seed: int = 0) -> Tensor:
    """[count, 1, side, side]: an ellipse with three organs at random, and texture."""
    draw = torch.Generator().manual_seed(seed)
    axis = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=draw)

    images = torch.sigmoid(30 * (0.8 - (x / between(0.7, 1)) ** 2 - (y / between(0.7, 1)) ** 2)) * between(
        0.6, 1
    )
    for _ in range(3):
        distance = (x - between(-0.5, 0.5)) ** 2 + (y - between(-0.5, 0.5)) ** 2
        images = images + between(-0.6, 0.6) * torch.sigmoid(60 * (between(0.02, 0.1) - distance))
    grain = torch.randn(count, 1, side, side, generator=draw)
    return images[:, None] + 0.1 * F.avg_pool2d(F.pad(grain, (0, 1, 0, 1)), 2, 1)
