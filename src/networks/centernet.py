"""CenterNet's maps from any U-Net: objects as points (Zhou et al. 2019, arXiv 1904.07850)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.errors import UserError
from src.networks.layers import SLOPE, conv, instance_norm

UNIT = 4.0
"""Cells that a size map's unit stands for: sides of tens of cells are learned in steps of the usual rates."""
LEAST = 32
"""Side of the image, in cells, on which the body is tried: enough for the deepest U-Nets."""
RARE = 0.01
"""Share of cells that an untrained network takes for centres, so that the focal loss begins small."""


class Maps(NamedTuple):
    """Of a batch, one cell for each stride^d voxels: logits of centres [B,K,*cells], sides
    [B,d,*cells], and where in its cell a centre lies [B,d,*cells], both in cells."""

    centre: Tensor
    size: Tensor
    offset: Tensor


class CenterNet(nn.Module):
    """Images [B, in_channels, *spatial] to `Maps` with ceil(side / stride) cells along each side.

    A stem of convolutions brings the image to the stride; the body, a U-Net from `stem` channels to any
    number at the same resolution, follows; each map has a 3x3 convolution and a linear one. The paper's
    sides are linear; these pass through softplus, so that none is negative.

    classes: names of the boxes' classes. stride: 1, 2 or 4. stem: channels that the body takes. multiple:
    cells along each side are padded to a multiple of it for the body.
    """

    threshold: Tensor

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
    ) -> None:
        super().__init__()
        if stride not in (1, 2, 4):
            raise UserError(f"stride: {stride}; choose 1, 2 or 4")
        if not classes:
            raise UserError("classes: these data have no boxes; choose others, such as data=brain_lesions")
        self.classes, self.stride, self.multiple = tuple(classes), stride, multiple
        steps = [2] * int(math.log2(stride)) or [1]
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
        self.heads = nn.ModuleList(
            nn.Sequential(
                conv(spatial_dims, features, head), nn.LeakyReLU(SLOPE), conv(spatial_dims, head, out, size=1)
            )
            for out in (len(self.classes), spatial_dims, spatial_dims)
        )
        for layers, value in zip(self.heads, (-math.log(1 / RARE - 1), 0.54, 0.5), strict=True):
            weight, bias = layers[-1].parameters()  # type: ignore[index]
            nn.init.normal_(weight, std=0.01)
            nn.init.constant_(bias, value)
        # Chosen on validation; kept here so that the saved weights know from which score on a box counts.
        self.register_buffer("threshold", torch.tensor(0.3))

    def forward(self, x: Tensor) -> Maps:
        cells = [-(-side // self.stride) for side in x.shape[2:]]
        padded = [-(-n // self.multiple) * self.multiple * self.stride for n in cells]
        around = [n for side, want in zip(x.shape[2:], padded, strict=True) for n in (want - side, 0)]
        features = self.body(self.stem(F.pad(x, around[::-1], mode="replicate") if any(around) else x))
        window = (..., *(slice(n) for n in cells))
        centre, size, offset = (head(features)[window] for head in self.heads)
        return Maps(centre, UNIT * F.softplus(size), offset)

    def _features(self, dims: int, stem: int) -> int:
        """How many channels the body gives; it must keep the resolution."""
        side = -(-LEAST // self.multiple) * self.multiple
        training = self.body.training
        with torch.no_grad():
            seen = self.body.eval()(torch.zeros(1, stem, *[side] * dims))
        self.body.train(training)
        if not isinstance(seen, Tensor) or list(seen.shape[2:]) != [side] * dims:
            raise UserError("body: must give one tensor at the resolution of what it takes, as a U-Net does")
        return seen.shape[1]
