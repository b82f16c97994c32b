"""Teach the discriminators: their adversarial losses and the penalties that are due."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ganatomy.adversarial.adversary import Showing
from ganatomy.adversarial.discriminator import is_half_precision, rerun_in_float32
from ganatomy.adversarial.gradient_cut import accumulate_gradients, full_precision
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.adversarial.updates.step import Step

GROUP = "loss/discriminator"


def teach_discriminator(
    turn: Step, shown: Sequence[Showing], share: float, leaves: Sequence[Tensor] = ()
) -> None:
    """Add D's gradient for a piece to `.grad` of its parameters, and of `leaves` on the way."""
    totals = [_loss(turn, showing, share) for showing in shown]
    total = sum(totals[1:], totals[0])
    turn.note(f"{GROUP}/total", total, share)
    accumulate_gradients(turn.scale(total * share), [*turn.own["discriminator"], *leaves])
    for showing in shown:
        _note_logits(turn, showing, share)


def _loss(turn: Step, showing: Showing, share: float) -> Tensor:
    """The loss of one discriminator with its penalties, logged."""
    assert turn.game.loss is not None
    real, fake = showing.both
    total = turn.game.loss.discriminator(real.verdict, fake.verdict)
    turn.note(showing.adversary.label(GROUP, "adversarial"), total, share)
    for penalty, value in penalties(turn, showing):
        value = value * penalty.every
        turn.note(showing.adversary.label(GROUP, penalty.name), value, share)
        total = total + value
    return total


def penalties(turn: Step, showing: Showing) -> list[tuple[Penalty, Tensor]]:
    """The penalties on one discriminator that are due, in float32 at least, without their factors `every`.

    They take D's verdicts as they are where these were reached in float32, and else ask D again.
    """
    network, due = showing.adversary.network, showing.adversary.due(turn.step)
    real, fake = showing.both
    if not due:
        return []
    if is_half_precision(real):
        wanted = (any(p.at_real for p in due), any(p.at_fake for p in due))
        asked = [seen for seen, want in zip((real, fake), wanted, strict=True) if want]
        again = iter(rerun_in_float32(network, asked, turn.together) if asked else [])
        real, fake = (next(again) if want else seen for seen, want in zip((real, fake), wanted, strict=True))
    with full_precision():
        values = [(penalty, penalty(network, real, fake, turn.step)) for penalty in due]
    return [(penalty, value) for penalty, value in values if value is not None]


def _note_logits(turn: Step, showing: Showing, share: float) -> None:
    """Log the mean logits, and let an adaptive augmentation see how sure D is of the real."""
    real, fake = showing.both
    r, f = real.verdict.score().detach(), fake.verdict.score().detach()
    turn.note(showing.adversary.label("logits", "real"), r.mean(), share)
    turn.note(showing.adversary.label("logits", "fake"), f.mean(), share)
    observe = getattr(showing.adversary.augment, "observe", None)
    if observe is not None:
        assert turn.game.loss is not None
        observe(r - f if turn.game.loss.relative else r)
