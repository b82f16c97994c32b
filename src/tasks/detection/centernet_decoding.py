"""From CenterNet's maps to boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.data.box_utils import box_iou
from torch import Tensor
from torch.nn import functional as F

from ganatomy.tasks.detection.views import SoftMaps

BOXES = 512
"""Boxes whose overlaps with all later ones are in memory at once."""
AGREE = 0.5
"""Lowest IoU with a peak's box of the boxes of other cells that are averaged with it."""


class Found(NamedTuple):
    """Boxes of one image, best first.

    Attributes:
        boxes: [N, 2*dims] in voxels, lower corner then upper corner.
        scores: [N], in [0, 1].
        classes: [N], indices of the class names.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor


def decode(
    maps: SoftMaps,
    stride: float | Sequence[float],
    shape: Sequence[int],
    max_detections: int = 100,
    min_score: float = 0.01,
    nms_iou: float = 0.5,
    vote: bool = False,
) -> list[Found]:
    """Decode maps to boxes: local maxima of the centre map, the best of them, after non-maximum suppression.

    Args:
        maps: Centre probabilities, sizes and offsets of a batch.
        stride: Voxels per cell, one number or one for each axis.
        shape: Spatial size of the images; boxes are clipped to it.
        max_detections: Most boxes per image.
        min_score: Lowest score of a box.
        nms_iou: Of two boxes of a class with a larger IoU, the one with the lower score is dropped.
        vote: Average the box of each peak with those of the cells around it, see `voted`.

    Returns:
        One `Found` per image.
    """
    heat = maps.presence
    dims = heat.ndim - 2
    pool = F.max_pool2d if dims == 2 else F.max_pool3d
    heat = torch.where(pool(heat, 3, 1, 1) == heat, heat, 0)
    cells = heat.shape[2:]
    scores, index = heat.flatten(1).topk(min(max_detections, heat[0].numel()))
    label = index // cells.numel()
    cell = torch.stack(torch.unravel_index(index % cells.numel(), cells), -1)
    strides = [stride] * dims if isinstance(stride, int | float) else list(stride)
    voxels = torch.tensor(strides * 2, dtype=heat.dtype, device=heat.device)
    boxes = (voted(maps, cell, label) if vote else boxes_of(maps, cell)) * voxels
    limit = torch.tensor(list(shape) * 2, device=heat.device)
    boxes = boxes.clamp_min(0).minimum(limit)
    valid = (scores >= min_score) & (boxes[..., dims:] > boxes[..., :dims]).all(-1)
    return [
        _suppress(Found(b[keep], s[keep], k[keep]), nms_iou)
        for b, s, k, keep in zip(boxes, scores, label, valid, strict=True)
    ]


def boxes_of(maps: SoftMaps, cell: Tensor) -> Tensor:
    """Return the boxes that cells [B, N, dims] tell, in cells from the corner of the image [B, N, 2*dims]."""
    size, offset = (_at(part, cell) for part in (maps.size, maps.offset))
    centre = cell + offset
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def voted(maps: SoftMaps, cell: Tensor, label: Tensor) -> Tensor:
    """Return the boxes of peaks as means over the cells around each, in cells [B, N, 2*dims].

    All cells around a centre are trained on its box, so their errors partly cancel. A cell counts with the
    probability of a centre there; one whose box overlaps that of the peak by less than an IoU of 0.5 tells
    of another object and does not count (after Gidaris and Komodakis 2015, arXiv 1505.01749).

    Args:
        maps: Centre probabilities, sizes and offsets of a batch.
        cell: Cells of the peaks [B, N, dims].
        label: Classes of the peaks [B, N].
    """
    cells = torch.tensor(maps.presence.shape[2:], device=cell.device)
    batch, count, dims = cell.shape
    step = torch.arange(-1, 2, device=cell.device)
    steps = torch.cartesian_prod(*[step] * dims)
    near = cell[:, :, None] + steps
    inside = ((near >= 0) & (near < cells)).all(-1)
    places = near.clamp_min(0).minimum(cells - 1).reshape(batch, -1, dims)
    boxes = boxes_of(maps, places).reshape(batch, count, len(steps), 2 * dims)
    presence = _at(maps.presence, places).reshape(batch, count, len(steps), -1)
    own = label[:, :, None, None].expand(-1, -1, len(steps), 1)
    peak = boxes[:, :, len(steps) // 2, None]
    common = torch.minimum(boxes, peak)[..., dims:] - torch.maximum(boxes, peak)[..., :dims]
    shared = common.clamp_min(0).prod(-1)
    volumes = (boxes[..., dims:] - boxes[..., :dims]).prod(-1)
    agrees = shared >= AGREE * (volumes + volumes[:, :, len(steps) // 2, None] - shared)
    weight = presence.gather(-1, own)[..., 0] * (inside & agrees)
    weight[:, :, len(steps) // 2].clamp_min_(1e-6)
    return (boxes * (weight / weight.sum(-1, keepdim=True))[..., None]).sum(2)


def _at(part: Tensor, cell: Tensor) -> Tensor:
    """Return the values of maps [B, C, *cells] at cells [B, N, dims]: [B, N, C]."""
    index = torch.zeros_like(cell[..., 0])
    for axis, side in enumerate(part.shape[2:]):
        index = index * side + cell[..., axis]
    return part.flatten(2).gather(2, index[:, None].expand(-1, part.shape[1], -1)).movedim(1, -1)


def _suppress(found: Found, nms_iou: float) -> Found:
    if len(found.boxes) < 2:
        return found
    kept = non_maximum_suppression(found.boxes, found.scores, found.classes, nms_iou)
    return Found(*(values[kept] for values in found))


def non_maximum_suppression(boxes: Tensor, scores: Tensor, classes: Tensor, nms_iou: float) -> Tensor:
    """Return the places of the boxes that are kept, best first.

    The decisions of `monai.data.box_utils.batched_nms`, which computes overlaps anew for each box it keeps.

    Args:
        boxes: Boxes [N, 2*dims], lower corner then upper corner.
        scores: Their scores [N]; of equal scores the first counts as better.
        classes: Their classes [N]; boxes of different classes do not suppress each other.
        nms_iou: Of two boxes of a class with a larger IoU, the one with the lower score is dropped.
    """
    order = scores.argsort(descending=True, stable=True)
    apart = (boxes + classes[:, None].to(boxes) * (boxes.max() + 1))[order]  # no class touches another
    kept = np.ones(len(order), bool)
    for first in range(0, len(order), BOXES):
        suppresses = (
            torch.as_tensor(box_iou(apart[first : first + BOXES], apart[first:]) > nms_iou).cpu().numpy()
        )
        for place, row in enumerate(suppresses, first):
            if kept[place]:
                kept[first:] &= ~row
                kept[place] = True
    return order[torch.from_numpy(kept).to(order.device)]
