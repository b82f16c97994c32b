"""Maps of the network that may be averaged over mirror images, windows and members of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.networks.image_to_image.centernet import InstanceMaps
from ganatomy.tasks.shared.mirrors import subsets
from ganatomy.tasks.shared.sliding_window import aligned, slide


class SoftInstances(NamedTuple):
    """Maps of a batch.

    Attributes:
        presence: Centre probabilities [B, K, *cells].
        size: Sides of a box, in cells [B, dims, *cells].
        offset: Centre within its cell [B, dims, *cells].
        foreground: Probability of an object [B, 1, *cells].
        vote: Way to the centre of the object, in cells [B, dims, *cells].
    """

    presence: Tensor
    size: Tensor
    offset: Tensor
    foreground: Tensor
    vote: Tensor


def softened(maps: InstanceMaps) -> SoftInstances:
    """Return the maps of a network with probabilities in place of logits, float32."""
    centre, size, offset, foreground, vote = (part.float() for part in maps)
    return SoftInstances(centre.sigmoid(), size, offset, foreground.sigmoid(), vote)


def mirrored_back(soft: SoftInstances, axes: Sequence[int]) -> SoftInstances:
    """Return the maps of images from those of the images flipped along axes, counted from the last, -1.

    An offset o from a cell's lower edge becomes 1 - o, and a vote along a flipped axis changes its sign.
    """
    presence, size, offset, foreground, vote = (part.flip(list(axes)) for part in soft)
    dims = offset.shape[1]
    swap = torch.tensor([axis - dims in axes for axis in range(dims)], device=offset.device)
    swap = swap.reshape(-1, *[1] * dims)
    return SoftInstances(
        presence, size, torch.where(swap, 1 - offset, offset), foreground, torch.where(swap, -vote, vote)
    )


def soft_maps(
    answer: Callable[[Tensor], InstanceMaps],
    images: Tensor,
    stride: int,
    axes: Sequence[int] = (),
    window: Sequence[int] | None = None,
) -> SoftInstances:
    """Return the maps of images, the mean over flips along every subset of `axes`.

    Sides that are no multiple of the stride are padded with their last voxel where cells must lie on cells.

    Args:
        answer: The network.
        images: [B, C, *spatial].
        stride: Voxels per cell.
        axes: Spatial axes to flip, counted from 0.
        window: Sides of the windows in which larger images are computed, blended as in `slide`; None for
            whole images.
    """
    dims = images.ndim - 2
    large = window is not None and any(n > m for n, m in zip(images.shape[2:], window, strict=True))
    margins = [n for side in reversed(images.shape[2:]) for n in (0, -side % stride)]
    if any(margins) and (axes or large):
        images = F.pad(images, margins, mode="replicate")

    def of_images(part: Tensor) -> SoftInstances:
        if not large or window is None:
            return softened(answer(part))
        channels: list[int] = []

        def joined(piece: Tensor) -> Tensor:
            soft = softened(answer(piece))
            channels[:] = [each.shape[1] for each in soft]
            return torch.cat(soft, 1)

        blended = slide(joined, part, aligned(window, part.shape[2:], stride))
        return SoftInstances(*torch.split(blended, channels, 1))

    if not axes:
        return of_images(images)
    found = []
    for chosen in subsets(axes):
        back = [axis - dims for axis in chosen]
        soft = of_images(images.flip(back) if back else images)
        found.append(mirrored_back(soft, back) if back else soft)
    return SoftInstances(*(torch.stack(column).mean(0) for column in zip(*found, strict=True)))
