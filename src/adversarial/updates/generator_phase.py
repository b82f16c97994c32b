"""The generator's part of a step: gradients of its losses at the cut, and from there back through G."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ganatomy.adversarial.adversary import PassPair
from ganatomy.adversarial.game import Batch
from ganatomy.adversarial.gradient_cut import GradientCut, gradients_at
from ganatomy.adversarial.losses.features import feature_matching
from ganatomy.adversarial.updates.step import Log, Step

Gradients = list[Tensor | None]
Number = Tensor | float
TaskLosses = tuple[list[Tensor], Number, Log]
"""The task's losses scaled for differentiation, the value of their sum, and their log."""
GROUP = "loss/generator"


def run_generator_phase(
    step: Step,
    batch: Batch,
    cut: GradientCut,
    pairs: Sequence[PassPair] | None,
    weight: float,
    keep_graph: bool = False,
) -> Log:
    """Accumulate G's gradient for a micro-batch in `.grad` of G's parameters.

    Args:
        step: The game at this batch.
        batch: The micro-batch.
        cut: G's output, cut.
        pairs: Passes of each discriminator over the cut output; None for the task's losses alone.
        weight: Weight of the micro-batch in the batch.
        keep_graph: Keep D's graph for its own phase.

    Returns:
        Losses and weights.
    """
    task, task_total, log = task_losses(step, batch, cut, weight)
    if pairs is None:
        _backward_through_generator(step, cut, _gradients_at_cut(step, cut, task, False))
        return [*log, (f"{GROUP}/total", task_total)]
    adversarial, adversarial_log = adversarial_losses(step, pairs)
    matching, matching_log = _matching_losses(step, pairs)
    through = [step.scale(loss * weight) for loss in matching]
    if step.game.weight.from_gradients:
        separate = []
        for left, loss in zip(reversed(range(len(adversarial))), adversarial, strict=True):
            keep = keep_graph or bool(through) or left > 0
            separate.append(_gradients_at_cut(step, cut, [step.scale(loss * weight)], keep))
        factors, gradients = _weighted(step, cut, task, separate)
        gradients = _sum(gradients, _gradients_at_cut(step, cut, through, keep_graph))
    else:
        factors = [step.game.weight(step.index)] * len(pairs)
        weighted = zip(factors, adversarial, strict=True)
        through += [step.scale(factor * loss * weight) for factor, loss in weighted]
        gradients = _gradients_at_cut(step, cut, [*task, *through], keep_graph)
    total = sum(matching, _plus(task_total, factors, adversarial))
    _backward_through_generator(step, cut, gradients)
    factor_log = _factor_log(step, factors)
    return [*log, *adversarial_log, *matching_log, *factor_log, (f"{GROUP}/total", total)]


def run_generator_phase_from_gradients(
    step: Step,
    cut: GradientCut,
    losses: TaskLosses,
    adversarial: Sequence[Tensor],
    gradients: list[Gradients],
) -> Log:
    """Accumulate G's gradient for a micro-batch where those of its adversarial losses are known.

    Args:
        step: The game at this batch.
        cut: G's output, cut.
        losses: The task's, of `task_losses`.
        adversarial: The unweighted loss against each discriminator.
        gradients: Its gradient at the cut, for each.

    Returns:
        The task's losses, weights and the total.
    """
    task, task_total, log = losses
    factors, total_gradients = _weighted(step, cut, task, gradients)
    _backward_through_generator(step, cut, total_gradients)
    total = _plus(task_total, factors, adversarial)
    return [*log, *_factor_log(step, factors), (f"{GROUP}/total", total)]


def adversarial_losses(step: Step, pairs: Sequence[PassPair]) -> tuple[list[Tensor], Log]:
    """Return G's unweighted adversarial loss against each discriminator, and what to log of them."""
    assert step.game.loss is not None
    losses: list[Tensor] = []
    log: Log = []
    for pair in pairs:
        real = pair.real.output if pair.real is not None else None
        losses.append(step.game.loss.generator(real, pair.fake.output))
        if pair.adversary.name:
            log.append((pair.adversary.label(GROUP, "adversarial"), losses[-1]))
    log.append((f"{GROUP}/adversarial", sum(losses[1:], losses[0])))
    return losses, log


