"""Teach the generator: its losses' gradients, taken at the cut, and from there through G."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from src.adversarial.cut import Cut, pull
from src.adversarial.features import feature_matching
from src.adversarial.game import Batch
from src.adversarial.seen import Seen
from src.adversarial.turn import Turn

Gradients = list[Tensor | None]
Number = Tensor | float
Judged = tuple[Seen | None, Seen]


def teach_generator(
    turn: Turn,
    batch: Batch,
    cut: Cut,
    seen: tuple[Seen | None, Seen] | None,
    share: float,
    keep: bool = False,
) -> None:
    """Add G's gradient for a piece; unseen, the task's losses alone; `keep` D's graph for its own phase."""
    own, total = _task_losses(turn, batch, cut, share)
    if seen is None:
        turn.note("loss/generator/total", total, share)
        return _settle(turn, cut, _pulled(turn, cut, own, False))
    adversarial, matching = adversarial_loss(turn, seen, share), _matching_loss(turn, seen, share)
    through = [turn.scale(loss * share) for loss in matching]
    if turn.game.weight.from_gradients:
        force = _pulled(turn, cut, [turn.scale(adversarial * share)], keep or bool(through))
        weight, gradients = _weighted(turn, cut, own, force)
        gradients = _sum(gradients, _pulled(turn, cut, through, keep))
    else:
        weight = turn.game.weight(turn.step)
        through.append(turn.scale(weight * adversarial * share))
        gradients = _pulled(turn, cut, [*own, *through], keep)
    _note_total(turn, weight, sum(matching, total + weight * adversarial), share)
    return _settle(turn, cut, gradients)


def follow(turn: Turn, batch: Batch, cut: Cut, adversarial: Tensor, force: Gradients, share: float) -> None:
    """Add G's gradient for a piece where `force`, the unweighted adversarial loss's at the cut, is known."""
    own, total = _task_losses(turn, batch, cut, share)
    weight, gradients = _weighted(turn, cut, own, force)
    _note_total(turn, weight, total + weight * adversarial, share)
    _settle(turn, cut, gradients)


def adversarial_loss(turn: Turn, seen: Judged, share: float) -> Tensor:
    """G's adversarial loss, unweighted, logged."""
    assert turn.game.loss is not None
    real, fake = seen
    loss = turn.game.loss.generator(None if real is None else real.verdict, fake.verdict)
    turn.note("loss/generator/adversarial", loss, share)
    return loss


def _matching_loss(turn: Turn, seen: Judged, share: float) -> list[Tensor]:
    """Weighted feature matching, logged; empty where it is off."""
    real, fake = seen
    if turn.game.feature_matching == 0:
        return []
    assert real is not None
    loss = turn.game.feature_matching * feature_matching(real.verdict, fake.verdict)
    turn.note("loss/generator/feature_matching", loss, share)
    return [loss]


def _task_losses(turn: Turn, batch: Batch, cut: Cut, share: float) -> tuple[list[Tensor], Number]:
    """The task's losses, scaled for differentiation, and the value of their sum."""
    losses = dict(turn.game.rules.task_losses(batch, cut.leaves))
    for name, loss in losses.items():
        turn.note(f"loss/generator/{name}", loss, share)
    total: Number = sum((loss.detach() for loss in losses.values()), 0.0)
    return [turn.scale(loss * share) for loss in losses.values()], total


def _weighted(turn: Turn, cut: Cut, own: Sequence[Tensor], force: Gradients) -> tuple[Number, Gradients]:
    """The weight of `force`, and the gradient of the task's losses plus that many times `force`."""
    made = len(cut.tensors)
    task = _pulled(turn, cut, own, False)
    weight = turn.game.weight(turn.step, _given(task[:made]), _given(force[:made]))
    return weight, _sum(task, [gradient if gradient is None else weight * gradient for gradient in force])


def _pulled(turn: Turn, cut: Cut, losses: Sequence[Tensor], keep: bool) -> Gradients:
    """Gradients of the losses' sum at the cut's leaves, then at G's parameters.

    The latter for losses that reach G by a way around the cut, say through one of its layers; mostly None.
    """
    towards = [*cut.tensors, *turn.own["generator"]]
    if not losses:
        return [None] * len(towards)
    return pull(sum(losses[1:], losses[0]), towards, keep)


def _settle(turn: Turn, cut: Cut, gradients: Gradients) -> None:
    """Send the leaves' gradients on through G, and add those that came around the cut."""
    parameters, made = turn.own["generator"], len(cut.tensors)
    cut.enter(gradients[:made], parameters)
    for parameter, gradient in zip(parameters, gradients[made:], strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def _note_total(turn: Turn, weight: Number, total: Number, share: float) -> None:
    if turn.game.weight.changes:
        turn.note("weight/adversarial", torch.as_tensor(weight), share)
    turn.note("loss/generator/total", total, share)


def _given(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [gradient for gradient in gradients if gradient is not None]


def _sum(*lists: Sequence[Tensor | None]) -> Gradients:
    """Entry by entry, None where every list has None."""
    columns = (_given(column) for column in zip(*lists, strict=True))
    return [sum(column[1:], column[0]) if column else None for column in columns]
