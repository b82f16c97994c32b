"""Boxes whose sides move towards the nearest edge of the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.tasks.detection.centernet_decoding import Found

STRENGTHS = (0.0, 0.25, 0.5, 0.75)
"""Shares of the way to the edge that a validation tries."""
REACH, LEAST_REACH = 0.15, 1.5
"""How far from a side its edge is looked for: a share of the box's length across it, and at least voxels."""
FACE = 0.4
"""Middle share of a side, along each axis, over which intensities are averaged."""
STEPS, ACROSS = 8, 7
"""Places tried on either side of a side, and points across it along each axis."""


def refined(image: Tensor, found: Found, strength: float) -> Found:
    """Return the boxes with each side moved towards the strongest edge near it.

    Args:
        image: Image that they were found in [C, *spatial].
        found: Boxes of the image.
        strength: Share of the way to the edge; 0 returns the boxes as they are.
    """
    if not strength or not len(found.boxes):
        return found
    return moved_by(strength * edge_shifts(image.float(), found.boxes), found, image.shape[1:])


def moved_by(shifts: Tensor, found: Found, shape: Sequence[int]) -> Found:
    """Return the boxes with their sides moved; those that would lose their volume stay.

    Args:
        shifts: Distances in voxels [N, 2*dims].
        found: Boxes of an image.
        shape: Spatial size of the image; boxes are clipped to it.
    """
    dims = len(shape)
    limit = torch.tensor(list(shape) * 2, device=shifts.device)
    moved = (found.boxes + shifts).clamp_min(0).minimum(limit)
    sound = (moved[:, dims:] > moved[:, :dims]).all(1, keepdim=True)
    return Found(torch.where(sound, moved, found.boxes), found.scores, found.classes)


def edge_shifts(image: Tensor, boxes: Tensor) -> Tensor:
    """Return how far each side of the boxes is from the strongest edge near it, in voxels [N, 2*dims].

    An edge is the difference of the intensities on either side, averaged over the middle of the box's side,
    its absolute value summed over channels; one farther away counts less, and none beyond the reach.

    Args:
        image: Image [C, *spatial], float32.
        boxes: Boxes [N, 2*dims] in voxels.
    """
    dims = image.dim() - 1
    low, high = boxes[:, :dims], boxes[:, dims:]
    middle, length = (low + high) / 2, high - low
    share = torch.linspace(-1, 1, 2 * STEPS + 1, device=boxes.device)
    across = torch.linspace(-1, 1, ACROSS, device=boxes.device) * FACE / 2
    shifts = torch.zeros_like(boxes)
    for axis in range(dims):
        reach = (REACH * length[:, axis]).clamp_min(LEAST_REACH)
        away = reach[:, None] * share
        apart = (reach / STEPS).clamp_min(1.0)[:, None]
        others = [other for other in range(dims) if other != axis]
        face = torch.cartesian_prod(*[across] * len(others)).reshape(-1, len(others))
        for end in (axis, axis + dims):
            place = boxes[:, end, None] + away
            sides = []
            for step in (-apart, apart):
                points = torch.empty(*place.shape, len(face), dims, device=boxes.device)
                points[..., axis] = (place + step)[..., None]
                for column, other in enumerate(others):
                    offset = length[:, other, None] * face[:, column]
                    points[..., other] = (middle[:, other, None] + offset)[:, None]
                sides.append(sampled(image, points).mean(-1))
            edge = (sides[1] - sides[0]).abs().sum(0) * torch.exp(-(share**2) / 2)
            best = edge.max(1)
            shift = away.gather(1, best.indices[:, None])[:, 0]
            shifts[:, end] = torch.where(best.values > 0, shift, 0)
    return shifts


def sampled(image: Tensor, points: Tensor) -> Tensor:
    """Return an image [C, *spatial] at points [N, T, P, dims], in voxels: linear, [C, N, T, P].

    Voxel i covers i to i + 1; outside, the image continues with its last voxel.
    """
    dims = image.dim() - 1
    sides = torch.tensor(image.shape[1:], device=points.device)
    grid = (2 * points / sides - 1).flip(-1)
    shape: Sequence[int] = points.shape[:3]
    grid = grid.reshape(1, shape[0], shape[1] * shape[2], dims) if dims == 2 else grid[None]
    values = F.grid_sample(image[None], grid, "bilinear", "border", align_corners=False)
    return values[0].reshape(len(image), *shape)
