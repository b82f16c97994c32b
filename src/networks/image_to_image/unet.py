"""U-Net that enlarges by repeating and convolving, which avoids checkerboards."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import SLOPE, Start, conv, initialise, instance_norm, shrink


class UNet(nn.Module):
    """U-Net from [B, in_channels, *spatial] to [B, out_channels, *spatial], linear at the end; any sides.

    Two 3x3 convolutions a level, the first of which halves the sides. Ronneberger et al., arXiv 1505.04597;
    the decoder: Odena et al., Distill 2016.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        channels: Channels of each level, finest first.
        norm: Use instance normalisation in every level.
        residual: Predict the difference to the input; it starts near 0.
        start: Initialisation of the weights; see `initialise`.

    Raises:
        UserError: For fewer than two levels, or `residual` with unequal channels.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int] = (32, 64, 128, 256),
        norm: bool = True,
        residual: bool = False,
        start: Start = "he",
    ) -> None:
        super().__init__()
        if len(channels) < 2:
            raise UserError(f"channels: {list(channels)}: a U-Net needs two levels or more")
        if residual and in_channels != out_channels:
            raise UserError(
                f"residual: {out_channels} channels out cannot be added to {in_channels} in; set it to false"
            )
        self.residual = residual
        finer, coarser = channels[:-1], channels[1:]
        self.enter = _double(spatial_dims, in_channels, channels[0], norm)
        self.down = nn.ModuleList(
            _double(spatial_dims, fine, coarse, norm, 2) for fine, coarse in zip(finer, coarser, strict=True)
        )
        self.up = nn.ModuleList(
            _double(spatial_dims, fine + coarse, fine, norm)
            for fine, coarse in zip(finer, coarser, strict=True)
        )
        self.leave = conv(spatial_dims, channels[0], out_channels, size=1)
        initialise(self, start)
        if residual:
            shrink(self.leave)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.leave(self.ascend(self.descend(x))[-1])
        return x + output if self.residual else output

    def descend(self, x: Tensor) -> list[Tensor]:
        """Return the features of every level of the encoder, finest first."""
        levels = [self.enter(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        return levels

    def ascend(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of the decoder, coarsest first; the last has the input's sides."""
        features = [levels[-1]]
        for skip, up in zip(reversed(levels[:-1]), reversed(self.up), strict=True):
            larger = F.interpolate(features[-1], size=skip.shape[2:], mode="nearest")
            features.append(up(torch.cat([larger, skip], 1)))
        return features


def _double(dims: int, inside: int, outside: int, norm: bool, stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for source, step in ((inside, stride), (outside, 1)):
        layers.append(conv(dims, source, outside, stride=step, bias=not norm))
        if norm:
            layers.append(instance_norm(dims, outside))
        layers.append(nn.LeakyReLU(SLOPE))
    return nn.Sequential(*layers)
