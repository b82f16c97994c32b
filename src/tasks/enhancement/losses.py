"""The losses of an image against its target: by name, or of one's own."""

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
    """Losses of (output, target) [B, C, *spatial] times their weights; those of weight 0 are left out.

    l1, mse: mean errors. ssim: 1 - SSIM, for intensities of that range. gradient: `gradient_difference`.

    Args:
        weights: Weight of each loss by its name; for a loss of one's own {"weight": ..., "loss": ...}, a
            callable of (output, target) that gives one number, under any other name.
        dims: 2 or 3.
        data_range: Range of the intensities, in the network's units.

    Raises:
        UserError: For an unknown name, a negative weight, or none above 0.
    """
    known: dict[str, Loss] = {
        "l1": l1_loss,
        "mse": mse_loss,
        "ssim": SSIMLoss(dims, data_range=data_range),
        "gradient": gradient_difference,
    }
    heavy: dict[str, Loss] = {}
    for name, given in weights.items():
        weight, own = _own(name, given, known) if isinstance(given, Mapping) else (given, None)
        if own is None and name not in known:
            raise UserError(f"losses.{name}: no such loss; choose {', '.join(known)}")
        if weight < 0:
            raise UserError(f"losses.{name}: {weight} is negative")
        if weight > 0:
            heavy[name] = partial(
                _times, known[name] if own is None else partial(_checked, name, own), weight
            )
    if not heavy:
        raise UserError("losses: all are 0; a generator without an adversary would learn nothing")
    return heavy


def _own(name: str, given: Mapping[str, Any], known: Mapping[str, Loss]) -> tuple[float, Loss]:
    """(weight, loss) of one's own loss."""
    weight, loss = given.get("weight"), given.get("loss")
    fits = isinstance(weight, int | float) and not isinstance(weight, bool) and callable(loss)
    if not fits or set(given) != {"weight", "loss"}:
        raise UserError(
            f"losses.{name}: a loss of your own is {{weight: 0.1, loss: {{_target_: mylab.losses.Mine}}}}, "
            f"which takes (output, target); got {', '.join(given)}"
        )
    if name in known:
        raise UserError(f"losses.{name}: is the name of a loss here; give yours another")
    return weight, loss  # type: ignore[return-value]


def _checked(name: str, loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    """The value of a loss of one's own, which must be one number."""
    value = loss(output, target)
    if not isinstance(value, Tensor) or value.dim() > 0:
        told = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise UserError(f"losses.{name}: gives {told}; a loss gives one number, a tensor without dimensions")
    return value


def _times(loss: Loss, weight: float, output: Tensor, target: Tensor) -> Tensor:
    return weight * loss(output, target)
