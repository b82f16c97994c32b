"""Planes of a volume as channels of an image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PLANES = 3
"""Planes through the middle of a volume, one across each axis."""


def central_planes(images: Tensor) -> Tensor:
    """Return the central planes of [n, C, D, H, W] as [n, 3 C, max(D, H), max(H, W)]; [n, C, H, W] unchanged.

    The planes through the middle become channels: D by H, then D by W, then H by W. One that is smaller than
    the others is padded by replication.
    """
    if images.dim() == 4:
        return images
    depth, height, width = images.shape[2:]
    planes = [images[..., width // 2], images[:, :, :, height // 2], images[:, :, depth // 2]]
    sides = max(depth, height), max(height, width)
    return torch.cat([_widened(plane, sides) for plane in planes], 1)


def _widened(plane: Tensor, sides: tuple[int, int]) -> Tensor:
    margins = []
    for side, wanted in zip(reversed(plane.shape[2:]), reversed(sides), strict=True):
        before = (wanted - side) // 2
        margins += [before, wanted - side - before]
    return F.pad(plane, margins, mode="replicate") if any(margins) else plane
