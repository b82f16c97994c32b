"""nnU-Net's network with deep supervision: MONAI's DynUNet, from its strides alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import monai.networks.nets as nets
from torch import Tensor

from ganatomy.errors import UserError
from ganatomy.networks.layers import check_positive

Sides = int | Sequence[int]


class DynUNet(nets.DynUNet):
    """U-Net from [B, in_channels, *spatial] to [B, out_channels, *spatial], with further heads in training.

    In training it returns a list, finest first: the answer, and that of each coarser head at its own
    resolution. In evaluation the answer alone. Isensee et al., arXiv 1809.10486.

    Different from MONAI's: channels and kernels follow from strides; heads are not enlarged and stacked; none
    is computed in evaluation, and none kept after the pass (MONAI's keep their graph in memory, cannot be
    copied then, and every layer is in the state dict under two names).

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        strides: Stride of each level, the first one's 1; a number, or one for each axis: [1, 2, [2, 2, 1]].
        kernel_size: Kernel of each level; None for what follows from the strides (`kernels`).
        width: Channels of the first level, doubled at each further one, up to 320 (2D: 512). nnU-Net has 32.
        channels: Channels of each level instead.
        heads: Coarser heads in training, at most two fewer than levels; 0 for none. None for three fewer than
            levels, but at least one, as in nnU-Net.
        residual: Residual blocks.
        dropout: Share of dropout; None for none.

    Raises:
        UserError: Fewer than three levels, or lists of other lengths.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        strides: Sequence[Sides] = (1, 2, 2, 2),
        kernel_size: Sequence[Sides] | None = None,
        width: int = 32,
        channels: Sequence[int] | None = None,
        heads: int | None = None,
        residual: bool = False,
        dropout: float | None = None,
    ) -> None:
        steps = [checked_sides(each, spatial_dims, "strides") for each in strides]
        levels = len(steps)
        if levels < 3 or prod(steps[0]) != 1:
            raise UserError(f"strides: {list(strides)}; give three levels or more, the first of stride 1")
        most = 320 if spatial_dims == 3 else 512
        filters = [min(width * 2**level, most) for level in range(levels)] if channels is None else channels
        sizes = kernels(steps) if kernel_size is None else kernel_size
        for name, given in (("kernel_size", sizes), ("channels", filters)):
            if len(given) != levels:
                raise UserError(
                    f"{name}: {len(given)} for {levels} levels (strides); give one for each level"
                )
        check_positive(**{f"channels[{level}]": count for level, count in enumerate(filters)})
        heads = max(levels - 3, 1) if heads is None else heads
        if not 0 <= heads <= levels - 2:
            raise UserError(f"heads: {heads}; {levels} levels have from 0 to {levels - 2}")
        super().__init__(
            spatial_dims,
            in_channels,
            out_channels,
            [checked_sides(each, spatial_dims, "kernel_size") for each in sizes],
            steps,
            steps[1:],
            filters=list(filters),
            dropout=dropout,
            deep_supervision=heads > 0,
            deep_supr_num=max(heads, 1),
            res_block=residual,
        )
        del self.skip_layers  # the same layers under other names
        self.heads = []

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        skips: list[Tensor] = []
        for level in (self.input_block, *self.downsamples):
            x = level(x)
            skips.append(x)
        x = self.bottleneck(x)
        outputs: list[Tensor] = []
        heads: Any = self.deep_supervision_heads if self.training and self.deep_supervision else ()
        for place, (level, skip) in enumerate(zip(self.upsamples, reversed(skips), strict=True), 1):
            x = level(x, skip)
            depth = len(skips) - place
            if 0 < depth <= len(heads):
                outputs.insert(0, heads[depth - 1](x))
        answer: Tensor = self.output_block(x)
        return [answer, *outputs] if outputs else answer


def checked_sides(given: Sides, dims: int, key: str) -> list[int]:
    """Return a number for each axis; UserError for what is none.

    Args:
        given: A number for all axes, or one each.
        dims: Axes.
        key: Name of the argument, for the message.
    """
    sides = [given] * dims if isinstance(given, int) else list(given)
    if len(sides) != dims or any(side < 1 for side in sides):
        raise UserError(f"{key}: {given}; give a number >= 1, or one for each of {dims} axes")
    return sides


def kernels(strides: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the kernel of each level along each axis: 3, or 1 where slices are still far apart.

    So they are along an axis that is halved later than others, up to the level before it is: the kernels of
    nnU-Net's planner, which knows the spacing, for an axis that is halved at all.

    Args:
        strides: Stride of each level, one for each axis.
    """
    levels, axes = range(len(strides)), range(len(strides[0]))
    never = len(strides)
    first = [next((level for level in levels if strides[level][axis] > 1), never) for axis in axes]
    return [[1 if min(first) <= level + 1 < first[axis] < never else 3 for axis in axes] for level in levels]
