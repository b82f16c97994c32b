"""Losses of an image against its target: those known by name, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from monai.losses import SSIMLoss
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from ganatomy.errors import UserError
from ganatomy.tasks.enhancement.edges import gradient_difference

Loss = Callable[[Tensor, Tensor], Tensor]


def weighted_losses(weights: Mapping[str, Any], dims: int, data_range: float) -> dict[str, Loss]:
    """Return the losses of (output, target) [B, C, *spatial] by name, times their weights.

    Known are l1 and mse (means), ssim (1 - SSIM) and gradient (`gradient_difference`). A user's own loss is a
    callable of (output, target) that returns one number, under any other name.

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
    }
    weighted: dict[str, Loss] = {}
    for name, given in weights.items():
        weight, own = _own(name, given, known) if isinstance(given, Mapping) else (given, None)
        if own is None and name not in known:
            raise UserError(f"losses.{name}: no such loss; choose {', '.join(known)}")
        if weight < 0:
            raise UserError(f"losses.{name}: {weight} is negative; must be >= 0")
        if weight > 0:
            weighted[name] = partial(
                _times, known[name] if own is None else partial(_checked, name, own), weight
            )
    if not weighted:
        raise UserError("losses: all weights are 0; give at least one above 0")
    return weighted


def _own(name: str, given: Mapping[str, Any], known: Mapping[str, Loss]) -> tuple[float, Loss]:
    """Return (weight, loss) of a user's own loss."""
    weight, loss = given.get("weight"), given.get("loss")
    fits = isinstance(weight, int | float) and not isinstance(weight, bool) and callable(loss)
    if not fits or set(given) != {"weight", "loss"}:
        raise UserError(
            f"losses.{name}: a loss of your own is {{weight: 0.1, loss: {{_target_: mylab.losses.Mine}}}}, "
            f"a callable of (output, target); got {', '.join(given)}"
        )
    if name in known:
        raise UserError(f"losses.{name}: is the name of a built-in loss; rename yours")
    return weight, loss  # type: ignore[return-value]


def _checked(name: str, loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    """Return the value of a user's own loss; raise UserError if it is not one number."""
    value = loss(output, target)
    if not isinstance(value, Tensor) or value.dim() > 0:
        got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise UserError(
            f"losses.{name}: returned {got}; a loss must return one number, a tensor without dimensions"
        )
    return value


def _times(loss: Loss, weight: float, output: Tensor, target: Tensor) -> Tensor:
    return weight * loss(output, target)
