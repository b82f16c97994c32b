"""One backward pass through D for both players, where that is exact. 3F_G + 6F_D.

D's own backward carries ℓ_D'(f)·∂f/∂x to the fake x; G needs ℓ_G'(f)·∂f/∂x. With one logit a sample the two
differ by a factor γ = ℓ_G'(f) / ℓ_D'(f) per sample, which is -1 for zero-sum losses whatever D looks like.
Shen et al. (OSGAN), arXiv 2103.00430.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from ganatomy.adversarial.adversary import PassPair
from ganatomy.adversarial.discriminator import DiscriminatorOutput, augmented
from ganatomy.adversarial.distributed.collectives import batch_sum
from ganatomy.adversarial.gradient_cut import GradientCut, gradients_at
from ganatomy.adversarial.losses.base import AdversarialLoss
from ganatomy.adversarial.updates.discriminator_phase import run_discriminator_phase
from ganatomy.adversarial.updates.generator_phase import (
    Gradients,
    adversarial_losses,
    run_generator_phase_from_gradients,
    task_losses,
)
from ganatomy.adversarial.updates.microbatches import MicroBatches
from ganatomy.adversarial.updates.orders import Shared, Stepper
from ganatomy.adversarial.updates.step import Log, Step

LARGEST = 1e4
"""Beyond it γ magnifies the rounding error of a vanishing gradient."""


class OneBackward(Shared):
    """`Shared` with G's gradient read off D's backward pass; a batch with a sample that has no γ is shared.

    So is a batch with a penalty that adds to the gradient at the fake (R2 every k-th batch). Everything is
    drawn in the order of `Shared`. Losses that are not zero-sum cost one look at γ by the host in every
    batch, and need a D that does not couple samples (the planner checks it).
    """

    def both(self, step: Step, micro_batches: MicroBatches, done: Stepper) -> None:
        loss = step.game.loss
        assert loss is not None
        active = [penalty for each in step.game.adversaries for penalty in each.due_penalties(step.index)]
        if step.game.feature_matching > 0 or any(penalty.changes_fake_gradient for penalty in active):
            return super().both(step, micro_batches, done)
        for batch, weight in micro_batches:
            cut = step.generate(batch)
            with parametrize.cached():
                input_cuts, pairs = [], []
                for adversary, real, fake in step.discriminator_inputs(batch, cut.leaves):
                    on_real = step.run_on_real(adversary, real)
                    input_cuts.append(GradientCut(augmented(fake, adversary.augment)))
                    on_fake = step.run_on_fake(adversary, input_cuts[-1].leaves)
                    pairs.append(PassPair(adversary, on_real, on_fake))
                of_task = task_losses(step, batch, cut, weight)
                adversarial, log = adversarial_losses(step, pairs)
                step.log(log, weight)
                at_inputs, log = _gradients_at_inputs(step, pairs, input_cuts, adversarial, weight)
                step.log(log, weight)
                targets = [*cut.tensors, *step.parameters["generator"]]
                at_cut = [
                    input_cut.gradients_at(gradients, targets)
                    for input_cut, gradients in zip(input_cuts, at_inputs, strict=True)
                ]
                values = [loss.detach() for loss in adversarial]
                step.log(run_generator_phase_from_gradients(step, cut, of_task, values, at_cut), weight)
        done("generator")
        done("discriminator")


def _gradients_at_inputs(
    step: Step,
    pairs: Sequence[PassPair],
    input_cuts: Sequence[GradientCut],
    adversarial: Sequence[Tensor],
    weight: float,
) -> tuple[list[Gradients], Log]:
    """Run D's phase; return the gradients of G's adversarial losses at D's fake inputs, and D's log.

    A discriminator that has no γ at this batch is differentiated once more for G.
    """
    loss = step.game.loss
    assert loss is not None
    ratios = [gradient_ratio(loss, *(each.output for each in pair.both)) for pair in pairs]
    separate = [
        gradients_at(step.scale(value * weight), cut.tensors, keep_graph=True) if ratio is None else []
        for ratio, cut, value in zip(ratios, input_cuts, adversarial, strict=True)
    ]
    with_ratio = [cut for cut, ratio in zip(input_cuts, ratios, strict=True) if ratio is not None]
    log = run_discriminator_phase(step, pairs, weight, [x for cut in with_ratio for x in cut.tensors])
    gradients = [
        exact if ratio is None else [_scaled_rows(ratio, x.grad) for x in cut.tensors]
        for ratio, exact, cut in zip(ratios, separate, input_cuts, strict=True)
    ]
    return gradients, log


def gradient_ratio(
    loss: AdversarialLoss, real: DiscriminatorOutput, fake: DiscriminatorOutput
) -> Tensor | None:
    """Compute γ, the ratio of G's gradient to D's at each fake logit.

    Args:
        loss: The pair of losses.
        real: D's output for the real batch.
        fake: D's output for the fake batch.

    Returns:
        0-dim for zero-sum losses, or [B] with one logit a sample. None with more logits, or where ℓ_D'(f)
        is 0 or almost 0: at f ≤ -1 for hinge, f = 0 for least squares, f far below 0 for non-saturating,
        r far above f for relativistic losses.
    """
    if loss.zero_sum:
        return torch.full((), -1.0, device=fake.logits[0].device)
    if len(fake.logits) > 1 or fake.logits[0].numel() != len(fake.logits[0]):
        return None
    r, f = (_leaf(output.logits[0]) for output in (real, fake))
    outputs = DiscriminatorOutput([r], real.features), DiscriminatorOutput([f], fake.features)
    (of_generator,) = torch.autograd.grad(loss.generator(*outputs), f)
    (of_discriminator,) = torch.autograd.grad(loss.discriminator(*outputs), f)
    ratio = (of_generator / of_discriminator).flatten()
    singular = batch_sum((~(ratio.abs() <= LARGEST)).float())  # all processes must take the same branch
    return None if bool(singular > 0) else ratio


def _leaf(logits: Tensor) -> Tensor:
    wide = torch.promote_types(logits.dtype, torch.float32)
    return logits.detach().to(wide).requires_grad_()


def _scaled_rows(ratio: Tensor, gradient: Tensor | None) -> Tensor | None:
    if gradient is None:
        return None
    return ratio.to(gradient).reshape(-1, *[1] * (gradient.dim() - 1)) * gradient
