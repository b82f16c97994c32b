"""From an image to a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from monai.networks.layers.factories import Norm
from torch import Tensor, nn

from src.networks.dcgan import levels, widths
from src.networks.layers import SLOPE, conv, initialise


class Encoder(nn.Module):
    """[B, in_channels, *size] to [B, latent], linear at the end.

    Convolutions that halve the sides down to 4 to 7, leaky ReLU, a linear layer: what a DCGAN's generator
    does, backwards. norm: batch normalisation, save in the first layer.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        size: Sequence[int],
        latent: int,
        channels: int = 32,
        norm: bool = True,
    ) -> None:
        super().__init__()
        count = levels(size)
        wide = [in_channels, *widths(channels, count)]
        layers: list[nn.Module] = []
        for depth, (inside, outside) in enumerate(pairwise(wide)):
            normed = norm and depth > 0
            layers.append(conv(spatial_dims, inside, outside, stride=2, bias=not normed))
            if normed:
                layers.append(Norm[Norm.BATCH, spatial_dims](outside))
            layers.append(nn.LeakyReLU(SLOPE))
        self.down = nn.Sequential(*layers)
        self.leave = nn.Linear(wide[-1] * prod(-(-side // 2**count) for side in size), latent)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.leave(self.down(x).flatten(1))
        return z
