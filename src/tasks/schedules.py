"""Learning rates over a run."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from src.errors import UserError


class DecayAtEnd(LambdaLR):
    """The full rate, then a straight line to 0 over the last `share` of `steps`.

    ends: for a player that plays in the first part of a run alone, its share of the steps.
    """

    def __init__(self, optimizer: Optimizer, steps: int, share: float = 0.3, ends: float = 1.0) -> None:
        for key, value in (("share", share), ("ends", ends)):
            if not 0 < value <= 1:
                raise UserError(f"{key}: {value} is outside (0, 1]")
        last = ends * steps
        super().__init__(optimizer, lambda step: min(1.0, max(0.0, (last - step) / (share * last))))
