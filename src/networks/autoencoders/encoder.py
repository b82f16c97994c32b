"""Encoder from an image to a latent vector."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from monai.networks.layers.factories import Norm
from torch import Tensor, nn

from ganatomy.networks.layers import SLOPE, conv, initialise
from ganatomy.networks.noise_to_image.dcgan import levels, widths


class Encoder(nn.Module):
    """Encoder from [B, in_channels, *size] to [B, latent], linear at the end.

    The DCGAN generator in reverse: convolutions that halve the sides down to 4 to 7, leaky ReLU, and a linear
    layer.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the images.
        size: Sides of the images in pixels.
        latent: Length of the code.
        channels: Channels of the finest level.
        norm: Use batch normalisation, except in the first layer.
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
