"""Layers of StyleGAN2: weights of equal learning rate, styles, and convolutions modulated by them."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import SLOPE

GAIN = 2**0.5
"""Factor on a leaky ReLU that keeps the mean square. It may as well be taken before, in the weights."""


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
        gain: Factor on the output, which costs nothing here.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        size: int,
        bias: bool = True,
        halve: bool = False,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.stride, self.padding = (2, 0) if halve else (1, size // 2)
        self.gain = gain
        self.weight = nn.Parameter(torch.randn(outside, inside, size, size))
        self.bias = nn.Parameter(torch.zeros(outside)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, *self.scaled(), self.stride, self.padding)

    def scaled(self) -> tuple[Tensor, Tensor | None]:
        """Return weights and biases as they are used."""
        weight = self.weight * (self.gain * prod(self.weight.shape[1:]) ** -0.5)
        return weight, self.bias if self.bias is None or self.gain == 1 else self.bias * self.gain


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
        gain: Factor on the output, where the scale is undone.
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
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.gain = gain
        self.doubling = Double() if doubled else None
        self.style = EqualLinear(style, inside, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outside, inside, size, size))
        self.demodulate, self.eps = demodulate, eps

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        weight = self.weight * prod(self.weight.shape[1:]) ** -0.5
        scale = self.style(style)
        if weight.shape[-1] == 1 and not self.demodulate:
            return pointwise(x, weight[..., 0, 0] * scale[:, None])
        x = x * scale[:, :, None, None]
        if self.doubling is None:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        else:
            x = self.doubling.convolved(x, weight)
        if self.demodulate:
            energy = scale.square() @ weight.square().sum((2, 3)).T
            x = x * ((energy + self.eps).rsqrt() * self.gain)[:, :, None, None]
        return x


class Mapping(nn.Module):
    """Mapping network from noise [B, latent], and classes [B] if there are any, to styles [B, width].

    Dense layers that learn `rate` times as fast as the rest; each part of the input has a mean square of 1.

    Args:
        latent: Length of the noise vector.
        width: Length of the style.
        layers: Number of layers.
        rate: Factor on the learning rate.
        classes: Number of classes with a learned vector; 0: unconditional.
    """

    def __init__(
        self, latent: int, width: int, layers: int = 4, rate: float = 0.01, classes: int = 0
    ) -> None:
        super().__init__()
        self.latent = latent
        self.vectors = nn.Embedding(classes, latent) if classes else None
        sides = [latent * (2 if classes else 1), *[width] * layers]
        self.layers = nn.ModuleList(EqualLinear(a, b, rate=rate) for a, b in pairwise(sides))

    def forward(self, z: Tensor, *kind: Tensor) -> Tensor:
        x = unit(z[:, : self.latent])
        if self.vectors is not None:
            x = torch.cat([x, unit(self.vectors(*kind))], 1)
        for layer in self.layers:
            x = activated(layer(x))
        return x


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve each sample with 1x1 filters of its own: cheaper than to scale all of its features.

    Channels stay where they are in memory.

    Args:
        x: [B, inside, H, W].
        weight: [B, outside, inside].
    """
    if x.is_contiguous():
        return (weight @ x.flatten(2)).reshape(len(x), -1, *x.shape[2:])
    return torch.einsum("bhwi,boi->bhwo", x.movedim(1, -1), weight).movedim(-1, 1)


def rectified(x: Tensor) -> Tensor:
    """Apply the leaky ReLU, in place, to what has its gain of √2 already: no other step may need x."""
    return F.leaky_relu(x, SLOPE, inplace=True)


def activated(x: Tensor) -> Tensor:
    """Return the leaky ReLU times √2."""
    return F.leaky_relu(x, SLOPE) * GAIN


def unit(x: Tensor) -> Tensor:
    """Scale the rows to mean square 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
