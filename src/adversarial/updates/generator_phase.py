"""Teach the generator: its losses' gradients, taken at the cut, and from there through G."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganatomy.adversarial.adversary import Showing
from ganatomy.adversarial.game import Batch
from ganatomy.adversarial.gradient_cut import GradientCut, gradients_at
from ganatomy.adversarial.losses.features import feature_matching
from ganatomy.adversarial.updates.step import Step

Gradients = list[Tensor | None]
Number = Tensor | float
GROUP = "loss/generator"


def teach_generator(
    turn: Step,
    batch: Batch,
    cut: GradientCut,
    shown: Sequence[Showing] | None,
    share: float,
    keep: bool = False,
) -> None:
    """Add G's gradient for a piece; unseen, the task's losses alone; `keep` D's graph for its own phase."""
    own, total = _task_losses(turn, batch, cut, share)
    if shown is None:
        turn.note(f"{GROUP}/total", total, share)
        return _settle(turn, cut, _pulled(turn, cut, own, False))
    adversarial, matching = adversarial_losses(turn, shown, share), _matching_losses(turn, shown, share)
    through = [turn.scale(loss * share) for loss in matching]
    if turn.game.weight.from_gradients:
        forces = []
        for left, loss in zip(reversed(range(len(adversarial))), adversarial, strict=True):
            forces.append(_pulled(turn, cut, [turn.scale(loss * share)], keep or bool(through) or left > 0))
        weights, gradients = _weighted(turn, cut, own, forces)
        gradients = _sum(gradients, _pulled(turn, cut, through, keep))
    else:
        weights = [turn.game.weight(turn.step)] * len(shown)
        heavy = zip(weights, adversarial, strict=True)
        through += [turn.scale(weight * loss * share) for weight, loss in heavy]
        gradients = _pulled(turn, cut, [*own, *through], keep)
    _note_weights(turn, weights, share)
    turn.note(f"{GROUP}/total", sum(matching, _plus(total, weights, adversarial)), share)
    return _settle(turn, cut, gradients)


def follow(
    turn: Step,
    batch: Batch,
    cut: GradientCut,
    adversarial: Sequence[Tensor],
    forces: list[Gradients],
    share: float,
) -> None:
    """Add G's gradient for a piece where the gradients of its adversarial losses are known.

    adversarial: the unweighted loss against each discriminator. forces: the gradient of each at the cut.
    """
    own, total = _task_losses(turn, batch, cut, share)
    weights, gradients = _weighted(turn, cut, own, forces)
    _note_weights(turn, weights, share)
    turn.note(f"{GROUP}/total", _plus(total, weights, adversarial), share)
    _settle(turn, cut, gradients)


def adversarial_losses(turn: Step, shown: Sequence[Showing], share: float) -> list[Tensor]:
    """G's adversarial loss against each discriminator, unweighted, logged with their sum."""
    assert turn.game.loss is not None
    losses = []
    for showing in shown:
        real = showing.real.verdict if showing.real is not None else None
        losses.append(turn.game.loss.generator(real, showing.fake.verdict))
        if showing.adversary.name:
            turn.note(showing.adversary.label(GROUP, "adversarial"), losses[-1], share)
    turn.note(f"{GROUP}/adversarial", sum(losses[1:], losses[0]), share)
    return losses


def _matching_losses(turn: Step, shown: Sequence[Showing], share: float) -> list[Tensor]:
    """Weighted feature matching with each discriminator, logged; empty where it is off."""
    if turn.game.feature_matching == 0:
        return []
    losses = []
    for showing in shown:
        real, fake = showing.both
        losses.append(turn.game.feature_matching * feature_matching(real.verdict, fake.verdict))
        turn.note(showing.adversary.label(GROUP, "feature_matching"), losses[-1], share)
    return losses


def _task_losses(turn: Step, batch: Batch, cut: GradientCut, share: float) -> tuple[list[Tensor], Number]:
    """The task's losses, scaled for differentiation, and the value of their sum."""
    losses = dict(turn.game.rules.task_losses(batch, cut.leaves))
    for name, loss in losses.items():
        turn.note(f"{GROUP}/{name}", loss, share)
    total: Number = sum((loss.detach() for loss in losses.values()), 0.0)
    return [turn.scale(loss * share) for loss in losses.values()], total


def _weighted(
    turn: Step, cut: GradientCut, own: Sequence[Tensor], forces: Sequence[Gradients]
) -> tuple[list[Number], Gradients]:
    """The weight of each force, and the gradient of the task's losses plus that many times each force."""
    made = len(cut.tensors)
    task = _pulled(turn, cut, own, False)
    weights = [turn.game.weight(turn.step, _given(task[:made]), _given(force[:made])) for force in forces]
    heavy = [
        [gradient if gradient is None else weight * gradient for gradient in force]
        for weight, force in zip(weights, forces, strict=True)
    ]
    return list(weights), _sum(task, *heavy)


def _pulled(turn: Step, cut: GradientCut, losses: Sequence[Tensor], keep: bool) -> Gradients:
    """Gradients of the losses' sum at the cut's leaves, then at G's parameters.

    The latter for losses that reach G by a way around the cut, say through one of its layers; mostly None.
    """
    towards = [*cut.tensors, *turn.own["generator"]]
    if not losses:
        return [None] * len(towards)
    return gradients_at(sum(losses[1:], losses[0]), towards, keep)


def _settle(turn: Step, cut: GradientCut, gradients: Gradients) -> None:
    """Send the leaves' gradients on through G, and add those that came around the cut."""
    parameters, made = turn.own["generator"], len(cut.tensors)
    cut.enter(gradients[:made], parameters)
    for parameter, gradient in zip(parameters, gradients[made:], strict=True):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def _note_weights(turn: Step, weights: Sequence[Number], share: float) -> None:
    for adversary, weight in zip(turn.game.adversaries, weights, strict=True):
        if turn.game.weight.changes:
            turn.note(adversary.label("weight", "adversarial"), torch.as_tensor(weight), share)


def _plus(total: Number, weights: Sequence[Number], adversarial: Sequence[Tensor]) -> Number:
    for weight, loss in zip(weights, adversarial, strict=True):
        total = total + weight * loss
    return total


def _given(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [gradient for gradient in gradients if gradient is not None]


def _sum(*lists: Sequence[Tensor | None]) -> Gradients:
    """Entry by entry, None where every list has None."""
    columns = (_given(column) for column in zip(*lists, strict=True))
    return [sum(column[1:], column[0]) if column else None for column in columns]
