"""Losses of an image against its target: those known by name, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from monai.losses import SSIMLoss
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from ganatomy.errors import UserError
from ganatomy.tasks.enhancement.edges import gradient_difference, sobel_difference
from ganatomy.tasks.shared.weighted import one_number, weighted

Loss = Callable[[Tensor, Tensor], Tensor]


def weighted_losses(weights: Mapping[str, Any], dims: int, data_range: float) -> dict[str, Loss]:
    """Return the losses of (output, target) [B, C, *spatial] by name, times their weights.

    Known are l1 and mse (means), ssim (1 - SSIM), gradient (`gradient_difference`) and sobel
    (`sobel_difference`). A user's own loss is a callable of (output, target) that returns one number, under
    any other name.

    Args:
        weights: Weight of each loss by its name, or {"weight": ..., "loss": ...} for a user's own. Losses of
            weight 0 are left out.
        dims: 2 or 3.
        data_range: Range of the intensities for SSIM, in the network's units.

    Raises:
        UserError: If a name is unknown, a weight is negative, or none is above 0.
    """
    known: dict[str, Loss] = {
        "l1": l1_loss,
        "mse": mse_loss,
        "ssim": SSIMLoss(dims, data_range=data_range),
        "gradient": gradient_difference,
        "sobel": sobel_difference,
    }
    found: dict[str, Loss] = {
        name: partial(_times, partial(_checked, name, loss) if own else loss, weight)
        for name, (weight, loss, own) in weighted(weights, known).items()
    }
    if not found:
        raise UserError("losses: all weights are 0; give at least one above 0")
    return found


def _checked(name: str, loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    return one_number(name, loss(output, target))


def _times(loss: Loss, weight: float, output: Tensor, target: Tensor) -> Tensor:
    return weight * loss(output, target)
