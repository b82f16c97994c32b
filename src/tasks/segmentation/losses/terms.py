"""The losses of `task.loss` by name, with their weights and arguments."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganatomy.errors import UserError, one_of
from ganatomy.tasks.segmentation.losses.boundary import boundary_loss
from ganatomy.tasks.segmentation.losses.maps import Maps
from ganatomy.tasks.segmentation.losses.overlap import (
    dice_ce_loss,
    dice_focal_loss,
    dice_loss,
    generalised_dice_loss,
    tversky_loss,
)
from ganatomy.tasks.segmentation.losses.skeleton import cldice_loss
from ganatomy.tasks.segmentation.losses.voxels import cross_entropy_loss, focal_loss, topk_loss
from ganatomy.tasks.shared.weighted import one_number
from ganatomy.text.values import as_typed

LOSSES: dict[str, Callable[..., Tensor]] = {
    "dice_ce": dice_ce_loss,
    "dice": dice_loss,
    "cross_entropy": cross_entropy_loss,
    "dice_focal": dice_focal_loss,
    "focal": focal_loss,
    "tversky": tversky_loss,
    "generalised_dice": generalised_dice_loss,
    "topk": topk_loss,
    "boundary": boundary_loss,
    "cldice": cldice_loss,
}
"""Losses of `Maps` by name; further parameters are the arguments that `task.loss` may give."""
RAMPS = {"boundary": 1.0}
"""Default of `ramp` where it is not 0: the paper raises this weight over the whole run."""
SURE = 15.0
"""Logit of a sure prediction."""


@dataclass(frozen=True)
class Term:
    """A loss with its weight.

    Attributes:
        weight: Weight once it is ramped in.
        ramp: Share of the run over which the weight rises linearly from 0; 0 for a constant weight.
        loss: Function of `Maps`.
        own: The user's own loss, if it is a module; else None.
    """

    weight: float
    ramp: float
    loss: Callable[[Maps], Tensor]
    own: nn.Module | None = None

    def weight_at(self, progress: float) -> float:
        """Return the weight at this share of the run, 0 to 1."""
        return self.weight * min(1.0, progress / self.ramp) if self.ramp else self.weight


def terms_of(given: str | Mapping[str, Any]) -> dict[str, Term]:
    """Return the terms of `task.loss` by name; those of weight 0 are left out.

    Args:
        given: A name; or for each name a weight, or {weight, ramp, ...arguments}. A loss of the user's own,
            under another name: {weight, ramp, loss}, a callable of (logits, truth), or of (logits, truth,
            valid) if it has an argument `valid`; else, where voxels do not count, the prediction is right.

    Raises:
        UserError: A name or an argument is unknown, a value out of range, or no weight is above 0.
    """
    if isinstance(given, str):
        one_of("task.loss", given, LOSSES)
        given = {given: 1.0}
    if not isinstance(given, Mapping):
        raise UserError(
            f"task.loss: {as_typed(given)}; give a name, or weights by name: {{dice_ce: 1.0, cldice: 0.5}}"
        )
    found = {str(name): _term(str(name), value) for name, value in given.items()}
    kept = {name: term for name, term in found.items() if term.weight}
    if not kept:
        raise UserError("task.loss: all weights are 0; give at least one above 0")
    return kept


def _term(name: str, value: Any) -> Term:
    key = f"task.loss.{name}"
    node = dict(value) if isinstance(value, Mapping) else {"weight": value}
    known = LOSSES.get(name)
    if known is None and "loss" not in node:
        raise UserError(
            f"{key}: no such loss; choose {', '.join(LOSSES)}, or give one of your own: "
            "{weight: 0.1, loss: {_target_: mylab.losses.Mine}}"
        )
    weight = _number(f"{key}.weight" if isinstance(value, Mapping) else key, node.pop("weight", 1.0))
    ramp = _number(f"{key}.ramp", node.pop("ramp", RAMPS.get(name, 0.0)))
    if ramp > 1:
        raise UserError(f"{key}.ramp: {ramp}; a share of the run, from 0 to 1")
    if known is None:
        return _own(name, key, node, weight, ramp)
    _check_arguments(key, known, node)
    return Term(weight, ramp, partial(known, **node))


def _own(name: str, key: str, node: dict[str, Any], weight: float, ramp: float) -> Term:
    loss = node.pop("loss")
    if not callable(loss) or node:
        raise UserError(
            f"{key}: a loss of your own is {{weight: 0.1, loss: {{_target_: mylab.losses.Mine}}}}, a "
            f"callable of (logits, truth){', without ' + ', '.join(node) if node else ''}"
        )
    return Term(weight, ramp, partial(_of_user, name, loss), loss if isinstance(loss, nn.Module) else None)


def _takes_valid(loss: Callable[..., Any]) -> bool:
    """Return True if a loss has an argument `valid`."""
    called = loss.forward if isinstance(loss, nn.Module) else loss
    return "valid" in inspect.signature(called).parameters


def _of_user(name: str, loss: Callable[..., Any], maps: Maps) -> Tensor:
    """Return the user's loss; one without `valid` sees a right prediction where voxels do not count."""
    logits = maps.logits
    if _takes_valid(loss):
        return one_number(name, loss(logits, maps.truth, valid=maps.valid), "task.loss")
    if maps.valid is not None:
        logits = torch.where(maps.valid, logits, (2 * maps.truth - 1) * SURE)
    return one_number(name, loss(logits, maps.truth), "task.loss")


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UserError(f"{key}: {as_typed(value)}; give a number of 0 or more")
    return value


def _check_arguments(key: str, loss: Callable[..., Tensor], given: Mapping[str, Any]) -> None:
    """Raise UserError for arguments that the loss does not take, or values that it refuses."""
    takes = {name: p.default for name, p in inspect.signature(loss).parameters.items() if name != "maps"}
    for name, value in given.items():
        if name not in takes:
            raise UserError(
                f"{key}.{name}: no such argument; {key} takes {', '.join(['weight', 'ramp', *takes])}"
            )
        kind = type(takes[name])
        fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        if not fits or isinstance(value, bool) is not (kind is bool):
            words = {bool: "true or false", int: "a whole number", float: "a number"}
            raise UserError(f"{key}.{name}: {as_typed(value)}; give {words[kind]}")
        if kind is float and not math.isfinite(value):
            raise UserError(f"{key}.{name}: {as_typed(value)}; give a number")
    try:
        loss(Maps(torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2), sigmoid=True), **given)
    except UserError as error:
        raise UserError(f"{key}.{error}") from error
