"""CenterNet's maps of mirrored images and of windows, and their means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.shared.mirrors import subsets
from ganatomy.tasks.shared.sliding_window import aligned, slide


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


class SoftViews(NamedTuple):
    """Maps of an image and of its mirror images, each flipped back, beside their means.

    Attributes:
        presence: Mean centre probabilities [B, K, *cells].
        size: Mean sides of a box, in cells [B, dims, *cells].
        offset: Mean centre within its cell [B, dims, *cells].
        views: The maps of each view: centre probabilities, sides, offsets [B, V * (K + 2 * dims), *cells].
    """

    presence: Tensor
    size: Tensor
    offset: Tensor
    views: Tensor


def mirrored_views(
    answer: Callable[[Tensor], Maps], images: Tensor, stride: int, axes: Sequence[int]
) -> list[SoftMaps]:
    """Return the maps of the flips of the images along every subset of `axes`, each flipped back.

    An offset o from a cell's lower edge becomes 1 - o under a flip. Sides that are no multiple of the stride
    are padded with their last voxel, so that flipped cells lie on cells.

    Args:
        answer: The network: images to maps.
        images: [B, C, *spatial].
        stride: Voxels per cell.
        axes: Spatial axes to flip, counted from 0.
    """
    margins = [n for side in reversed(images.shape[2:]) for n in (0, -side % stride)]
    images = F.pad(images, margins, mode="replicate") if any(margins) else images
    dims = images.ndim - 2
    found = []
    for chosen in subsets(axes):
        back = [axis - dims for axis in chosen]
        found.append(mirrored_back(softened(answer(images.flip(back))), back))
    return found


def mirrored_maps(answer: Callable[[Tensor], Maps], images: Tensor, stride: int, axes: Sequence[int]) -> Maps:
    """Average the maps over flips of the images along every subset of `axes`, see `mirrored_views`.

    Centre probabilities are averaged and returned as logits.

    Args:
        answer: The network: images to maps.
        images: [B, C, *spatial].
        stride: Voxels per cell.
        axes: Spatial axes to flip, counted from 0.
    """
    if not axes:
        return answer(images)
    found = mirrored_views(answer, images, stride, axes)
    centre, size, offset = (torch.stack(column).mean(0) for column in zip(*found, strict=True))
    return Maps(torch.logit(centre, eps=1e-6), size, offset)


def side_by_side(views: Sequence[SoftMaps]) -> SoftViews:
    """Return the maps of several views with their means."""
    presence, size, offset = (torch.stack(column).mean(0) for column in zip(*views, strict=True))
    return SoftViews(presence, size, offset, torch.cat([part for view in views for part in view], 1))


def each_view(soft: SoftViews) -> list[SoftMaps]:
    """Return the maps of each view."""
    parts = [part.shape[1] for part in soft[:3]]
    count = soft.views.shape[1] // sum(parts)
    return [SoftMaps(*torch.split(view, parts, 1)) for view in soft.views.chunk(count, 1)]


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