def _matching_losses(step: Step, pairs: Sequence[PassPair]) -> tuple[list[Tensor], Log]:
    """Return the weighted feature matching loss with each discriminator; empty where it is off."""
    if step.game.feature_matching == 0:
        return [], []
    losses: list[Tensor] = []
    log: Log = []
    for pair in pairs:
        real, fake = pair.both
        losses.append(step.game.feature_matching * feature_matching(real.output, fake.output))
        log.append((pair.adversary.label(GROUP, "feature_matching"), losses[-1]))
    return losses, log


def task_losses(step: Step, batch: Batch, cut: GradientCut, weight: float) -> TaskLosses:
    """Compute the task's losses of a micro-batch.

    Args:
        step: The game at this batch.
        batch: The micro-batch.
        cut: G's output, cut.
        weight: Weight of the micro-batch in the batch.

    Returns:
        The losses, their sum and their log.
    """
    losses = dict(step.game.rules.task_losses(batch, cut.leaves))
    total: Number = sum((loss.detach() for loss in losses.values()), 0.0)
    log: Log = [(f"{GROUP}/{name}", loss.detach()) for name, loss in losses.items()]
    return [step.scale(loss * weight) for loss in losses.values()], total, log


def _weighted(
    step: Step, cut: GradientCut, task: Sequence[Tensor], separate: Sequence[Gradients]
) -> tuple[list[Number], Gradients]:
    """Return each adversarial loss's weight, and the task's gradient plus the weighted adversarial ones."""
    size = len(cut.tensors)
    of_task = _gradients_at_cut(step, cut, task, False)
    factors = [
        step.game.weight(step.index, _present(of_task[:size]), _present(each[:size])) for each in separate
    ]
    weighted = [
        [gradient if gradient is None else factor * gradient for gradient in each]
        for factor, each in zip(factors, separate, strict=True)
    ]
    return list(factors), _sum(of_task, *weighted)


def _gradients_at_cut(step: Step, cut: GradientCut, losses: Sequence[Tensor], keep_graph: bool) -> Gradients:
    """Return the gradients of the losses' sum at the cut's leaves, then at G's parameters.

    The latter for losses that reach G around the cut, e.g. through one of its layers; mostly None.
    """
    targets = [*cut.tensors, *step.parameters["generator"]]
    if not losses:
        return [None] * len(targets)
    return gradients_at(sum(losses[1:], losses[0]), targets, keep_graph)


def _backward_through_generator(step: Step, cut: GradientCut, gradients: Gradients) -> None:
    """Propagate the leaves' gradients back through G, and add those that came around the cut."""
    parameters, size = step.parameters["generator"], len(cut.tensors)
    pairs = zip(parameters, gradients[size:], strict=True)
    around = [(parameter, gradient) for parameter, gradient in pairs if gradient is not None]
    with step.backward("generator", simple=not around):
        cut.backward_into(gradients[:size], parameters)
        for parameter, gradient in around:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def _factor_log(step: Step, factors: Sequence[Number]) -> Log:
    """Return the adversarial weights if they change over the run."""
    if not step.game.weight.changes:
        return []
    named = zip(step.game.adversaries, factors, strict=True)
    return [(adversary.label("weight", "adversarial"), factor) for adversary, factor in named]


def _plus(total: Number, factors: Sequence[Number], adversarial: Sequence[Tensor]) -> Number:
    for factor, loss in zip(factors, adversarial, strict=True):
        total = total + factor * loss
    return total


def _present(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [gradient for gradient in gradients if gradient is not None]


def _sum(*lists: Sequence[Tensor | None]) -> Gradients:
    """Add entry by entry; None where every list has None."""
    columns = (_present(column) for column in zip(*lists, strict=True))
    return [sum(column[1:], column[0]) if column else None for column in columns]
