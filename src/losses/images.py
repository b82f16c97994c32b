"""The losses of an image against its target, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from monai.losses import SSIMLoss
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from src.errors import UserError
from src.losses.edges import gradient_difference

Loss = Callable[[Tensor, Tensor], Tensor]


def weighted_losses(weights: Mapping[str, float], dims: int, data_range: float) -> dict[str, Loss]:
    """Losses of (output, target) [B, C, *spatial] times their weights; those of weight 0 are left out.

    l1, mse: mean errors. ssim: 1 - SSIM, for intensities of that range. gradient: `gradient_difference`.
    UserError for an unknown name, a negative weight, or none above 0.
    """
    known: dict[str, Loss] = {
        "l1": l1_loss,
        "mse": mse_loss,
        "ssim": SSIMLoss(dims, data_range=data_range),
        "gradient": gradient_difference,
    }
    for name, weight in weights.items():
        if name not in known:
            raise UserError(f"losses.{name}: no such loss; choose {', '.join(known)}")
        if weight < 0:
            raise UserError(f"losses.{name}: {weight} is negative")
    heavy = {name: weight for name, weight in weights.items() if weight > 0}
    if not heavy:
        raise UserError("losses: all are 0; a generator without an adversary would learn nothing")
    return {name: partial(_times, known[name], weight) for name, weight in heavy.items()}


def _times(loss: Loss, weight: float, output: Tensor, target: Tensor) -> Tensor:
    return weight * loss(output, target)
