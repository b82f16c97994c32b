"""Players of the classic tutorial: dense or transposed layers generate, strided convolutions discriminate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Literal

import torch
from monai.networks.layers.factories import Conv, Norm
from torch import Tensor, nn

from ganatomy.errors import UserError
from ganatomy.networks.layers import SLOPE, check_positive, conv, halving, initialise


class DenseGenerator(nn.Module):
    """Generator from noise [B, latent] to images [B, out_channels, *size] in 0 to 1.

    Dense layers with batch normalisation and leaky ReLU, then one to the pixels under a sigmoid.

    Args:
        out_channels: Channels of the images.
        size: Sides of the images in pixels.
        latent: Length of the noise vector.
        hidden: Width of the hidden layers.
        layers: Number of hidden layers.

    Raises:
        UserError: If `latent`, `hidden` or `layers` is below 1; in `forward`, for a training batch of one.
    """

    def __init__(
        self, out_channels: int, size: Sequence[int], latent: int = 100, hidden: int = 128, layers: int = 4
    ) -> None:
        super().__init__()
        check_positive(latent=latent, hidden=hidden, layers=layers)
        self.latent, self.shape = latent, (out_channels, *size)
        self.hidden = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Linear(inside, outside, bias=False), nn.BatchNorm1d(outside), nn.LeakyReLU(SLOPE)
                )
                for inside, outside in pairwise([latent, *[hidden] * layers])
            )
        )
        self.leave = nn.Linear(hidden, int(torch.tensor(self.shape).prod()))
        initialise(self)
        nn.init.xavier_normal_(self.leave.weight)

    def forward(self, z: Tensor) -> Tensor:
        if self.training and len(z) < 2:
            raise UserError(
                "data.batch_size: this generator uses batch normalisation; give 2 or more per process"
            )
        return torch.sigmoid(self.leave(self.hidden(z))).reshape(z.shape[0], *self.shape)


class StridedDiscriminator(nn.Module):
    """Discriminator of images [B, image_channels, *size]: [features of each layer..., logits [B, 1]].

    Convolutions with stride 2 and leaky ReLU, and a linear layer.

    Args:
        spatial_dims: 2 or 3.
        image_channels: Channels of the images.
        size: Sides of the images in pixels.
        channels: Channels of each convolution.
        filters: Sides of the filters: 4, which halve the sides rounded down, or 3, rounded up.
        batch_norm: Batch normalisation after each convolution.

    Raises:
        UserError: If `channels` is empty or holds a number below 1, or nothing is left of a side.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_channels: int,
        size: Sequence[int],
        channels: Sequence[int] = (32, 64, 128, 256),
        filters: Literal[3, 4] = 3,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1:
            raise UserError(f"channels: {list(channels)}; give a layer or more, each of 1 channel or more")
        self.down = _strided(spatial_dims, [image_channels, *channels], filters, batch_norm)
        factor = 2 ** len(channels)
        pixels = prod(side // factor if filters == 4 else -(-side // factor) for side in size)
        if not pixels:
            raise UserError(f"channels: {len(channels)} layers halve sides of {list(size)} to nothing")
        self.judge = nn.Linear(channels[-1] * pixels, 1)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for down in self.down:
            x = down(x)
            features.append(x)
        return [*features, self.judge(x.flatten(1))]


class TranslatingGenerator(nn.Module):
    """Generator from [B, in_channels, *spatial] to [B, out_channels, *spatial] in -1 to 1; any sides.

    3x3 convolutions with stride 2 (`down`), and as many transposed 4x4 ones with stride 2 (`up`), all with
    leaky ReLU; a last transposed one under tanh. No skip connections, no normalisation.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        down: Channels of each convolution on the way down.
        up: Channels of each convolution on the way up.

    Raises:
        UserError: If `down` and `up` differ in length or are empty.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        down: Sequence[int] = (32, 64, 128),
        up: Sequence[int] = (128, 64, 32),
    ) -> None:
        super().__init__()
        if len(down) != len(up) or not down:
            raise UserError(f"down, up: {list(down)} and {list(up)} must have the same length, 1 or more")
        layers: list[nn.Module] = []
        for inside, outside in pairwise([in_channels, *down]):
            layers += [conv(spatial_dims, inside, outside, stride=2), nn.LeakyReLU(SLOPE)]
        transposed = Conv[Conv.CONVTRANS, spatial_dims]
        for inside, outside in pairwise([down[-1], *up]):
            layers += [transposed(inside, outside, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, transposed(up[-1], out_channels, 3, 1, 1), nn.Tanh())
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        images: Tensor = self.layers(x)
        for axis, side in enumerate(x.shape[2:], start=2):
            images = images.narrow(axis, 0, side)
        return images


class PairDiscriminator(nn.Module):
    """Discriminator of input and output, concatenated: [features of each layer..., logits [B, 1]]; any sides.

    Takes [B, in_channels, *spatial]. The convolutions are those of `StridedDiscriminator`; the linear layer
    takes the spatial means of the last features.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of input and output together.
        channels: Channels of each convolution.
        filters: See `StridedDiscriminator`; with 4 sides are at least 2 to the number of layers.
        batch_norm: Batch normalisation after each convolution.
        alone: Take the output, without the input that it was made from.
        image_channels: Channels of the output, which counts with `alone`.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        channels: Sequence[int] = (32, 64, 128, 256),
        filters: Literal[3, 4] = 3,
        batch_norm: bool = False,
        alone: bool = False,
        image_channels: int = 0,
    ) -> None:
        super().__init__()
        self.alone = alone
        inside = image_channels if alone else in_channels
        self.down = _strided(spatial_dims, [inside, *channels], filters, batch_norm)
        self.judge = nn.Linear(channels[-1], 1)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for down in self.down:
            x = down(x)
            features.append(x)
        return [*features, self.judge(x.flatten(2).mean(2))]


def _strided(dims: int, widths: Sequence[int], filters: int, batch_norm: bool) -> nn.ModuleList:
    def layer(inside: int, outside: int) -> nn.Module:
        first = halving(dims, inside, outside) if filters == 4 else conv(dims, inside, outside, stride=2)
        norms = [Norm[Norm.BATCH, dims](outside)] if batch_norm else []
        return nn.Sequential(first, *norms, nn.LeakyReLU(SLOPE))

    return nn.ModuleList(layer(inside, outside) for inside, outside in pairwise(widths))
