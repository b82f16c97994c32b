"""CenterNet's maps of mirrored and zoomed images and of windows, and their means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

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


class SoftViews(tuple[Tensor, ...]):
    """Maps of several views of an image, mirror images flipped back, whose boxes are fused.

    The three of `SoftMaps` that stand for all, at the images' own size, then three of each view. Those of a
    zoomed image have more cells, or fewer.
    """

    def __new__(cls, *parts: Tensor) -> SoftViews:
        return super().__new__(cls, parts)

    @classmethod
    def of(cls, mean: SoftMaps, views: Sequence[SoftMaps]) -> SoftViews:
        """Return views and the maps that stand for all."""
        return cls(*mean, *(part for view in views for part in view))

    @property
    def presence(self) -> Tensor:
        """Return the centre probabilities that stand for all, [B, K, *cells]."""
        return self[0]

    @property
    def views(self) -> list[SoftMaps]:
        """Return the maps of each view."""
        return [SoftMaps(*self[place : place + 3]) for place in range(3, len(self), 3)]


MapsOrViews = TypeVar("MapsOrViews", SoftMaps, SoftViews)


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
    mean = mean_maps(mirrored_views(answer, images, stride, axes))
    return Maps(torch.logit(mean.presence, eps=1e-6), mean.size, mean.offset)


def mean_maps(views: Sequence[SoftMaps]) -> SoftMaps:
    """Return the means of the maps of views of one size."""
    return SoftMaps(*(torch.stack(column).mean(0) for column in zip(*views, strict=True)))


def zoomed(images: Tensor, stride: int, zoom: float) -> Tensor:
    """Return images [B, C, *spatial] with whole cells along each side, `zoom` times as many: at least one.

    Linear interpolation; smaller 2D images are smoothed first. Sides that are no multiple of the stride are
    padded with their last voxel, as `mirrored_views` does.

    Args:
        images: [B, C, *spatial].
        stride: Voxels per cell.
        zoom: Cells along each side over those of the images.
    """
    margins = [n for side in reversed(images.shape[2:]) for n in (0, -side % stride)]
    images = F.pad(images, margins, mode="replicate") if any(margins) else images
    sides = [max(1, round(side // stride * zoom)) * stride for side in images.shape[2:]]
    mode = "bilinear" if len(sides) == 2 else "trilinear"
    return F.interpolate(images, sides, mode=mode, antialias=zoom < 1 and len(sides) == 2)


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


def mirrored_back(soft: MapsOrViews, axes: Sequence[int]) -> MapsOrViews:
    """Return the maps of images from those of the images flipped along axes, counted from the last, -1.

    An offset o from a cell's lower edge becomes 1 - o.
    """
    if isinstance(soft, SoftViews):
        mean, *views = (mirrored_back(each, axes) for each in (SoftMaps(*soft[:3]), *soft.views))
        return SoftViews.of(mean, views)
    presence, size, offset = (part.flip(list(axes)) for part in soft)
    dims = offset.shape[1]
    swap = torch.tensor([axis - dims in axes for axis in range(dims)], device=offset.device)
    return SoftMaps(presence, size, torch.where(swap.reshape(-1, *[1] * dims), 1 - offset, offset))
