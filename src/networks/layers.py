"""Layers in any number of dimensions, and their initialisation."""

from __future__ import annotations

from typing import Literal

import torch
from monai.networks.layers.factories import Conv, Norm
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError

Start = Literal["he", "normal"]
SLOPE = 0.2
"""Negative slope of every leaky ReLU."""


def check_positive(**counts: int) -> None:
    """Raise UserError, with the name and the number, where one of them is below 1."""
    for name, count in counts.items():
        if count < 1:
            raise UserError(f"{name}: {count} must be 1 or more")


def conv(
    dims: int, inside: int, outside: int, size: int = 3, stride: int = 1, bias: bool = True
) -> nn.Module:
    """Return a convolution that keeps the sides (stride 1) or halves them, rounded up (stride 2).

    Args:
        dims: 2 or 3.
        inside: Channels of the input.
        outside: Channels of the output.
        size: Side of the filters.
        stride: Stride.
        bias: Add a bias.
    """
    layer: nn.Module = Conv[Conv.CONV, dims](inside, outside, size, stride, size // 2, bias=bias)
    return layer


def halving(dims: int, inside: int, outside: int) -> nn.Module:
    """Return a 4x4 convolution that halves the sides, rounded down.

    Args:
        dims: 2 or 3.
        inside: Channels of the input.
        outside: Channels of the output.
    """
    layer: nn.Module = Conv[Conv.CONV, dims](inside, outside, 4, 2, 1)
    return layer


class Halve(nn.Module):
    """Sides halved, rounded down, after a filter of [1, 3, 3, 1] / 8 along each axis, 0 beyond the border.

    Inside, the transpose of doubling by linear interpolation over 2^dims. Where a discriminator takes means
    of 2x2 instead, its generator may learn to draw blocks. Zhang, arXiv 1904.11486; Karras et al., arXiv
    1912.04958.
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        grid = torch.stack(torch.meshgrid([taps] * dims, indexing="ij")).prod(0)
        self.register_buffer("filter", grid[None, None])
        self.convolve = {2: F.conv2d, 3: F.conv3d}[dims]

    def forward(self, x: Tensor) -> Tensor:
        return self._filtered(x, stride=2, padding=1)

    def blur(self, x: Tensor) -> Tensor:
        """Filter alone; sides become one larger, for a 3x3 convolution of stride 2 without padding."""
        return self._filtered(x, stride=1, padding=2)

    def _filtered(self, x: Tensor, stride: int, padding: int) -> Tensor:
        assert isinstance(self.filter, Tensor)
        channels = x.shape[1]
        same = self.filter.to(x.dtype).expand(channels, *self.filter.shape[1:])
        return self.convolve(x, same, stride=stride, padding=padding, groups=channels)


def instance_norm(dims: int, channels: int) -> nn.Module:
    """Return an instance normalisation with a gain and a shift for each channel."""
    layer: nn.Module = Norm[Norm.INSTANCE, dims](channels, affine=True)
    return layer


def initialise(network: nn.Module, start: Start = "he", slope: float = SLOPE) -> None:
    """Draw the weights of convolutions and linear layers anew; set biases to 0.

    Args:
        network: Network to initialise in place.
        start: "he": variance 2 / ((1 + slope²) fan_in), He et al., arXiv 1502.01852. "normal": standard
            deviation 0.02, Radford et al., arXiv 1511.06434.
        slope: Negative slope of the leaky ReLU that follows; 0 for ReLU.
    """
    for layer in network.modules():
        if not isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
            continue
        if start == "normal":
            nn.init.normal_(layer.weight, 0.0, 0.02)
        else:
            nn.init.kaiming_normal_(layer.weight, slope)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


@torch.no_grad()
def shrink(layer: nn.Module, factor: float = 0.1) -> None:
    """Scale a layer's weights down, so that the residual branch that it ends starts small."""
    assert isinstance(layer.weight, Tensor)
    layer.weight.mul_(factor)
