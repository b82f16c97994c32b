"""Layers that compute what torch's do, sooner on a CPU: PReLU, instance normalisation, convolutions.

Elsewhere, and where a graph is traced or compiled, they are torch's own: an exported file names no other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

from ganatomy.networks.quick_convolutions import QuickConv2d, QuickConv3d
from ganatomy.networks.small_maps import RightConvTranspose2d, RightConvTranspose3d, runs_on_cpu

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The layout with channels innermost, by the number of axes."""


class QuickPReLU(nn.PReLU):
    """PReLU whose backward costs what leaky ReLU's does, where one slope serves all channels.

    torch's writes the slope's gradient for every voxel in a pass that is not vectorised, before it adds them.
    On a GPU the host would have to wait for the slope's value.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not (runs_on_cpu(input) and torch.is_grad_enabled()) or self.weight.numel() > 1:
            return super().forward(input)
        return _OneSlope.apply(input, self.weight)  # type: ignore[no-any-return,no-untyped-call]


class QuickInstanceNorm2d(nn.InstanceNorm2d):
    """Instance normalisation of images that keeps their memory layout."""

    def forward(self, input: Tensor) -> Tensor:
        return _normalised(self, input) if _fits(self, input, 4) else super().forward(input)


class QuickInstanceNorm3d(nn.InstanceNorm3d):
    """Instance normalisation of volumes that keeps their memory layout."""

    def forward(self, input: Tensor) -> Tensor:
        return _normalised(self, input) if _fits(self, input, 5) else super().forward(input)


QUICK: dict[type[nn.Module], type[nn.Module]] = {
    nn.PReLU: QuickPReLU,
    nn.InstanceNorm2d: QuickInstanceNorm2d,
    nn.InstanceNorm3d: QuickInstanceNorm3d,
    nn.Conv2d: QuickConv2d,
    nn.Conv3d: QuickConv3d,
    nn.ConvTranspose2d: RightConvTranspose2d,
    nn.ConvTranspose3d: RightConvTranspose3d,
}


def with_quick_layers(network: nn.Module) -> nn.Module:
    """Let a network's layers compute the same sooner; weights, their names and hooks stay."""
    for layer in network.modules():
        layer.__class__ = QUICK.get(type(layer), type(layer))
    return network


class _OneSlope(Function):
    """max(x, 0) + slope min(x, 0)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return F.leaky_relu(x, float(slope))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        x, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated once more, by the slope too
            at_x = torch.where(x > 0, gradient, slope.to(gradient) * gradient)
        else:
            at_x = torch.ops.aten.leaky_relu_backward(gradient, x, float(slope), False)
        if not ctx.needs_input_grad[1]:
            return at_x, None
        return at_x, (gradient * x.clamp(max=0)).sum(dtype=slope.dtype).reshape(slope.shape)


def _normalised(layer: nn.InstanceNorm2d | nn.InstanceNorm3d, x: Tensor) -> Tensor:
    """Normalise x [B, C, *spatial]: groups of one channel or, with channels innermost, sample by sample.

    torch's own repeats weights for each sample, and moves channels outwards.
    """
    if not x.is_contiguous(memory_format=LAYOUTS[x.dim()]) or x.is_contiguous():
        return F.group_norm(x, x.shape[1], layer.weight, layer.bias, layer.eps)
    arguments = (None, None, layer.weight, layer.bias, True, 0.0, layer.eps)
    return torch.cat([F.batch_norm(sample, *arguments) for sample in torch.split(x, 1)])


def _fits(layer: nn.InstanceNorm2d | nn.InstanceNorm3d, x: Tensor, axes: int) -> bool:
    """Return False where torch's own layer keeps statistics or refuses x."""
    if not runs_on_cpu(x) or layer.track_running_stats:
        return False
    return x.dim() == axes and x.numel() > x.shape[0] * x.shape[1] and x.shape[1] == layer.num_features
