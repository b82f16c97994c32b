"""R3GAN: residual blocks without normalisation. Huang et al., arXiv 2501.05441."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import gcd, prod

import torch
from monai.networks.layers.factories import Conv
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.networks.layers import SLOPE, Halve, check_positive, conv
from ganatomy.networks.noise_to_image.conditional import (
    class_vectors,
    noise_vectors,
    projected,
    with_class_vectors,
)
from ganatomy.networks.noise_to_image.dcgan import cut, levels, widths

GAIN = (2 / (1 + SLOPE**2)) ** 0.5
"""Gain of weights before a leaky ReLU that keeps the variance."""
INTERPOLATION = {2: "bilinear", 3: "trilinear"}


class Block(nn.Module):
    """Inverted bottleneck with skip connection: 1x1 to `expansion` times the channels, grouped 3x3, 1x1 back.

    Weights start with He's deviation times depth^-1/4, the last at 0: no normalisation is needed at any depth
    (Fixup, Zhang et al., arXiv 1901.09321).

    Args:
        dims: 2 or 3.
        channels: Channels of input and output.
        depth: Number of blocks in the network.
        group: Channels per group of the 3x3 convolution.
        expansion: Factor on the channels within the block.
    """

    def __init__(self, dims: int, channels: int, depth: int, group: int = 16, expansion: int = 2) -> None:
        super().__init__()
        wide = channels * expansion
        self.enter = conv(dims, channels, wide, 1)
        self.mix = Conv[Conv.CONV, dims](wide, wide, 3, 1, 1, groups=wide // gcd(wide, group))
        self.leave = conv(dims, wide, channels, 1, bias=False)
        for layer in (self.enter, self.mix):
            draw(layer, GAIN * depth**-0.25)
        nn.init.zeros_(self.leave.weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.enter(x), SLOPE)
        y = F.leaky_relu(self.mix(y), SLOPE)
        out: Tensor = self.leave(y) + x  # this order keeps the memory format of y
        return out


class R3Generator(nn.Module):
    """Generator from noise [B, latent] to images [B, out_channels, *size], linear at the end.

    A learned map of sides 4 to 7, its channels weighted by the noise; then `blocks` at each level; between
    levels a 1x1 convolution changes the channels and interpolation doubles the sides. Sides that are not a
    multiple of a power of two are cropped from slightly larger ones.

    Args:
        spatial_dims: 2 or 3.
        out_channels: Channels of the images.
        size: Sides of the images in pixels.
        latent: Length of the noise vector.
        channels: Channels of the finest level.
        blocks: Blocks per level.
        group: Channels per group of a block's 3x3 convolution.
        classes: Number of image classes in the data.
        embedding: Length of a learned class vector that is appended to the noise; 0: unconditional.

    Raises:
        UserError: For sides below 8, numbers below 1, or `embedding` without classes.
    """

    def __init__(
        self,
        spatial_dims: int,
        out_channels: int,
        size: Sequence[int],
        latent: int = 64,
        channels: int = 32,
        blocks: int = 2,
        group: int = 16,
        classes: int = 0,
        embedding: int = 0,
    ) -> None:
        super().__init__()
        check_positive(latent=latent, channels=channels, blocks=blocks)
        count = levels(size)
        wide = widths(channels, count + 1)[::-1]
        self.latent, self.size = latent, tuple(size)
        self.classes, self.vectors = classes if embedding else 0, noise_vectors(classes, embedding)
        self.basis = nn.Parameter(torch.randn(wide[0], *(-(-side // 2**count) for side in size)))
        self.enter = nn.Linear(latent + embedding, wide[0], bias=False)
        self.turns = nn.ModuleList(
            nn.Identity() if a == b else conv(spatial_dims, a, b, 1, bias=False) for a, b in pairwise(wide)
        )
        self.levels = stages(spatial_dims, wide, blocks, group)
        self.leave = conv(spatial_dims, wide[-1], out_channels, 1, bias=False)
        self.mode = INTERPOLATION[spatial_dims]
        for layer in (self.enter, *self.turns, self.leave):
            draw(layer)

    def forward(self, z: Tensor, *kind: Tensor) -> Tensor:
        weights = self.enter(with_class_vectors(z, self.vectors, *kind))
        x = self.levels[0](self.basis * weights.reshape(z.shape[0], -1, *[1] * (self.basis.dim() - 1)))
        for turn, level in zip(self.turns, self.levels[1:], strict=True):
            x = level(F.interpolate(turn(x), scale_factor=2, mode=self.mode))
        return cut(self.leave(x), self.size)


class R3Discriminator(nn.Module):
    """Discriminator of images [B, image_channels, *size], and classes [B]: [features..., logits [B, 1]].

    The generator in reverse: sides are halved, and one filter per channel, as large as the coarsest map,
    reduces it to a vector.

    Args:
        spatial_dims: 2 or 3.
        image_channels: Channels of the images.
        size: Sides of the images in pixels.
        channels: Channels of the finest level.
        blocks: Blocks per level.
        group: Channels per group of a block's 3x3 convolution.
        classes: Number of image classes in the data.
        projection: Condition on the classes, each of which has its own weights of the coarsest map; see
            `projected`.

    Raises:
        UserError: For sides below 8, numbers below 1, or `projection` without classes.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_channels: int,
        size: Sequence[int],
        channels: int = 32,
        blocks: int = 2,
        group: int = 16,
        classes: int = 0,
        projection: bool = False,
    ) -> None:
        super().__init__()
        check_positive(channels=channels, blocks=blocks)
        count = levels(size)
        wide = widths(channels, count + 1)
        self.enter = conv(spatial_dims, image_channels, wide[0], 1, bias=False)
        self.levels = stages(spatial_dims, wide, blocks, group)
        self.halve = Halve(spatial_dims)
        self.turns = nn.ModuleList(
            nn.Identity() if a == b else conv(spatial_dims, a, b, 1, bias=False) for a, b in pairwise(wide)
        )
        sides = [side // 2**count for side in size]
        self.basis = Conv[Conv.CONV, spatial_dims](wide[-1], wide[-1], sides, groups=wide[-1], bias=False)
        self.judge = nn.Linear(wide[-1], 1, bias=False)
        for layer in (self.enter, *self.turns, self.basis, self.judge):
            draw(layer)
        self.classes = classes if projection else 0
        self.vectors = class_vectors(classes, wide[-1] * prod(sides)) if projection else None

    def forward(self, x: Tensor, *kind: Tensor) -> list[Tensor]:
        features = [self.levels[0](self.enter(x))]
        for turn, level in zip(self.turns, self.levels[1:], strict=True):
            features.append(level(turn(self.halve(features[-1]))))
        vector = self.basis(features[-1]).flatten(1)
        return projected([*features, self.judge(vector)], self.vectors, *kind)


def stages(dims: int, wide: Sequence[int], blocks: int, group: int) -> nn.ModuleList:
    """Return the blocks of each level.

    Args:
        dims: 2 or 3.
        wide: Channels of each level.
        blocks: Blocks per level.
        group: Channels per group of a block's 3x3 convolution.
    """
    depth = blocks * len(wide)
    return nn.ModuleList(
        nn.Sequential(*(Block(dims, channels, depth, group) for _ in range(blocks))) for channels in wide
    )


def draw(layer: nn.Module, gain: float = 1.0) -> None:
    """Draw normal weights of variance gain² / fan_in; set biases to 0."""
    if isinstance(layer, nn.Identity):
        return
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    nn.init.normal_(weight, 0.0, gain * prod(weight.shape[1:]) ** -0.5)
    if bias is not None:
        assert isinstance(bias, Tensor)
        nn.init.zeros_(bias)
