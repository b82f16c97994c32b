"""Learning rates over a run."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from src.errors import UserError


class DecayAtEnd(LambdaLR):
    """The full rate, then a straight line to 0 over the last `share` of `steps`."""

    def __init__(self, optimizer: Optimizer, steps: int, share: float = 0.3) -> None:
        if not 0 < share <= 1:
            raise UserError(f"share: {share} is outside (0, 1]")
        super().__init__(optimizer, lambda step: min(1.0, max(0.0, (steps - step) / (share * steps))))
