"""Residual generator of CycleGAN and CUT, whose encoder's features can be compared."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import Start, check_positive, conv, initialise, instance_norm


class ResidualGenerator(nn.Module):
    """Map [B, in_channels, *spatial] to [B, out_channels, *spatial], linear at the end.

    A 7x7 convolution, one halving of the sides for each further entry of `channels`, residual blocks, and as
    many doublings (repeat, then convolve) back. Johnson et al., arXiv 1603.08155, as in Zhu et al., arXiv
    1703.10593. Sides must be multiples of 2^(levels - 1).

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        channels: Channels of each level, finest first.
        blocks: Residual blocks at the coarsest level.
        size: Side of the filters of the first and the last layer, odd.
        start: Initialisation of the weights; see `initialise`.

    Raises:
        UserError: A number is out of range.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int] = (64, 128, 256),
        blocks: int = 9,
        size: int = 7,
        start: Start = "normal",
    ) -> None:
        super().__init__()
        check_positive(blocks=blocks, size=size)
        if len(channels) < 2:
            raise UserError(f"channels: {list(channels)}; give two levels or more")
        if size % 2 == 0:
            raise UserError(f"size: {size}; give an odd number")
        first, *coarser = channels
        self.enter = nn.Sequential(*_unit(spatial_dims, in_channels, first, size))
        pairs = list(zip(channels[:-1], coarser, strict=True))
        self.down = nn.ModuleList(
            nn.Sequential(*_unit(spatial_dims, fine, coarse, 3, 2)) for fine, coarse in pairs
        )
        self.blocks = nn.ModuleList(_Block(spatial_dims, channels[-1]) for _ in range(blocks))
        self.up = nn.ModuleList(
            nn.Sequential(*_unit(spatial_dims, coarse, fine, 3)) for fine, coarse in reversed(pairs)
        )
        self.leave = conv(spatial_dims, first, out_channels, size)
        initialise(self, start)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def encode(self, x: Tensor, last: int | None = None) -> list[Tensor]:
        """Return x and the features of the first layer, of every halving and of every block, in order.

        Args:
            x: [B, in_channels, *spatial].
            last: Number of the last layer that is wanted, x being 0; None for all.
        """
        features = [x]
        for stage in (self.enter, *self.down, *self.blocks)[:last]:
            features.append(stage(features[-1]))
        return features

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Return the output, [B, out_channels, *spatial], for all features of `encode`."""
        x = features[-1]
        for up in self.up:
            x = up(F.interpolate(x, scale_factor=2, mode="nearest"))
        output: Tensor = self.leave(x)
        return output


class _Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, dims: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*_unit(dims, channels, channels, 3))
        self.second = nn.Sequential(conv(dims, channels, channels, bias=False), instance_norm(dims, channels))

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(self.first(x))
        return x + change


def _unit(dims: int, inside: int, outside: int, size: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution, its normalisation and a ReLU."""
    layer = conv(dims, inside, outside, size, stride, bias=False)
    return [layer, instance_norm(dims, outside), nn.ReLU()]
