"""Convolutions in bfloat16 that compute what torch's do, sooner on a CPU.

oneDNN, which torch computes them with, is made for many channels on large images. A GAN has the other ends
too: a generator's last layers, of few channels on whole images, and a discriminator's, of many on small maps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

from ganatomy.networks.small_maps import CONVOLVE, bordered, is_small_map, runs_on_cpu, with_border

WIDTH = 16
"""Channels that oneDNN computes together; fewer cost as much."""
LARGE = 8192
"""Voxels of an image from which it pays to gather rows."""
SMALL, FEW = {2: 150, 3: 1400}, {2: 4096, 3: 0}
"""Places of a map, and of a batch of maps, by axes, up to which weights' gradients are sooner another way."""

Plain = Callable[[Tensor], Tensor]


class QuickConv2d(nn.Conv2d):
    """Convolution of images; see `convolved`."""

    def forward(self, input: Tensor) -> Tensor:
        return convolved(self, input, super().forward)


class QuickConv3d(nn.Conv3d):
    """Convolution of volumes; see `convolved`."""

    def forward(self, input: Tensor) -> Tensor:
        return convolved(self, input, super().forward)


def convolved(layer: nn.Conv2d | nn.Conv3d, x: Tensor, plain: Plain) -> Tensor:
    """Return layer(x), by the way that is right, and quickest in mixed precision, on a CPU.

    Args:
        layer: Its weights, stride and padding are used.
        x: [B, C, *spatial].
        plain: torch's own way, for what does not fit.
    """
    smaller, fits = is_small_map(layer, x), _fits(layer, x)
    if fits and not smaller and (rows := _rows(layer, x)):
        return _gathered(x, layer, rows)
    small = fits and _has_small_maps(layer, x)
    if small or (fits and not smaller and _halves_few_channels(layer, x)):
        x, padding = (bordered(layer, x), (0,) * (x.dim() - 2)) if smaller else (x, layer.padding)
        nodes = x.view_as(x), layer.weight.view_as(layer.weight)  # for `_is_asked_for`
        return _Apart.apply(*nodes, layer.bias, layer.stride, padding, small)  # type: ignore[no-any-return,no-untyped-call]
    return with_border(layer, x) if smaller else plain(x)


