"""A method of synthesis: what the generator makes in training, and its losses; by default the bare game."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ganatomy.adversarial.distributed.random import normal
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.synthesis.conditioning import Condition
from ganatomy.tasks.synthesis.normalisation import Normalisation


@dataclass(frozen=True)
class Players:
    """Networks that a method trains, and what they see.

    Attributes:
        generator: Maps noise [B, latent], and conditioning, to images.
        discriminator: Its opponent; None without one.
        condition: What both are conditioned on.
        normalisation: Of the images that both see.
    """

    generator: Any
    discriminator: nn.Module | None
    condition: Condition
    normalisation: Normalisation


class Method:
    """The bare game: images from noise, which the discriminator compares with real ones.

    Attributes:
        generator_passes: How often networks of the generator run in a batch: in its own step, in D's alone.
    """

    players: Players
    generator_passes = 1, 1

    def begin(self, players: Players) -> None:
        """Remember the networks, once, before the first step; the place to refuse those that do not suit.

        Raises:
            UserError: A network is missing or unsuitable.
        """
        if players.discriminator is None:
            raise UserError(
                "model.discriminator: null, but synthesis needs a discriminator; choose one, or "
                "model=rectified_flow, which learns without"
            )
        self.players = players

    def generate(self, batch: Batch) -> Any:
        """Return the generator's output for a training batch; `images` finds the fakes in it."""
        noise = normal(batch["image"], (self.players.generator.latent,))
        return self.players.generator(noise, *self.players.condition.conditioning(batch))

    def images(self, output: Any) -> Tensor:
        """Return the images [B, C, *spatial] that the discriminator sees, in what `generate` returned."""
        found: Tensor = output
        return found

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        """Return the method's own losses: weighted 0-dim tensors by name, means over the batch."""
        return {}
