"""Convolutions of maps smaller than their filter, made right on a CPU.

There oneDNN, which torch computes them with, takes what lies beside a map for the border that it should add:
the gradient of a filter's weights is noise in bfloat16, and of large filters in float32 too. So the border is
added before such a convolution, or cut off after a transposed one: the same, and right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGE_FILTER = 5
"""Taps along an axis from which float32 is wrong too."""

CONVOLVE: dict[int, Callable[..., Tensor]] = {2: F.conv2d, 3: F.conv3d}
TRANSPOSED: dict[int, Callable[..., Tensor]] = {2: F.conv_transpose2d, 3: F.conv_transpose3d}
Convolution = nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d


class RightConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution of images, right where the result is smaller than the filter."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is None and _makes_small_map(self, input):
            return _cut(self, input)
        return super().forward(input, output_size)


class RightConvTranspose3d(nn.ConvTranspose3d):
    """Transposed convolution of volumes, right where the result is smaller than the filter."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is None and _makes_small_map(self, input):
            return _cut(self, input)
        return super().forward(input, output_size)


def runs_on_cpu(x: Tensor) -> bool:
    """Return whether x is computed with on a CPU, and not traced or compiled."""
    traced = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return x.device.type == "cpu" and not (traced or torch.compiler.is_compiling())


def is_small_map(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> bool:
    """Return whether the layer adds a border of 0 to x [B, C, *spatial], smaller than its filter."""
    if layer.padding_mode != "zeros" or layer.padding in ("valid", (0,) * len(layer.kernel_size)):
        return False
    return _is_at_risk(layer, x) and _are_within(x.shape[2:], layer)


def bordered(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> Tensor:
    """Return x with the border of 0 that the layer adds."""
    widths = []
    for axis in reversed(range(len(layer.kernel_size))):
        if isinstance(layer.padding, str):  # "same"
            both = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
            widths += [both // 2, both - both // 2]
        else:
            widths += [layer.padding[axis]] * 2
    return F.pad(x, widths)


def with_border(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> Tensor:
    """Convolve x with the border added first."""
    return CONVOLVE[x.dim() - 2](
        bordered(layer, x), layer.weight, layer.bias, layer.stride, 0, layer.dilation, layer.groups
    )


def _makes_small_map(layer: nn.ConvTranspose2d | nn.ConvTranspose3d, x: Tensor) -> bool:
    if not any(layer.padding) or not _is_at_risk(layer, x):
        return False
    return _are_within(_sides(layer, x), layer)


def _cut(layer: nn.ConvTranspose2d | nn.ConvTranspose3d, x: Tensor) -> Tensor:
    """Return what the layer makes of x, its border cut off afterwards."""
    assert not isinstance(layer.padding, str)
    starts, sides = layer.padding, _sides(layer, x)
    whole = TRANSPOSED[x.dim() - 2](
        x, layer.weight, layer.bias, layer.stride, 0, layer.output_padding, layer.groups, layer.dilation
    )
    for axis, (start, side) in enumerate(zip(starts, sides, strict=True), 2):
        whole = whole.narrow(axis, start, side)
    return whole


def _sides(layer: nn.ConvTranspose2d | nn.ConvTranspose3d, x: Tensor) -> list[int]:
    return [
        (side - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + more
        for side, stride, padding, dilation, kernel, more in zip(
            x.shape[2:],
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.kernel_size,
            layer.output_padding,
            strict=True,
        )
    ]


def _is_at_risk(layer: Convolution, x: Tensor) -> bool:
    """Return whether oneDNN computes it, and in a precision in which it is wrong."""
    if not runs_on_cpu(x) or x.dim() != len(layer.kernel_size) + 2 or x.dtype == torch.float64:
        return False
    half = torch.is_autocast_enabled("cpu") or x.dtype != torch.float32
    return half or max(layer.kernel_size) >= LARGE_FILTER


def _are_within(sides: Sequence[int], layer: Convolution) -> bool:
    """Return whether a side of a map is smaller than its filter's, or as small as a large one's."""
    near = any(side < n + (n >= LARGE_FILTER) for side, n in zip(sides, layer.kernel_size, strict=True))
    return near and min(sides) > 0
