"""One call of an update: who plays, what D is shown, what is logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from src.adversarial.cut import Cut
from src.adversarial.game import Batch, Game, X
from src.adversarial.seen import Seen, ask, dress

Scale = Callable[[Tensor], Tensor]


@dataclass
class Turn:
    """Gradients go to `.grad`, numbers to `log`.

    together: penalties may show D real and fake in one concatenated batch.
    """

    game: Game
    step: int
    scale: Scale
    together: bool = False
    log: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        penalties = self.game.penalties if self.game.discriminator is not None else ()
        self.due = [penalty for penalty in penalties if penalty.due(self.step)]
        self.own = {player: self.game.parameters(player) for player in ("generator", "discriminator")}

    @property
    def discriminator(self) -> nn.Module:
        assert self.game.discriminator is not None
        return self.game.discriminator

    def make(self, batch: Batch) -> Cut:
        """G's output, cut."""
        return Cut(self.game.rules.generate(batch))

    def show(self, batch: Batch, output: Any) -> tuple[Seen, Seen]:
        """D looks at the real and at the fake, once each."""
        real, fake = self.game.rules.pairs(batch, output)
        return self.ask_real(real), self.ask_fake(self.dress(fake))

    def show_generator(self, batch: Batch, output: Any) -> tuple[Seen | None, Seen]:
        """D looks at the fake for G's sake, and at the real where G's loss compares the two.

        With a graph though nobody differentiates it: under autocast a pass without one would leave casts of
        D's weights that no later gradient passes through.
        """
        real, fake = self.game.rules.pairs(batch, output)
        assert self.game.loss is not None
        compares = self.game.loss.relative or self.game.feature_matching > 0
        judged = ask(self.discriminator, self.dress(real)) if compares else None
        return judged, ask(self.discriminator, self.dress(fake))

    def dress(self, x: X) -> tuple[Tensor, ...]:
        """D's arguments for x, augmented."""
        return dress(x, self.game.augment)

    def ask_real(self, real: X) -> Seen:
        """D's verdict on the real, ready for the penalties that are due."""
        return ask(self.discriminator, self.dress(real), slope=any(penalty.at_real for penalty in self.due))

    def ask_fake(self, inputs: Sequence[Tensor]) -> Seen:
        """D's verdict on the fake, ready for the penalties that are due."""
        return ask(self.discriminator, inputs, slope=any(penalty.at_fake for penalty in self.due))

    def note(self, name: str, value: Tensor | float, share: float) -> None:
        """Log a piece's value; pieces add up to the batch's mean."""
        value = torch.as_tensor(value).detach()
        value = value * share if share != 1.0 else value
        self.log[name] = self.log[name] + value if name in self.log else value
