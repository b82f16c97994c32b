"""The players of the classic tutorial: dense or transposed layers draw, strided convolutions judge."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from monai.networks.layers.factories import Conv
from torch import Tensor, nn

from src.errors import UserError
from src.networks.layers import SLOPE, check_positive, conv, initialise


class DenseGenerator(nn.Module):
    """Noise [B, latent] to images [B, out_channels, *size] in 0 to 1.

    Four dense layers of 128 with batch normalisation and leaky ReLU, and one to the pixels under a sigmoid.
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
                "data.batch_size: the generator normalises over it; give 2 or more for each process"
            )
        return torch.sigmoid(self.leave(self.hidden(z))).reshape(len(z), *self.shape)


class StridedDiscriminator(nn.Module):
    """Images [B, image_channels, *size] to [features of each layer..., logits [B, 1]].

    3x3 convolutions with stride 2 and leaky ReLU, and a linear layer; no normalisation.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_channels: int,
        size: Sequence[int],
        channels: Sequence[int] = (32, 64, 128, 256),
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1:
            raise UserError(f"channels: {list(channels)}; give a layer at least, and 1 or more for each")
        self.down = _strided(spatial_dims, [image_channels, *channels])
        pixels = int(torch.tensor([-(-side // 2 ** len(channels)) for side in size]).prod())
        self.judge = nn.Linear(channels[-1] * pixels, 1)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        seen = []
        for down in self.down:
            x = down(x)
            seen.append(x)
        return [*seen, self.judge(x.flatten(1))]


class TranslatingGenerator(nn.Module):
    """[B, in_channels, *spatial] to [B, out_channels, *spatial] in -1 to 1; any sides.

    3x3 convolutions with stride 2 (`down`), and as many transposed ones of 4 with stride 2 (`up`), all with
    leaky ReLU; a last transposed one under tanh. No short cuts, no normalisation.
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
            raise UserError(f"down, up: {list(down)} and {list(up)} must be equally many, 1 or more")
        layers: list[nn.Module] = []
        for inside, outside in pairwise([in_channels, *down]):
            layers += [conv(spatial_dims, inside, outside, stride=2), nn.LeakyReLU(SLOPE)]
        transposed = Conv[Conv.CONVTRANS, spatial_dims]
        for inside, outside in pairwise([down[-1], *up]):
            layers += [transposed(inside, outside, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, transposed(up[-1], out_channels, 3, 1, 1), nn.Tanh())
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        drawn: Tensor = self.layers(x)
        for axis, side in enumerate(x.shape[2:], start=2):
            drawn = drawn.narrow(axis, 0, side)
        return drawn


class PairDiscriminator(nn.Module):
    """Image and answer [B, in_channels, *spatial] to [features of each layer..., logits [B, 1]]; any sides.

    The convolutions of `StridedDiscriminator`; the linear layer sees the means of their features.
    """

    def __init__(
        self, spatial_dims: int, in_channels: int, channels: Sequence[int] = (32, 64, 128, 256)
    ) -> None:
        super().__init__()
        self.down = _strided(spatial_dims, [in_channels, *channels])
        self.judge = nn.Linear(channels[-1], 1)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        seen = []
        for down in self.down:
            x = down(x)
            seen.append(x)
        return [*seen, self.judge(x.flatten(2).mean(2))]


def _strided(dims: int, widths: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(conv(dims, inside, outside, stride=2), nn.LeakyReLU(SLOPE))
        for inside, outside in pairwise(widths)
    )
