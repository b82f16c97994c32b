"""Losses chosen by name with a weight each, those of a user's own among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.text.values import as_typed


def weighted(
    weights: Mapping[str, Any], known: Mapping[str, Callable[..., Tensor]], takes: str = "(output, target)"
) -> dict[str, tuple[float, Callable[..., Tensor], bool]]:
    """Return (weight, loss, True for a user's own) of each loss with a weight above 0.

    Args:
        weights: Weight of each loss by its name, or {"weight": ..., "loss": ...} for a user's own.
        known: Losses by name.
        takes: Arguments of a user's own loss, for the message.

    Raises:
        UserError: A name is unknown, or a weight is no number of 0 or more.
    """
    found: dict[str, tuple[float, Callable[..., Tensor], bool]] = {}
    for name, given in weights.items():
        own = isinstance(given, Mapping)
        weight, loss = _own(name, given, known, takes) if own else (given, known.get(name))
        if loss is None:
            raise UserError(f"losses.{name}: no such loss; choose {', '.join(known)}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise UserError(f"losses.{name}: {as_typed(weight)} is no weight; give a number")
        if weight < 0:
            raise UserError(f"losses.{name}: {weight} is negative; must be >= 0")
        if weight > 0:
            found[name] = weight, loss, own
    return found


def one_number(name: str, value: Any, section: str = "losses") -> Tensor:
    """Return the value of a user's own loss; raise UserError if it is not one number.

    Args:
        name: Name of the loss.
        value: What it returned.
        section: Key of the losses, for the message.
    """
    if not isinstance(value, Tensor) or value.dim() > 0:
        got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise UserError(
            f"{section}.{name}: returned {got}; a loss must return one number, a tensor without dimensions"
        )
    return value


def _own(
    name: str, given: Mapping[str, Any], known: Mapping[str, Any], takes: str
) -> tuple[float, Callable[..., Tensor]]:
    """Return (weight, loss) of a user's own loss."""
    weight, loss = given.get("weight"), given.get("loss")
    fits = isinstance(weight, int | float) and not isinstance(weight, bool) and callable(loss)
    if not fits or set(given) != {"weight", "loss"}:
        raise UserError(
            f"losses.{name}: a loss of your own is {{weight: 0.1, loss: {{_target_: mylab.losses.Mine}}}}, "
            f"a callable of {takes}; got {', '.join(given)}"
        )
    if name in known:
        raise UserError(f"losses.{name}: is the name of a built-in loss; rename yours")
    return weight, loss  # type: ignore[return-value]
