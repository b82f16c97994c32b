"""Layers of StyleGAN2: weights of equal learning rate, and convolutions modulated by a style."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import SLOPE


class EqualLinear(nn.Module):
    """Linear layer x · Wᵀ · rate / √fan_in + b · rate, W drawn with deviation 1 / rate.

    So Adam moves all layers in proportion to their He deviation, and this one `rate` times as fast. Karras
    et al., arXiv 1710.10196, section 4.1; arXiv 1812.04948, appendix C.

    Args:
        inside: Features of the input.
        outside: Features of the output.
        rate: Factor on the learning rate.
        bias: Initial bias.

    Raises:
        UserError: If `rate` is not above 0.
    """

    def __init__(self, inside: int, outside: int, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        if rate <= 0:
            raise UserError(f"rate: {rate} must be above 0")
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(outside, inside) / rate)
        self.bias = nn.Parameter(torch.full((outside,), bias / rate))

    def forward(self, x: Tensor) -> Tensor:
        gain = self.rate * self.weight.shape[1] ** -0.5
        return F.linear(x, self.weight * gain, self.bias * self.rate)


class EqualConv(nn.Module):
    """A 2D convolution that keeps the sides, with weights scaled as in `EqualLinear`.

    Args:
        inside: Channels of the input.
        outside: Channels of the output.
        size: Side of the filters.
        bias: Add a bias.
        halve: Stride 2 without padding: halves sides that are one larger (`Halve.blur`).
    """

    def __init__(self, inside: int, outside: int, size: int, bias: bool = True, halve: bool = False) -> None:
        super().__init__()
        self.stride, self.padding = (2, 0) if halve else (1, size // 2)
        self.weight = nn.Parameter(torch.randn(outside, inside, size, size))
        self.bias = nn.Parameter(torch.zeros(outside)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        gain = prod(self.weight.shape[1:]) ** -0.5
        return F.conv2d(x, self.weight * gain, self.bias, self.stride, self.padding)


class Double(nn.Module):
    """Sides doubled: zeros between the pixels, then [1, 3, 3, 1] / 4 along each axis, 0 beyond the border.

    Away from the border this is linear interpolation. Karras et al., arXiv 1912.04958, section 3.
    """

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
        self.register_buffer("filter", torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self._taps(x), stride=2, padding=1, groups=x.shape[1])

    def convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return a 3x3 convolution of the doubled x, which goes on one pixel beyond the border.

        Filter and convolution may change places. Before the filter three of four pixels are 0, so a
        transposed convolution of stride 2 does it at a quarter of the cost.

        Args:
            x: [B, inside, H, W].
            weight: [outside, inside, 3, 3].
        """
        x = F.conv_transpose2d(x, weight.transpose(0, 1).flip(2, 3), stride=2)
        return F.conv2d(x, self._taps(x), padding=1, groups=x.shape[1])

    def _taps(self, x: Tensor) -> Tensor:
        assert isinstance(self.filter, Tensor)
        return self.filter.to(x.dtype).expand(x.shape[1], 1, 4, 4)


class ModulatedConv(nn.Module):
    """A 2D convolution whose weights are scaled by the style of each sample, input channel by input channel.

    w'ᵢⱼₖ = sᵢ wᵢⱼₖ, and to undo the scale at each output channel j, w''ᵢⱼₖ = w'ᵢⱼₖ / √(Σᵢₖ w'ᵢⱼₖ² + ε).
    Karras et al., arXiv 1912.04958, eqs. 1 to 3. Computed by scaling the features before and after one
    convolution with w, which is equivalent.

    Args:
        inside: Channels of the input.
        outside: Channels of the output.
        size: Side of the filters.
        style: Length of the style vector.
        demodulate: Undo the scale at each output channel.
        eps: ε of the formula.
        doubled: Convolve the doubled input; see `Double`.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        size: int,
        style: int,
        demodulate: bool = True,
        eps: float = 1e-8,
        doubled: bool = False,
    ) -> None:
        super().__init__()
        self.doubling = Double() if doubled else None
        self.style = EqualLinear(style, inside, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outside, inside, size, size))
        self.demodulate, self.eps = demodulate, eps

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        weight = self.weight * prod(self.weight.shape[1:]) ** -0.5
        scale = self.style(style)
        x = x * scale[:, :, None, None]
        if self.doubling is None:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        else:
            x = self.doubling.convolved(x, weight)
        if self.demodulate:
            energy = scale.square() @ weight.square().sum((2, 3)).T
            x = x * (energy + self.eps).rsqrt()[:, :, None, None]
        return x


def activated(x: Tensor) -> Tensor:
    """Return the leaky ReLU times √2, which keeps the mean square."""
    return F.leaky_relu(x, SLOPE) * 2**0.5
