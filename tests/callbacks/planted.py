"""Networks whose answer is known beforehand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Identity(nn.Module):
    """Its input, whatever is learned."""

    def __init__(self, in_channels: int = 1, out_channels: int = 1, **ignored: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0 * self.weight


class Brighter(Identity):
    """Logits of two classes, the second one where the input is above its mean (of z-scores: 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([-x, x], 1) + 0 * self.weight


class Bright(Identity):
    """Logits of two classes, the second one where the input (z-scores) is above 3."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([3 - x, x - 3], 1) + 0 * self.weight
