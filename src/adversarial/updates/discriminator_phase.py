"""The discriminators' part of a step: their adversarial losses and the penalties that are due."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ganatomy.adversarial.adversary import PassPair
from ganatomy.adversarial.discriminator import is_half_precision, rerun_in_float32
from ganatomy.adversarial.gradient_cut import accumulate_gradients, full_precision
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.adversarial.updates.step import Log, Step

GROUP = "loss/discriminator"


def run_discriminator_phase(
    step: Step, pairs: Sequence[PassPair], weight: float, leaves: Sequence[Tensor] = ()
) -> Log:
    """Accumulate D's gradient for a micro-batch in `.grad` of D's parameters.

    Args:
        step: The game at this batch.
        pairs: Passes of each discriminator.
        weight: Weight of the micro-batch in the batch.
        leaves: Inputs of D that get their gradient in `.grad` too.

    Returns:
        Losses, penalties and mean logits.
    """
    log: Log = []
    totals = []
    for pair in pairs:
        loss, values = _loss(step, pair)
        totals.append(loss)
        log += values
    total = sum(totals[1:], totals[0])
    with step.backward("discriminator"):
        accumulate_gradients(step.scale(total * weight), [*step.parameters["discriminator"], *leaves])
    log.append((f"{GROUP}/total", total))
    for pair in pairs:
        log += _logits(step, pair)
    return log


def _loss(step: Step, pair: PassPair) -> tuple[Tensor, Log]:
    """Return the loss of one discriminator with its penalties, and the terms."""
    assert step.game.loss is not None
    real, fake = pair.both
    total = step.game.loss.discriminator(real.output, fake.output)
    log: Log = [(pair.adversary.label(GROUP, "adversarial"), total)]
    for penalty, value in penalties(step, pair):
        value = value * penalty.every
        log.append((pair.adversary.label(GROUP, penalty.name), value))
        total = total + value
    return total, log


def penalties(step: Step, pair: PassPair) -> list[tuple[Penalty, Tensor]]:
    """Compute the penalties that are due for one discriminator, without their factors `every`.

    They use the passes as they are if D ran in float32 or above; otherwise D runs again in float32.
    """
    network, active = pair.adversary.network, pair.adversary.due_penalties(step.index)
    real, fake = pair.both
    if not active:
        return []
    if is_half_precision(real):
        needed = (any(p.needs_real_gradient for p in active), any(p.needs_fake_gradient for p in active))
        chosen = [each for each, need in zip((real, fake), needed, strict=True) if need]
        again = iter(rerun_in_float32(network, chosen, step.join_real_and_fake) if chosen else [])
        real, fake = (next(again) if need else each for each, need in zip((real, fake), needed, strict=True))
    with full_precision():
        values = [(penalty, penalty(network, real, fake, step.index)) for penalty in active]
    return [(penalty, value) for penalty, value in values if value is not None]


def _logits(step: Step, pair: PassPair) -> Log:
    """Return the mean logits, and pass the real ones to an adaptive augmentation."""
    real, fake = pair.both
    r, f = real.output.score().detach(), fake.output.score().detach()
    observe = getattr(pair.adversary.augment, "observe", None)
    if observe is not None:
        assert step.game.loss is not None
        observe(r - f if step.game.loss.needs_real else r)
    return [
        (pair.adversary.label("logits", "real"), r.mean()),
        (pair.adversary.label("logits", "fake"), f.mean()),
    ]
