"""From foreground and votes to instance maps: each voxel joins the found centre that it votes for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

GROWN = 0.25
"""Share of its sides by which a box is grown on each side: no voxel outside joins its object."""
PAIRS = 2**22
"""Distances of voxels and centres that are in memory at once."""
FOREGROUND = 0.5
"""Least probability of a voxel that joins an object."""


def at_voxels(maps: Tensor, stride: int, shape: Sequence[int]) -> Tensor:
    """Interpolate maps [C, *cells] between the middles of their cells, [C, *shape].

    Args:
        maps: Values of cells.
        stride: Voxels per cell.
        shape: Sides of the image in voxels.
    """
    window = (slice(None), *(slice(side) for side in shape))
    if stride == 1:
        return maps[window]
    mode = "bilinear" if maps.ndim == 3 else "trilinear"
    return F.interpolate(maps[None], scale_factor=stride, mode=mode, align_corners=False)[0][window]


def grouped(foreground: Tensor, vote: Tensor, boxes: Tensor, stride: int, shape: Sequence[int]) -> Tensor:
    """Return the instance map [*shape] int32 of one image: i + 1 where a voxel joins box i.

    A voxel of the foreground joins the box whose centre is nearest to the place that it votes for, among
    the boxes that, grown by a quarter, hold the voxel; the background, if there is none.

    Args:
        foreground: Probability of an object [1, *cells].
        vote: Way to the centre, in cells [d, *cells].
        boxes: Boxes [N, 2*d] in voxels.
        stride: Voxels per cell.
        shape: Sides of the image in voxels.
    """
    result = torch.zeros(tuple(shape), dtype=torch.int32, device=foreground.device)
    places = (at_voxels(foreground, stride, shape)[0] >= FOREGROUND).nonzero()
    if not len(places) or not len(boxes):
        return result
    dims = len(shape)
    index = tuple(places.T)
    middles = places + 0.5
    voted = middles + at_voxels(vote, stride, shape)[(slice(None), *index)].T * stride
    low, high = boxes[:, :dims], boxes[:, dims:]
    margin, centres = GROWN * (high - low), (low + high) / 2
    joined = []
    for part, target in zip(
        *(torch.split(each, max(1, PAIRS // len(boxes))) for each in (middles, voted)), strict=True
    ):
        held = (part[:, None] >= low - margin) & (part[:, None] <= high + margin)
        away = torch.cdist(target, centres).masked_fill(~held.all(-1), float("inf"))
        nearest = away.min(1)
        joined.append(torch.where(nearest.values.isfinite(), nearest.indices + 1, 0))
    result[index] = torch.cat(joined).int()
    return result
