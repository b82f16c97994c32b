"""Base of the methods of translation: what the generators make, what each discriminator sees, the losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ganatomy.data.records import Batch

Channels = dict[str, dict[str, Any]]
"""Constructor arguments that the data decide, by player ("generator") or network ("generator.to_target")."""


@dataclass(frozen=True)
class Players:
    """Networks that a method trains.

    Attributes:
        generator: Generator, or several in an `nn.ModuleDict`.
        discriminator: Discriminator, or several in an `nn.ModuleDict`; None without an adversary.
        spatial_dims: 2 or 3.
        target_range: Range of the target's intensities in the network's units.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    spatial_dims: int
    target_range: float = 1.0


class Method(nn.Module):
    """Rules of the game of a translation. A batch has `image` (source) and `target`, which may not match.

    Attributes:
        unpaired: True if image and target of a row need not show the same; `data.unpaired` must say so too.
    """

    unpaired = False

    def __init__(self) -> None:
        super().__init__()
        self._players: list[Players] = []  # a list hides them from the module's own parameters

    @property
    def players(self) -> Players:
        """Return the networks of the run."""
        return self._players[0]

    def begin(self, players: Players) -> None:
        """Remember the networks, once, before the first step; the place to refuse those that do not suit.

        Raises:
            UserError: A network is missing or unsuitable.
        """
        self._players = [players]

    @staticmethod
    def network_arguments(inputs: int, outputs: int) -> Channels:
        """Return what the numbers of channels of source and target decide about the networks.

        A discriminator sees the image with target or output; one of several that is named `target` or
        `source` sees that side alone, and a generator named `to_source` maps the target back to the image.

        Args:
            inputs: Channels of the image.
            outputs: Channels of the target.
        """
        return {
            "generator": {"in_channels": inputs, "out_channels": outputs},
            "generator.to_source": {"in_channels": outputs, "out_channels": inputs},
            "generator.registration": {"in_channels": 2 * outputs},
            "discriminator": {"in_channels": inputs + outputs, "image_channels": outputs, "out_channels": 1},
            "discriminator.target": {"in_channels": outputs, "image_channels": outputs, "out_channels": 1},
            "discriminator.source": {"in_channels": inputs, "image_channels": inputs, "out_channels": 1},
        }

    @property
    def generator_passes(self) -> tuple[int, int]:
        """Return how often networks of the generator run in a batch: in its own step, in D's alone."""
        return 1, 1

    def translator(self, generator: nn.Module) -> nn.Module:
        """Return the network from image to target among the generator's: [B, C, *] to [B, K, *]."""
        return generator

    def back_translator(self, generator: nn.Module) -> nn.Module | None:
        """Return the network from target to image, [B, K, *] to [B, C, *]; None where there is none."""
        return None

    def generate(self, batch: Batch) -> Any:
        """Return the generator's outputs; `translated` finds the translation among them."""
        return self.players.generator(batch["image"])

    def translated(self, output: Any) -> Tensor:
        """Return the translation of the image, [B, K, *spatial], in what `generate` returned."""
        found: Tensor = output
        return found

    def counterparts(self, batch: Batch, output: Any) -> list[tuple[Tensor, Tensor]]:
        """Return (image, its translation) for each direction, to the target first, for `task.structure`."""
        return [(batch["image"], self.translated(output))]

    def discriminator_inputs(self, batch: Batch, output: Any) -> Any:
        """Return (real, fake), or {name: (real, fake)} of several discriminators."""
        raise NotImplementedError

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        """Return the method's own losses: weighted 0-dim tensors by name, means over the batch."""
        raise NotImplementedError
