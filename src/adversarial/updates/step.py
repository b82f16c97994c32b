"""One call of an update: G's output, the passes of each discriminator, and what is logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganatomy.adversarial.adversary import Adversary, PassPair
from ganatomy.adversarial.discriminator import DiscriminatorPass, X, augmented, run_discriminator
from ganatomy.adversarial.game import Batch, Game
from ganatomy.adversarial.gradient_cut import GradientCut

Scale = Callable[[Tensor], Tensor]
LastBackward = Callable[[str, bool], AbstractContextManager[None]]
"""Called with the player and True if a single backward pass is all that changes `.grad` inside."""
Log = list[tuple[str, Tensor | float]]
"""(name, value) of a micro-batch; values of one name add up."""


@dataclass
class Step:
    """The game at one batch.

    Attributes:
        game: The game.
        index: Batches done so far.
        scale: Scales a loss before it is differentiated.
        join_real_and_fake: Penalties may run D on real and fake in one concatenated batch.
        micro_batches: Number of micro-batches; each player has one backward pass into `.grad` for each.
        last_backward: Around the last of these passes, see `OverlappedAverage`; None for nothing.
        values: Logged values of the whole batch by name, detached.
        parameters: Trainable parameters of each player.
    """

    game: Game
    index: int
    scale: Scale
    join_real_and_fake: bool = False
    micro_batches: int = 1
    last_backward: LastBackward | None = None
    values: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parameters = {player: self.game.parameters(player) for player in ("generator", "discriminator")}
        self._passes = dict.fromkeys(self.parameters, 0)

    def backward(self, player: str, simple: bool = True) -> AbstractContextManager[None]:
        """Return the context of a player's backward pass into `.grad`, of which each micro-batch has one.

        Args:
            player: "generator" or "discriminator".
            simple: Nothing but one backward pass changes `.grad` inside.
        """
        self._passes[player] += 1
        if self.last_backward is None or self._passes[player] < self.micro_batches:
            return nullcontext()
        return self.last_backward(player, simple)

    def generate(self, batch: Batch) -> GradientCut:
        """Run G on the batch and cut its output."""
        return GradientCut(self.game.rules.generate(batch))

    def discriminator_inputs(self, batch: Batch, output: Any) -> list[tuple[Adversary, X, X]]:
        """Return (discriminator, real, fake) for each discriminator.

        Raises:
            UserError: A penalty or augmentation would miss an image of the fake.
        """
        inputs = self.game.discriminator_inputs(batch, output)
        for adversary, _, fake in inputs:
            adversary.check_reach(fake)
        return inputs

    def discriminate(self, batch: Batch, output: Any) -> list[PassPair]:
        """Run each discriminator once on its real and once on its fake batch."""
        return self._run_on_both(self.discriminator_inputs(batch, output))

    def discriminate_for_discriminator(self, batch: Batch, output: Any) -> list[PassPair]:
        """As `discriminate`, with fakes from the history where there is one; they do not lead to G."""
        inputs = self.discriminator_inputs(batch, output)
        return self._run_on_both(
            [
                (each, real, fake if each.history is None else each.history(fake, self.index))
                for each, real, fake in inputs
            ]
        )

    def _run_on_both(self, inputs: list[tuple[Adversary, X, X]]) -> list[PassPair]:
        return [
            PassPair(
                each, self.run_on_real(each, real), self.run_on_fake(each, augmented(fake, each.augment))
            )
            for each, real, fake in inputs
        ]

    def discriminate_for_generator(self, batch: Batch, output: Any) -> list[PassPair]:
        """Run each discriminator on the fake, and on the real where G's loss compares the two.

        With a graph though nobody differentiates it: under autocast a pass without one would leave casts of
        D's weights that no later gradient passes through.
        """
        assert self.game.loss is not None
        compares = self.game.loss.needs_real or self.game.feature_matching > 0
        pairs = []
        for each, real, fake in self.discriminator_inputs(batch, output):
            on_real = run_discriminator(each.network, augmented(real, each.augment)) if compares else None
            pairs.append(
                PassPair(each, on_real, run_discriminator(each.network, augmented(fake, each.augment)))
            )
        return pairs

    def run_on_real(self, adversary: Adversary, real: X) -> DiscriminatorPass:
        """Run D on the real batch, ready for the penalties that are due."""
        needed = any(penalty.needs_real_gradient for penalty in adversary.due_penalties(self.index))
        return run_discriminator(adversary.network, augmented(real, adversary.augment), needed)

    def run_on_fake(self, adversary: Adversary, inputs: Sequence[Tensor]) -> DiscriminatorPass:
        """Run D on the augmented fake batch, ready for the penalties that are due."""
        needed = any(penalty.needs_fake_gradient for penalty in adversary.due_penalties(self.index))
        return run_discriminator(adversary.network, inputs, needed)

    def log(self, values: Log, weight: float) -> None:
        """Add a micro-batch's values by its weight; they add up to the batch's mean."""
        for name, value in values:
            value = torch.as_tensor(value).detach()
            value = value * weight if weight != 1.0 else value
            self.values[name] = self.values[name] + value if name in self.values else value
