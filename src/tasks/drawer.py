"""A trained synthesis generator: from named noise to images in the data's units."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganatomy.tasks.shared.fixed_noise import fixed_noise
from ganatomy.tasks.synthesis.conditioning import Condition
from ganatomy.tasks.synthesis.normalisation import Units


class Drawer(NamedTuple):
    """A generator with what it is conditioned on, the units it was trained in, and the run's seed."""

    network: nn.Module
    condition: Condition
    units: Units
    seed: int
    device: torch.device

    def noise(self, name: str) -> Tensor:
        """Return the noise [latent] that belongs to a name in this run, on the CPU."""
        return fixed_noise(self.seed, name, int(self.network.latent))  # type: ignore[arg-type]

    def __call__(self, z: Tensor, *told: Tensor) -> Tensor:
        """Return images [B, C, *spatial], float32, in the data's units, for noise [B, latent]."""
        return self.units.back(self.network(z, *told).float())
