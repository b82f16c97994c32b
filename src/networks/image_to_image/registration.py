"""Network that moves one image onto another: a field of displacements, and the image moved by it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.networks.image_to_image.unet import UNet


class DisplacementField(UNet):
    """U-Net from stacked images [B, in_channels, *spatial] to displacements [B, dims, *spatial] in pixels.

    It starts as the identity: all displacements are 0. The registration network of RegGAN (Kong et al., arXiv
    2110.06465), with fewer levels and channels.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of both images together.
        channels: Channels of each level, finest first.
        norm: Use instance normalisation in every level.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        channels: Sequence[int] = (16, 32, 32, 32),
        norm: bool = False,
    ) -> None:
        super().__init__(spatial_dims, in_channels, spatial_dims, channels, norm)
        assert isinstance(self.leave.weight, Tensor) and isinstance(self.leave.bias, Tensor)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)


def warp(image: Tensor, field: Tensor) -> Tensor:
    """Return image(x + field(x)), interpolated linearly, the border repeated.

    Args:
        image: [B, C, *spatial].
        field: [B, dims, *spatial], displacements in pixels along the axes of the image, in their order.
    """
    if image.is_cuda and torch.are_deterministic_algorithms_enabled():  # grid_sample's gradient is none there
        return gathered(image, field)
    dims = field.shape[1]
    eye = torch.eye(dims, dims + 1, dtype=field.dtype, device=field.device).expand(len(field), -1, -1)
    identity = F.affine_grid(eye, list(image.shape), align_corners=False)
    sides = field.new_tensor(field.shape[2:])
    moves = (field.movedim(1, -1) * 2 / sides).flip(-1)  # last axis first
    moved: Tensor = F.grid_sample(
        image, identity + moves, mode="bilinear", padding_mode="border", align_corners=False
    )
    return moved


def gathered(image: Tensor, field: Tensor) -> Tensor:
    """Return the same as `warp`, from the corners of each position, which any device adds in a fixed order.

    Args:
        image: [B, C, *spatial].
        field: [B, dims, *spatial], displacements in pixels.
    """
    sides = image.shape[2:]
    lower, parts = [], []
    for axis, side in enumerate(sides):
        shape = [side if other == axis else 1 for other in range(len(sides))]
        start = torch.arange(side, dtype=field.dtype, device=field.device).view(shape)
        position = (start + field[:, axis]).clamp(0, side - 1)
        floor = position.detach().floor().clamp(max=max(side - 2, 0))
        lower.append(floor.long())
        parts.append(position - floor)
    flat, moved = image.flatten(2), torch.zeros_like(image)
    for corner in itertools.product((0, 1), repeat=len(sides)):
        index, weight = torch.zeros_like(lower[0]), torch.ones_like(parts[0])
        for axis, (step, side) in enumerate(zip(corner, sides, strict=True)):
            index = index * side + (lower[axis] + step).clamp(max=side - 1)
            weight = weight * (parts[axis] if step else 1 - parts[axis])
        values = flat.gather(2, index.flatten(1)[:, None].expand(-1, flat.shape[1], -1))
        moved = moved + values.view_as(image) * weight[:, None]
    return moved


def roughness(field: Tensor) -> Tensor:
    """Return the mean squared forward difference of a field [B, dims, *spatial], summed over the axes, 0-dim.

    The smoothness loss of Kong et al., arXiv 2110.06465.
    """
    return torch.stack([field.diff(dim=axis).square().mean() for axis in range(2, field.dim())]).sum()
