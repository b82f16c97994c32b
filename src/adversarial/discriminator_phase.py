"""Teach the discriminator: its adversarial loss and the penalties that are due."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from src.adversarial.cut import full_precision, push
from src.adversarial.penalty import Penalty
from src.adversarial.seen import Seen, in_full, narrow
from src.adversarial.turn import Turn


def teach_discriminator(
    turn: Turn, real: Seen, fake: Seen, share: float, leaves: Sequence[Tensor] = ()
) -> None:
    """Add D's gradient for a piece to `.grad` of its parameters, and of `leaves` on the way."""
    game = turn.game
    assert game.loss is not None
    adversarial = game.loss.discriminator(real.verdict, fake.verdict)
    turn.note("loss/discriminator/adversarial", adversarial, share)
    total = adversarial
    for penalty, value in penalties(turn, real, fake):
        value = value * penalty.every
        turn.note(f"loss/discriminator/{penalty.name}", value, share)
        total = total + value
    turn.note("loss/discriminator/total", total, share)
    push(turn.scale(total * share), [*turn.own["discriminator"], *leaves])
    _note_logits(turn, real, fake, share)


def penalties(turn: Turn, real: Seen, fake: Seen) -> list[tuple[Penalty, Tensor]]:
    """The penalties that are due, in float32 at least, each without its factor `every`.

    They take D's verdicts as they are where these were reached in float32, and else ask D again.
    """
    if not turn.due:
        return []
    if narrow(real):
        wanted = (any(p.at_real for p in turn.due), any(p.at_fake for p in turn.due))
        asked = [seen for seen, want in zip((real, fake), wanted, strict=True) if want]
        again = iter(in_full(turn.discriminator, asked, turn.together) if asked else [])
        real, fake = (next(again) if want else seen for seen, want in zip((real, fake), wanted, strict=True))
    with full_precision():
        values = [(penalty, penalty(turn.discriminator, real, fake, turn.step)) for penalty in turn.due]
    return [(penalty, value) for penalty, value in values if value is not None]


def _note_logits(turn: Turn, real: Seen, fake: Seen, share: float) -> None:
    """Log the mean logits, and let an adaptive augmentation see how sure D is of the real."""
    r, f = real.verdict.score().detach(), fake.verdict.score().detach()
    turn.note("logits/real", r.mean(), share)
    turn.note("logits/fake", f.mean(), share)
    observe = getattr(turn.game.augment, "observe", None)
    if observe is not None:
        assert turn.game.loss is not None
        observe(r - f if turn.game.loss.relative else r)
