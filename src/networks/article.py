"""The players of the classic tutorial: dense layers draw, strided convolutions judge."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from src.errors import UserError
from src.networks.layers import SLOPE, conv, initialise


class DenseGenerator(nn.Module):
    """Noise [B, latent] to images [B, out_channels, *size] in 0 to 1.

    Four dense layers of 128 with batch normalisation and leaky ReLU, and one to the pixels under a sigmoid.
    """

    def __init__(
        self, out_channels: int, size: Sequence[int], latent: int = 100, hidden: int = 128, layers: int = 4
    ) -> None:
        super().__init__()
        if latent < 1 or hidden < 1 or layers < 1:
            raise UserError(f"latent, hidden, layers: {latent}, {hidden}, {layers} must be 1 or more")
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
        wide = [image_channels, *channels]
        self.down = nn.ModuleList(
            nn.Sequential(conv(spatial_dims, inside, outside, stride=2), nn.LeakyReLU(SLOPE))
            for inside, outside in pairwise(wide)
        )
        pixels = int(torch.tensor([-(-side // 2 ** len(channels)) for side in size]).prod())
        self.judge = nn.Linear(wide[-1] * pixels, 1)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        seen = []
        for down in self.down:
            x = down(x)
            seen.append(x)
        return [*seen, self.judge(x.flatten(1))]
