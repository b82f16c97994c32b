"""One call of an update: who plays, what each discriminator is shown, what is logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganatomy.adversarial.adversary import Adversary, Showing
from ganatomy.adversarial.discriminator import DiscriminatorPass, X, augmented, run_discriminator
from ganatomy.adversarial.game import Batch, Game
from ganatomy.adversarial.gradient_cut import GradientCut

Scale = Callable[[Tensor], Tensor]


@dataclass
class Step:
    """Gradients go to `.grad`, numbers to `log`.

    together: penalties may show D real and fake in one concatenated batch.
    """

    game: Game
    step: int
    scale: Scale
    together: bool = False
    log: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.own = {player: self.game.parameters(player) for player in ("generator", "discriminator")}

    def make(self, batch: Batch) -> GradientCut:
        """G's output, cut."""
        return GradientCut(self.game.rules.generate(batch))

    def inputs(self, batch: Batch, output: Any) -> list[tuple[Adversary, X, X]]:
        """(discriminator, real, fake) of each; UserError where a penalty would miss an image of the fake."""
        found = self.game.shown(batch, output)
        for adversary, _, fake in found:
            adversary.check_reach(fake)
        return found

    def show(self, batch: Batch, output: Any) -> list[Showing]:
        """Each discriminator looks at its real and at its fake, once each."""
        return [
            Showing(each, self.ask_real(each, real), self.ask_fake(each, augmented(fake, each.augment)))
            for each, real, fake in self.inputs(batch, output)
        ]

    def show_generator(self, batch: Batch, output: Any) -> list[Showing]:
        """D looks at the fake for G's sake, and at the real where G's loss compares the two.

        With a graph though nobody differentiates it: under autocast a pass without one would leave casts of
        D's weights that no later gradient passes through.
        """
        assert self.game.loss is not None
        compares = self.game.loss.relative or self.game.feature_matching > 0
        shown = []
        for each, real, fake in self.inputs(batch, output):
            judged = run_discriminator(each.network, augmented(real, each.augment)) if compares else None
            shown.append(
                Showing(each, judged, run_discriminator(each.network, augmented(fake, each.augment)))
            )
        return shown

    def ask_real(self, adversary: Adversary, real: X) -> DiscriminatorPass:
        """D's verdict on the real, ready for the penalties that are due."""
        slope = any(penalty.at_real for penalty in adversary.due(self.step))
        return run_discriminator(adversary.network, augmented(real, adversary.augment), slope)

    def ask_fake(self, adversary: Adversary, inputs: Sequence[Tensor]) -> DiscriminatorPass:
        """D's verdict on the fake, ready for the penalties that are due."""
        slope = any(penalty.at_fake for penalty in adversary.due(self.step))
        return run_discriminator(adversary.network, inputs, slope)

    def note(self, name: str, value: Tensor | float, share: float) -> None:
        """Log a piece's value; pieces add up to the batch's mean."""
        value = torch.as_tensor(value).detach()
        value = value * share if share != 1.0 else value
        self.log[name] = self.log[name] + value if name in self.log else value
