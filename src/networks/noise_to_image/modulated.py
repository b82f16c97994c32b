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
    """

    def __init__(self, inside: int, outside: int, size: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside, size, size))
        self.bias = nn.Parameter(torch.zeros(outside)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        gain = prod(self.weight.shape[1:]) ** -0.5
        return F.conv2d(x, self.weight * gain, self.bias, padding=self.weight.shape[-1] // 2)


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
    """

    def __init__(
        self, inside: int, outside: int, size: int, style: int, demodulate: bool = True, eps: float = 1e-8
    ) -> None:
        super().__init__()
        self.style = EqualLinear(style, inside, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outside, inside, size, size))
        self.demodulate, self.eps = demodulate, eps

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        weight = self.weight * prod(self.weight.shape[1:]) ** -0.5
        scale = self.style(style)
        x = F.conv2d(x * scale[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            energy = scale.square() @ weight.square().sum((2, 3)).T
            x = x * (energy + self.eps).rsqrt()[:, :, None, None]
        return x


def activated(x: Tensor) -> Tensor:
    """Return the leaky ReLU times √2, which keeps the mean square."""
    return F.leaky_relu(x, SLOPE) * 2**0.5
