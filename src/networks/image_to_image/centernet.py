"""CenterNet on top of any U-Net: objects as points (Zhou et al. 2019, arXiv 1904.07850)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.layers import SLOPE, conv, instance_norm

UNIT = 4.0
"""Cells per unit of the size map: sides of tens of cells are then learned at the usual learning rates."""
LEAST = 32
"""Side in cells of the image on which the body is tried: enough for the deepest U-Nets."""
LIMIT = 5.0
"""Largest logarithm of a side over its typical value: a side is within a factor of 148 of that."""
FEW = 10
"""Cells that typical boxes measure from which sides are learned linearly (`sides="auto"`)."""
RARE = 0.01
"""Share of cells that an untrained network takes for centres, so that the focal loss starts small."""


class Maps(NamedTuple):
    """Output maps of a batch, one cell for each stride^d voxels.

    Attributes:
        centre: Logits of centres, [B, K, *cells].
        size: Sides of the boxes in cells, [B, d, *cells].
        offset: Position of a centre within its cell, in cells, [B, d, *cells].
    """

    centre: Tensor
    size: Tensor
    offset: Tensor


class InstanceMaps(NamedTuple):
    """Output maps of a network that groups voxels to objects: those of `Maps`, and two more.

    Attributes:
        centre: Logits of centres, [B, K, *cells].
        size: Sides of the boxes in cells, [B, d, *cells].
        offset: Position of a centre within its cell, in cells, [B, d, *cells].
        foreground: Logits of objects of any class, [B, 1, *cells].
        vote: Way from the middle of a cell to the centre of its object, in cells, [B, d, *cells].
    """

    centre: Tensor
    size: Tensor
    offset: Tensor
    foreground: Tensor
    vote: Tensor


class CenterNet(nn.Module):
    """Detector from images [B, in_channels, *spatial] to `Maps`, ceil(side / stride) cells along each side.

    A stem of convolutions reduces the image by the stride; the body, a U-Net from `stem` channels to any
    number at the same resolution, follows; each map has a 3x3 convolution and a linear one. The paper's
    sides are linear; these are none below zero: `log` gives a typical side times the exponential of the
    output, so that small and large objects are learned alike, `linear` passes it through softplus.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the images.
        classes: Names of the boxes' classes.
        body: Network that keeps the resolution and gives one tensor.
        stride: Voxels per cell along each side: 1, 2 or 4.
        stem: Channels that the body takes.
        head: Channels of each head's 3x3 convolution.
        multiple: Cells along each side are padded to a multiple of this for the body.
        sides: "linear" or "log", the scale in which sides are learned; "auto" is "log" where typical boxes
            measure fewer than 10 cells.
        typical_sides: Sides in voxels, one per axis, that `log` begins with, such as the median of the
            training boxes; None for four cells.
        instances: Two more heads, foreground and votes; the output is then `InstanceMaps`.

    Raises:
        UserError: For another stride, no channels, data without box classes, sides that are not above 0, or a
            body that changes the resolution.
    """

    threshold: Tensor
    typical: Tensor | None

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        classes: Sequence[str],
        body: nn.Module,
        stride: int = 2,
        stem: int = 16,
        head: int = 32,
        multiple: int = 8,
        sides: Literal["linear", "log", "auto"] = "linear",
        typical_sides: Sequence[float] | None = None,
        instances: bool = False,
    ) -> None:
        super().__init__()
        if stride not in (1, 2, 4):
            raise UserError(f"stride: {stride}; choose 1, 2 or 4")
        for name, number in {"stem": stem, "head": head, "multiple": multiple}.items():
            if number < 1:
                raise UserError(f"{name}: {number}; must be at least 1")
        if not classes:
            raise UserError(
                "data: these cases have no boxes; choose data that have, such as data=brain_lesions"
            )
        self.classes, self.stride, self.multiple = tuple(classes), int(stride), multiple
        self.instances = instances
        steps = [2] * int(math.log2(self.stride)) or [1]
        wide = [in_channels, *[stem] * len(steps)]
        self.stem = nn.Sequential(
            *(
                nn.Sequential(
                    conv(spatial_dims, inside, outside, stride=step, bias=False),
                    instance_norm(spatial_dims, outside),
                    nn.LeakyReLU(SLOPE),
                )
                for inside, outside, step in zip(wide[:-1], wide[1:], steps, strict=True)
            )
        )
        self.body = body
        features = self._features(spatial_dims, stem)
        self.heads = _heads(spatial_dims, features, head, (len(self.classes), spatial_dims, spatial_dims))
        if sides == "auto":
            few = typical_sides and min(typical_sides) > 0 and max(typical_sides) < FEW * self.stride
            sides = "log" if few else "linear"
        first = 0.0 if sides == "log" else 0.54
        for layers, value in zip(self.heads, (-math.log(1 / RARE - 1), first, 0.5), strict=True):
            weight, bias = layers[-1].parameters()  # type: ignore[index]
            nn.init.normal_(weight, std=0.01)
            nn.init.constant_(bias, value)
        if instances:
            self.instance_heads = _heads(spatial_dims, features, head, (1, spatial_dims))
        # Score threshold for boxes, chosen on validation; a buffer, so that it is saved with the weights.
        self.register_buffer("threshold", torch.tensor(0.3))
        typical = _typical(typical_sides, spatial_dims, stride) if sides == "log" else None
        self.register_buffer("typical", typical, persistent=False)

    def forward(self, x: Tensor) -> Maps | InstanceMaps:
        cells = [-(-side // self.stride) for side in x.shape[2:]]
        padded = [-(-n // self.multiple) * self.multiple * self.stride for n in cells]
        around = [n for side, want in zip(x.shape[2:], padded, strict=True) for n in (want - side, 0)]
        features = self.body(self.stem(F.pad(x, around[::-1], mode="replicate") if any(around) else x))
        window = (..., *(slice(n) for n in cells))
        centre, size, offset = (head(features)[window] for head in self.heads)
        maps = Maps(centre, lengths(size, self.typical), offset)
        if not self.instances:
            return maps
        foreground, vote = (head(features)[window] for head in self.instance_heads)
        return InstanceMaps(*maps, foreground, UNIT * vote)

    def _features(self, dims: int, stem: int) -> int:
        """Return the number of channels that the body gives; UserError if it changes the resolution."""
        side = -(-LEAST // self.multiple) * self.multiple
        training = self.body.training
        with torch.no_grad():
            output = self.body.eval()(torch.zeros(1, stem, *[side] * dims))
        self.body.train(training)
        if not isinstance(output, Tensor) or list(output.shape[2:]) != [side] * dims:
            raise UserError("body: must return one tensor at the resolution of its input, as a U-Net does")
        return output.shape[1]


def _heads(dims: int, features: int, width: int, outputs: Sequence[int]) -> nn.ModuleList:
    """Return a 3x3 convolution and a linear one for each map, of so many channels."""
    return nn.ModuleList(
        nn.Sequential(conv(dims, features, width), nn.LeakyReLU(SLOPE), conv(dims, width, out, size=1))
        for out in outputs
    )


def lengths(size: Tensor, typical: Tensor | None) -> Tensor:
    """Return sides in cells [B, d, *cells] from the output of the size head.

    Args:
        size: Output [B, d, *cells].
        typical: Typical sides in cells, [1, d, 1, ...], if logarithms are learned; None for linear sides.
    """
    if typical is None:
        return UNIT * F.softplus(size)
    return typical * size.float().clamp(-LIMIT, LIMIT).exp()


def _typical(sides: Sequence[float] | None, dims: int, stride: int) -> Tensor:
    """Return the typical sides in cells, [1, d, 1, ...]."""
    given = [UNIT * stride] * dims if sides is None else [float(side) for side in sides]
    if len(given) != dims or not all(math.isfinite(side) and side > 0 for side in given):
        raise UserError(f"typical_sides: {list(sides or [])}; give {dims} sides in voxels, each above 0")
    return torch.tensor(given).reshape(1, dims, *[1] * dims) / stride
