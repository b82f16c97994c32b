"""The two phases every update is made of: teach the generator, teach the discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from src.adversarial.cut import Cut, full_precision, pull, push
from src.adversarial.features import feature_matching
from src.adversarial.game import Batch, Game
from src.adversarial.penalty import Penalty
from src.adversarial.seen import Seen, in_full, look, narrow

Scale = Callable[[Tensor], Tensor]


@dataclass
class Turn:
    """One call of an update: gradients go to `.grad`, numbers to `log`.

    share: a piece's part of the batch, the weight of its losses.
    """

    game: Game
    step: int
    scale: Scale
    together: bool = False
    log: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.due = (
            [p for p in self.game.penalties if p.due(self.step)]
            if self.game.discriminator is not None
            else []
        )

    def make(self, batch: Batch) -> Cut:
        """G's output, cut."""
        return Cut(self.game.rules.generate(batch))

    def show(self, batch: Batch, output: Any) -> tuple[Seen, Seen]:
        """D looks at the real and at the fake, once each."""
        real, fake = self.game.rules.pairs(batch, output)
        return (
            self._look(real, slope=any(penalty.at_real for penalty in self.due)),
            self._look(fake, slope=any(penalty.at_fake for penalty in self.due)),
        )

    def show_generator(self, batch: Batch, output: Any) -> tuple[Seen | None, Seen]:
        """D looks at the fake for G's sake, and at the real where G's loss compares the two.

        With a graph though nobody differentiates it: under autocast a pass without one would leave casts of
        D's weights that no later gradient passes through.
        """
        real, fake = self.game.rules.pairs(batch, output)
        return self._look(real) if self._compares() else None, self._look(fake)

    def _compares(self) -> bool:
        return self.game.loss is not None and (self.game.loss.relative or self.game.feature_matching > 0)

    def _look(self, x: Any, slope: bool = False) -> Seen:
        assert self.game.discriminator is not None
        return look(self.game.discriminator, x, self.game.augment, slope)

    def teach_generator(
        self, batch: Batch, cut: Cut, seen: tuple[Seen | None, Seen] | None, share: float, keep: bool = False
    ) -> None:
        """Add G's gradient; `keep` D's graph for its own phase. `seen=None`: the task's losses alone."""
        task = dict(self.game.rules.task_losses(batch, cut.leaves))
        for name, loss in task.items():
            self._note(f"loss/generator/{name}", loss, share)
        parameters = self.game.parameters("generator")
        towards = [*cut.tensors, *parameters]
        own = [self.scale(loss * share) for loss in task.values()]
        gradients, total = self._adversary(own, seen, towards, len(cut.tensors), share, keep)
        self._note("loss/generator/total", sum(task.values(), total), share)
        cut.enter(gradients[: len(cut.tensors)], parameters)
        for parameter, gradient in zip(parameters, gradients[len(cut.tensors) :], strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def _adversary(
        self,
        own: list[Tensor],
        seen: tuple[Seen | None, Seen] | None,
        towards: Sequence[Tensor],
        made: int,
        share: float,
        keep: bool,
    ) -> tuple[list[Tensor | None], Tensor | float]:
        """Gradients of own plus weighted adversarial losses, and the latter's value."""
        if seen is None:
            return _pulled(own, towards, keep), 0.0
        game, (real, fake) = self.game, seen
        assert game.loss is not None
        against = real.verdict if real is not None else None
        adversarial = game.loss.generator(against, fake.verdict)
        self._note("loss/generator/adversarial", adversarial, share)
        matching: list[Tensor] = []
        if game.feature_matching > 0:
            assert against is not None
            matching = [game.feature_matching * feature_matching(against, fake.verdict)]
            self._note("loss/generator/feature_matching", matching[0], share)
        extra = [self.scale(loss * share) for loss in matching]
        if not game.weight.from_gradients:
            weight = game.weight(self.step)
            gradients = _pulled([*own, self.scale(weight * adversarial * share), *extra], towards, keep)
        else:
            task = _pulled(own, towards, True)
            force = _pulled([self.scale(adversarial * share)], towards, keep or bool(extra))
            weight = game.weight(self.step, _given(task[:made]), _given(force[:made]))
            gradients = _sum(
                task, [g if g is None else weight * g for g in force], _pulled(extra, towards, keep)
            )
        if game.weight.changes:
            self._note("weight/adversarial", torch.as_tensor(weight), share)
        return gradients, sum(matching, weight * adversarial)

    def teach_discriminator(self, real: Seen, fake: Seen, share: float) -> None:
        """Add D's gradient: its adversarial loss and the penalties that are due."""
        game = self.game
        assert game.loss is not None
        adversarial = game.loss.discriminator(real.verdict, fake.verdict)
        self._note("loss/discriminator/adversarial", adversarial, share)
        total = adversarial
        for penalty, value in self.penalties(real, fake):
            value = value * penalty.every
            self._note(f"loss/discriminator/{penalty.name}", value, share)
            total = total + value
        self._note("loss/discriminator/total", total, share)
        push(self.scale(total * share), game.parameters("discriminator"))
        self.note_logits(real, fake, share)

    def penalties(self, real: Seen, fake: Seen) -> list[tuple[Penalty, Tensor]]:
        """The penalties that are due, in float32 at least, each without its factor `every`."""
        if not self.due:
            return []
        discriminator = self.game.discriminator
        assert discriminator is not None
        if narrow(real):
            wanted = [any(p.at_real for p in self.due), any(p.at_fake for p in self.due)]
            again = in_full(
                discriminator,
                [s for s, want in zip((real, fake), wanted, strict=True) if want],
                self.together,
            )
            real = again.pop(0) if wanted[0] else real
            fake = again.pop(0) if wanted[1] else fake
        with full_precision():
            values = [(penalty, penalty(discriminator, real, fake, self.step)) for penalty in self.due]
        return [(penalty, value) for penalty, value in values if value is not None]

    def note_logits(self, real: Seen, fake: Seen, share: float) -> None:
        """Log the mean logits, and let an adaptive augmentation see the real ones."""
        self._note("logits/real", real.verdict.score().mean(), share)
        self._note("logits/fake", fake.verdict.score().mean(), share)
        observe = getattr(self.game.augment, "observe", None)
        if observe is not None:
            observe(real.verdict.score().detach())

    def _note(self, name: str, value: Any, share: float) -> None:
        value = torch.as_tensor(value).detach() * share
        self.log[name] = self.log[name] + value if name in self.log else value


def _pulled(losses: Sequence[Tensor], towards: Sequence[Tensor], keep: bool) -> list[Tensor | None]:
    """Gradients of the losses' sum."""
    if not losses:
        return [None] * len(towards)
    return pull(sum(losses[1:], losses[0]), towards, keep)


def _given(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [gradient for gradient in gradients if gradient is not None]


def _sum(*lists: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Entry by entry, None where every list has None."""
    columns = (_given(column) for column in zip(*lists, strict=True))
    return [sum(column[1:], column[0]) if column else None for column in columns]
