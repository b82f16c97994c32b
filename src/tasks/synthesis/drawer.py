"""A trained synthesis generator: from named noise to images in the data's units."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganatomy.tasks.shared.fixed_noise import fixed_noise
from ganatomy.tasks.synthesis.conditioning import Condition
from ganatomy.tasks.synthesis.normalisation import Normalisation


class Drawer(NamedTuple):
    """A generator of synthesis and what it takes to draw with it.

    Attributes:
        network: Generator.
        condition: What it is conditioned on.
        normalisation: Normalisation of its training.
        seed: Seed of the run.
        device: Device of the generator.
    """

    network: nn.Module
    condition: Condition
    normalisation: Normalisation
    seed: int
    device: torch.device

    def noise(self, name: str) -> Tensor:
        """Return the noise [latent] that belongs to a name in this run, on the CPU."""
        return fixed_noise(self.seed, name, int(self.network.latent))  # type: ignore[arg-type]

    def __call__(self, z: Tensor, *conditioning: Tensor) -> Tensor:
        """Return images [B, C, *spatial], float32, in the data's units, for noise [B, latent]."""
        return self.normalisation.denormalise(self.network(z, *conditioning).float())
