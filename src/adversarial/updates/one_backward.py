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

from ganatomy.adversarial.adversary import Showing
from ganatomy.adversarial.discriminator import DiscriminatorOutput, augmented
from ganatomy.adversarial.distributed.collectives import batch_sum
from ganatomy.adversarial.gradient_cut import GradientCut, gradients_at
from ganatomy.adversarial.losses.base import AdversarialLoss
from ganatomy.adversarial.updates.discriminator_phase import teach_discriminator
from ganatomy.adversarial.updates.generator_phase import adversarial_losses, follow
from ganatomy.adversarial.updates.microbatches import MicroBatches
from ganatomy.adversarial.updates.orders import Shared, Stepper
from ganatomy.adversarial.updates.step import Step

LARGEST = 1e4
"""Beyond it γ magnifies what rounding has left of a vanishing gradient."""


class OneBackward(Shared):
    """`Shared` with G's gradient read off D's backward pass; a batch with a sample that has no γ is shared.

    Losses that are not zero-sum cost one look at γ by the host in every batch, and need a D that keeps its
    samples apart (the planner's to say).
    """

    def both(self, turn: Step, parts: MicroBatches, done: Stepper) -> None:
        loss = turn.game.loss
        assert loss is not None
        due = [penalty for adversary in turn.game.adversaries for penalty in adversary.due(turn.step)]
        if turn.game.feature_matching > 0 or any(penalty.touches_fake for penalty in due):
            return super().both(turn, parts, done)
        for batch, share in parts:
            cut = turn.make(batch)
            with parametrize.cached():
                doors, shown = [], []
                for adversary, real, fake in turn.inputs(batch, cut.leaves):
                    doors.append(GradientCut(augmented(fake, adversary.augment)))
                    seen = turn.ask_real(adversary, real), turn.ask_fake(adversary, doors[-1].leaves)
                    shown.append(Showing(adversary, *seen))
                adversarial = adversarial_losses(turn, shown, share)
                forces = _forces(turn, shown, doors, adversarial, share)
                towards = [*cut.tensors, *turn.own["generator"]]
                onward = [door.onward(force, towards) for door, force in zip(doors, forces, strict=True)]
                follow(turn, batch, cut, [loss.detach() for loss in adversarial], onward, share)
        done("generator")
        done("discriminator")


def _forces(
    turn: Step,
    shown: Sequence[Showing],
    doors: Sequence[GradientCut],
    adversarial: Sequence[Tensor],
    share: float,
) -> list[list[Tensor | None]]:
    """Teach D; the gradients of G's adversarial losses at what each discriminator was shown as fake.

    A discriminator that has no γ at this batch is differentiated once more for G's sake.
    """
    loss = turn.game.loss
    assert loss is not None
    ratios = [factor(loss, *(seen.verdict for seen in showing.both)) for showing in shown]
    forces = [
        gradients_at(turn.scale(value * share), door.tensors, keep=True) if ratio is None else []
        for ratio, door, value in zip(ratios, doors, adversarial, strict=True)
    ]
    known = [(door, ratio) for door, ratio in zip(doors, ratios, strict=True) if ratio is not None]
    teach_discriminator(turn, shown, share, [x for door, _ in known for x in door.tensors])
    return [
        force if ratio is None else [_rows(ratio, x.grad) for x in door.tensors]
        for ratio, force, door in zip(ratios, forces, doors, strict=True)
    ]


def factor(loss: AdversarialLoss, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor | None:
    """γ: 0-dim, or [B] with one logit a sample. None with more logits, or where ℓ_D'(f) = 0 or all but 0.

    The latter at f ≤ -1 for hinge, f = 0 for least squares, f far below 0 for non-saturating, r far above f
    for relativistic losses.
    """
    if loss.mirrored:
        return torch.tensor(-1.0, device=fake.logits[0].device)
    if len(fake.logits) > 1 or fake.logits[0].numel() != len(fake.logits[0]):
        return None
    r, f = (_leaf(answer.logits[0]) for answer in (real, fake))
    seen = DiscriminatorOutput([r], real.features), DiscriminatorOutput([f], fake.features)
    (wanted,) = torch.autograd.grad(loss.generator(*seen), f)
    (had,) = torch.autograd.grad(loss.discriminator(*seen), f)
    ratio = (wanted / had).flatten()
    singular = batch_sum((~(ratio.abs() <= LARGEST)).float())  # over all processes: they must take one way
    return None if bool(singular > 0) else ratio


def _leaf(logits: Tensor) -> Tensor:
    wide = torch.promote_types(logits.dtype, torch.float32)
    return logits.detach().to(wide).requires_grad_()


def _rows(ratio: Tensor, gradient: Tensor | None) -> Tensor | None:
    if gradient is None:
        return None
    return ratio.to(gradient).reshape(-1, *[1] * (gradient.dim() - 1)) * gradient