def _fits(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> bool:
    """Return False outside of autocast to bfloat16, and where torch's layer has more to do or to refuse."""
    if not (torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16):
        return False
    if not runs_on_cpu(x) or layer.weight.dtype != torch.float32 or x.dtype == torch.float64:
        return False
    plain = layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return (
        plain
        and set(layer.dilation) == {1}
        and x.dim() == layer.weight.dim()
        and x.shape[1] == layer.in_channels
        and x.is_contiguous()
        and x.numel() > 0
    )


def _rows(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> int:
    """Return how many rows of an image are gathered as channels; 0: none."""
    channels = max(layer.in_channels, layer.out_channels)
    same = set(layer.kernel_size) == {3} and set(layer.stride) == {1} == set(layer.padding)
    if not same or 2 * channels > WIDTH or math.prod(x.shape[2:]) < LARGE:
        return 0
    rows = 2 ** int(math.log2(WIDTH // channels))
    while rows > 1 and (
        x.shape[2] % rows or x.shape[2] < 3 * rows
    ):  # blocks no fewer than taps: `small_maps`
        rows //= 2
    return rows if rows > 1 else 0


def _gathered(x: Tensor, layer: nn.Conv2d | nn.Conv3d, rows: int) -> Tensor:
    """Convolve with n rows, or planes, at a time as channels, so that there are WIDTH of them.

    An image of C channels and H rows is one of n C channels and H / n rows; the weights are laid out for it.
    """
    (batch, channels, height, *others), out = x.shape, layer.out_channels
    x = x.reshape(batch, channels, height // rows, rows, *others).movedim(3, 1)
    x = x.reshape(batch, rows * channels, height // rows, *others)
    x = F.pad(x, (0, 0) * (x.dim() - 2) + (0, WIDTH - rows * channels))
    taps = layer.weight.reshape(out, channels, 3, -1)
    weight = torch.einsum("jibd,ocdr->joicbr", _places(rows, taps), taps)
    weight = weight.reshape(rows * out, rows * channels, *layer.weight.shape[2:])
    more = (0, WIDTH - rows * channels, 0, WIDTH - rows * out)
    weight = F.pad(weight, (0, 0) * (x.dim() - 2) + more)
    bias = None if layer.bias is None else F.pad(layer.bias.repeat(rows), (0, WIDTH - rows * out))
    y = CONVOLVE[x.dim() - 2](x, weight, bias, 1, 1)[:, : rows * out]
    y = y.reshape(batch, rows, out, height // rows, *others).movedim(1, 3)
    return y.reshape(batch, out, height, *others)


def _places(rows: int, like: Tensor) -> Tensor:
    """Return [j, i, b, d], 1 where tap d of row j of a block falls on row i of block b of three."""
    j, i, b, d = torch.meshgrid(
        *(torch.arange(side) for side in (rows, rows, 3, 3)),
        indexing="ij",
    )
    return (j + d - 1 == i + (b - 1) * rows).to(like)


def _has_small_maps(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> bool:
    """Return whether there are many weights for few places of the output."""
    if not (torch.is_grad_enabled() and layer.weight.requires_grad):
        return False
    assert not isinstance(layer.padding, str)
    sides = [
        (side + 2 * padding - kernel) // stride + 1
        for side, padding, kernel, stride in zip(
            x.shape[2:], layer.padding, layer.kernel_size, layer.stride, strict=True
        )
    ]
    wide = min(layer.in_channels, layer.out_channels) >= 2 * WIDTH and min(layer.kernel_size) >= 4
    axes, places = len(sides), math.prod(sides)
    return wide and min(sides) > 0 and (places <= SMALL[axes] or len(x) * places <= FEW[axes])


def _halves_few_channels(layer: nn.Conv2d | nn.Conv3d, x: Tensor) -> bool:
    """Return whether it is a discriminator's first layer, of filters of 4 that go 2 at a time."""
    if not (torch.is_grad_enabled() and x.requires_grad and layer.weight.requires_grad):
        return False
    usual = set(layer.kernel_size) == {4} and set(layer.stride) == {2} and set(layer.padding) == {1}
    few = 2 * layer.in_channels <= WIDTH <= layer.out_channels
    return usual and few and not any(side % 2 for side in x.shape[2:]) and math.prod(x.shape[2:]) >= LARGE


class _Apart(Function):
    """A convolution with one of its gradients computed apart: oneDNN takes up to three times as long.

    Of small maps the weights', see `_at_weights`, else the input's, see `_at_input`.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, small: bool
    ) -> Tensor:
        half = [None if each is None else each.bfloat16() for each in (x, weight, bias)]
        ctx.save_for_backward(x, weight, *half[:2])
        ctx.how = (stride, padding, small)
        return CONVOLVE[x.dim() - 2](*half, stride, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight, *half), (stride, padding, small) = ctx.saved_tensors, ctx.how
        axes, again = x.dim() - 2, torch.is_grad_enabled()
        if again:  # to be differentiated once more: of the inputs themselves, all by torch
            half = [x.bfloat16(), weight.bfloat16()]
        asked = [ctx.needs_input_grad[at] and _is_asked_for(ctx, at) for at in range(2)]
        mask = [asked[0] and (small or again), asked[1] and (not small or again), False]
        arguments = (None, stride, padding, (1,) * axes, False, (0,) * axes, 1, mask)
        at_x, at_weight, _ = torch.ops.aten.convolution_backward(gradient, *half, *arguments)
        if asked[0] and at_x is None:
            at_x = _at_input(gradient, half[1])
        if asked[1] and at_weight is None:
            at_weight = torch.empty_like(weight).copy_(
                _at_weights(gradient, half[0], half[1], stride, padding)
            )
        at_bias = None  # oneDNN computes it with the weights'
        if asked[1] and ctx.needs_input_grad[2]:
            at_bias = gradient.sum((0, *range(2, axes + 2)))
        found = zip((at_x, at_weight, at_bias), (x, weight, weight), strict=True)
        return *(None if each is None else each.to(like.dtype) for each, like in found), None, None, None


def _at_weights(gradient: Tensor, x: Tensor, weight: Tensor, stride: Any, padding: Any) -> Tensor:
    """Return the weights' gradient, as a convolution of x with that of the output.

    The samples are its channels, what was the stride is its dilation: dW[o, c, k] = sum over b and p of
    x[b, c, s p + k] g[b, o, p].
    """
    found = CONVOLVE[x.dim() - 2](x.transpose(0, 1), gradient.transpose(0, 1), None, 1, padding, stride)
    for axis, side in enumerate(weight.shape[2:], 2):
        found = found.narrow(axis, 0, side)
    return found.transpose(0, 1)


def _at_input(gradient: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient at the input of filters of 4, stride 2, padding 1: one convolution for all phases.

    Of the taps of an axis 1 and 3 meet even places, 0 and 2 odd ones: filters of 2 each, over the output's
    gradient with a border of 0. Their answers, 2 to the power of the axes for each channel, are put in turn.
    """
    axes, channels = weight.dim() - 2, weight.shape[1]
    taps, phases = torch.tensor([[3, 1], [2, 0]]), list(itertools.product((0, 1), repeat=axes))
    filters = []
    for phase in phases:
        part = weight
        for axis, odd in enumerate(phase, 2):
            part = part.index_select(axis, taps[odd])
        filters.append(part.transpose(0, 1))
    parts = CONVOLVE[axes](F.pad(gradient, (1, 1) * axes), torch.cat(filters))
    sides = gradient.shape[2:]
    found = gradient.new_empty((len(gradient), channels, *(2 * side for side in sides)))
    for phase, part in zip(phases, torch.split(parts, channels, 1), strict=True):
        place = [slice(odd, None, 2) for odd in phase]
        for axis, (odd, side) in enumerate(zip(phase, sides, strict=True), 2):
            part = part.narrow(axis, odd, side)
        found[:, :, *place] = part
    return found


def _is_asked_for(ctx: Any, at: int) -> bool:
    """Return whether this backward pass goes on to an input: G's, through D, leaves D's weights out."""
    asked: Callable[[Any], bool] | None = getattr(torch._C, "_will_engine_execute_node", None)
    return asked is None or asked(ctx.next_functions[at][0])
