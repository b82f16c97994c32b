"""From CenterNet's maps to boxes; maps of flipped images and of windows, averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.data.box_utils import box_iou
from torch import Tensor
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.shared.sliding_window import aligned, slide, subsets

BOXES = 512
"""Boxes whose overlaps with all later ones are in memory at once."""


class SoftMaps(NamedTuple):
    """Maps that may be averaged.

    Attributes:
        presence: Centre probabilities [B, K, *cells].
        size: Sides of a box, in cells [B, dims, *cells].
        offset: Centre within its cell [B, dims, *cells].
    """

    presence: Tensor
    size: Tensor
    offset: Tensor


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


def check_settings(max_detections: int, nms_iou: float, match_iou: float) -> None:
    """Raise UserError for settings of the task that are out of range.

    Args:
        max_detections: Most boxes per image.
        nms_iou: IoU above which the box with the lower score is dropped.
        match_iou: Lowest IoU of a match.
    """
    for key, value in (("nms_iou", nms_iou), ("match_iou", match_iou)):
        if not 0 < value < 1:
            raise UserError(f"task.{key}: {value}; must be an IoU between 0 and 1")
    if max_detections < 1:
        raise UserError(f"task.max_detections: {max_detections}; must be at least 1")


def mirrored_maps(answer: Callable[[Tensor], Maps], images: Tensor, stride: int, axes: Sequence[int]) -> Maps:
    """Average the maps over flips of the images along every subset of `axes`, each flipped back.

    Centre probabilities are averaged and returned as logits. An offset o from a cell's lower edge becomes
    1 - o under a flip. Sides that are no multiple of the stride are padded with their last voxel, so that
    flipped cells lie on cells.

    Args:
        answer: The network: images to maps.
        images: [B, C, *spatial].
        stride: Voxels per cell.
        axes: Spatial axes to flip, counted from 0.
    """
    if not axes:
        return answer(images)
    margins = [n for side in reversed(images.shape[2:]) for n in (0, -side % stride)]
    images = F.pad(images, margins, mode="replicate") if any(margins) else images
    found = []
    for chosen in subsets(axes):
        dims = [axis + 2 for axis in chosen]
        maps = Maps(*(m.float().flip(dims) for m in answer(images.flip(dims))))
        swap = torch.tensor([axis in chosen for axis in range(images.ndim - 2)], device=images.device)
        offset = torch.where(swap.reshape(-1, *[1] * (images.ndim - 2)), 1 - maps.offset, maps.offset)
        found.append(Maps(maps.centre.sigmoid(), maps.size, offset))
    centre, size, offset = (torch.stack(column).mean(0) for column in zip(*found, strict=True))
    return Maps(torch.logit(centre, eps=1e-6), size, offset)


def maps_in_windows(
    answer: Callable[[Tensor], Maps], images: Tensor, stride: int, window: Sequence[int] | None
) -> Maps:
    """Return the maps of images larger than `window`, computed in windows and blended as in `slide`.

    Windows cut no cell. Centre probabilities are blended, not logits. Sides that are no multiple of the
    stride are padded with their last voxel.

    Args:
        answer: The network: images to maps.
        images: [B, C, *spatial].
        stride: Voxels per cell.
        window: Sides of the windows; None for whole images.
    """
    sides = images.shape[2:]
    if window is None or all(side <= limit for side, limit in zip(sides, window, strict=True)):
        return answer(images)
    margins = [n for side in reversed(sides) for n in (0, -side % stride)]
    images = F.pad(images, margins, mode="replicate") if any(margins) else images
    parts: list[int] = []

    def joined(part: Tensor) -> Tensor:
        maps = answer(part)
        parts[:] = [m.shape[1] for m in maps]
        return torch.cat([maps.centre.float().sigmoid(), maps.size.float(), maps.offset.float()], 1)

    found = slide(joined, images, aligned(window, images.shape[2:], stride))
    centre, size, offset = torch.split(found, parts, 1)
    return Maps(torch.logit(centre, eps=1e-6), size, offset)


def softened(maps: Maps) -> SoftMaps:
    """Return the maps of a network with centre probabilities in place of logits, float32."""
    return SoftMaps(maps.centre.float().sigmoid(), maps.size.float(), maps.offset.float())


def mirrored_back(soft: SoftMaps, axes: Sequence[int]) -> SoftMaps:
    """Return the maps of images from those of the images flipped along axes, counted from the last, -1.

    An offset o from a cell's lower edge becomes 1 - o.
    """
    presence, size, offset = (part.flip(list(axes)) for part in soft)
    dims = offset.shape[1]
    swap = torch.tensor([axis - dims in axes for axis in range(dims)], device=offset.device)
    return SoftMaps(presence, size, torch.where(swap.reshape(-1, *[1] * dims), 1 - offset, offset))


def decode(
    maps: SoftMaps,
    stride: int,
    shape: Sequence[int],
    max_detections: int = 100,
    min_score: float = 0.01,
    nms_iou: float = 0.5,
) -> list[Found]:
    """Decode maps to boxes: local maxima of the centre map, the best of them, after non-maximum suppression.

    Args:
        maps: Centre probabilities, sizes and offsets of a batch.
        stride: Voxels per cell.
        shape: Spatial size of the images; boxes are clipped to it.
        max_detections: Most boxes per image.
        min_score: Lowest score of a box.
        nms_iou: Of two boxes of a class with a larger IoU, the one with the lower score is dropped.

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
    gather = (index % cells.numel())[:, None].expand(-1, dims, -1)
    size, offset = (m.flatten(2).gather(2, gather).movedim(1, -1) for m in (maps.size, maps.offset))
    centre = (cell + offset) * stride
    half = size * stride / 2
    limit = torch.tensor(list(shape) * 2, device=heat.device)
    boxes = torch.cat([centre - half, centre + half], -1).clamp_min(0).minimum(limit)
    valid = (scores >= min_score) & (boxes[..., dims:] > boxes[..., :dims]).all(-1)
    return [
        _suppress(Found(b[keep], s[keep], k[keep]), nms_iou)
        for b, s, k, keep in zip(boxes, scores, label, valid, strict=True)
    ]


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
