"""CenterNet targets: from boxes to maps of centres, sizes and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

MIN_IOU = 0.3
"""Lowest IoU with the true box of a box with corners inside the Gaussian's radius (CornerNet's t)."""
HALVINGS = 24
"""Steps of the bisection in `radius`."""
MIN_SIDE = 1e-3
"""Smallest side of an object, in cells."""


class Truth(NamedTuple):
    """Target maps of a batch; M counts the cells that are assigned an object.

    Attributes:
        centre: Gaussian centre maps [B, K, *cells].
        spread: Sides, in cells, of the object with the largest Gaussian at each cell [B, d, *cells].
        places: Image and cell of each assigned cell [M, 1 + d].
        size: Sides of its object, in cells [M, d].
        offset: Centre of its object minus the cell's lower corner, in cells [M, d].
    """

    centre: Tensor
    spread: Tensor
    places: Tensor
    size: Tensor
    offset: Tensor


def encode(
    boxes: Sequence[Tensor],
    classes: Sequence[Tensor],
    class_count: int,
    cells: Sequence[int],
    stride: int,
    reach: int = 1,
) -> Truth:
    """Encode boxes as target maps on cells of `stride` voxels.

    The map is 1 at a centre's cell, with a Gaussian of standard deviation (2r + 1)/6 cells around it, r being
    `radius`; overlapping Gaussians of a class take the maximum. Size and offset are trained at the centre's
    cell, as in the paper, and up to `reach` cells away, so a peak next to it decodes to the same box (after
    the Gaussian regions of TTFNet, Liu et al. 2019, arXiv 1909.00700).

    Args:
        boxes: For each image [N, 2*dims]: lower and upper corner in voxels.
        classes: For each image the class numbers [N].
        class_count: Number of classes K.
        cells: Spatial size of the maps.
        stride: Voxels per cell.
        reach: Cells along each axis, around the centre's, that are assigned the object.
    """
    device, dims = boxes[0].device, len(cells)
    last = torch.tensor(list(cells), device=device) - 1
    heat = torch.zeros(len(boxes), class_count, *cells, device=device)
    spread = torch.ones(len(boxes), dims, *cells, device=device)
    places, sizes, offsets = [], [], []
    corners = torch.cat([each.float().reshape(-1, 2 * dims) for each in boxes]) / stride
    low, high = corners[:, :dims], corners[:, dims:]
    extent = (high - low).clamp_min(MIN_SIDE)
    middle, sigma = (low + high) / 2, (2 * radius(extent) + 1) / 6
    parts = zip(
        *(torch.split(each, [len(each) for each in boxes]) for each in (extent, middle, sigma)), strict=True
    )
    for n, ((size, centre, deviation), labels) in enumerate(zip(parts, classes, strict=True)):
        cell = centre.floor().long().clamp_min(0).minimum(last)
        owner, near = around(cell, cells, reach)
        places.append(F.pad(near, (1, 0), value=n))
        sizes.append(size[owner])
        offsets.append(centre[owner] - near)
        if len(size):
            bumps = gaussians(cell, deviation, cells)
            for k in range(class_count):
                heat[n, k] = torch.where((labels == k).reshape(-1, *[1] * dims), bumps, 0).amax(0)
            spread[n] = size[bumps.max(0).indices].movedim(-1, 0)
    return Truth(heat, spread, torch.cat(places), torch.cat(sizes), torch.cat(offsets))


class TruthMaps:
    """The target maps of a batch, made once for all that ask: by the host where the boxes are there.

    Args:
        class_count: Number of classes K.
        stride: Voxels per cell.
    """

    def __init__(self, class_count: int, stride: int) -> None:
        self.class_count, self.stride = class_count, stride
        self._made: tuple[Sequence[Tensor], Truth] | None = None

    def __call__(self, boxes: Sequence[Tensor], classes: Sequence[Tensor], like: Tensor) -> Truth:
        """Encode a batch.

        Args:
            boxes: For each image [N, 2*dims]: lower and upper corner in voxels.
            classes: For each image the class numbers [N].
            like: [B, K, *cells], found maps, whose device the truth is sent to.
        """
        if self._made is None or self._made[0] is not boxes:
            truth = encode(boxes, classes, self.class_count, like.shape[2:], self.stride)
            self._made = boxes, Truth(*(sent(each, like.device) for each in truth))
        return self._made[1]


def sent(x: Tensor, device: torch.device) -> Tensor:
    """Return x on the device; the host does not wait for a GPU."""
    if device.type == "cuda" and x.device.type == "cpu":
        x = x.pin_memory()
    return x.to(device, non_blocking=True)


def around(centres: Tensor, cells: Sequence[int], reach: int) -> tuple[Tensor, Tensor]:
    """Assign the cells around centres to objects: return object numbers [M] and cells [M, d].

    A cell that holds a centre is assigned to that object only.

    Args:
        centres: Cells of the centres [N, d].
        cells: Spatial size of the maps; cells outside are left out.
        reach: Distance along each axis, in cells.
    """
    dims = len(cells)
    steps = torch.arange(-reach, reach + 1, device=centres.device)
    near = centres[:, None] + torch.cartesian_prod(*[steps] * dims).reshape(-1, dims)
    inside = ((near >= 0) & (near < torch.tensor(list(cells), device=near.device))).all(-1)
    own = (near == centres[:, None]).all(-1)
    others = (near[:, :, None] == centres).all(-1).any(-1)
    object_, place = torch.nonzero(inside & (own | ~others), as_tuple=True)
    return object_, near[object_, place]


def gaussians(centres: Tensor, sigma: Tensor, cells: Sequence[int]) -> Tensor:
    """Return exp(-|x - centre|² / 2σ²) on the cells [N, *cells], exactly 1 at each centre.

    Args:
        centres: Cells of the centres [N, d].
        sigma: Standard deviations in cells [N].
        cells: Spatial size of the maps.
    """
    bumps = torch.ones(len(centres), device=centres.device)
    for axis, n in enumerate(cells):
        away = torch.arange(n, device=centres.device) - centres[:, axis, None]
        wave = torch.exp(-(away.float() ** 2) / (2 * sigma[:, None] ** 2))
        bumps = bumps[..., None] * wave.reshape(len(centres), *[1] * axis, n)
    return bumps


def radius(size: Tensor, min_iou: float = MIN_IOU) -> Tensor:
    """Return how far the corners of boxes with sides [N, d] may move with an IoU of at least `min_iou` [N].

    The smallest of CornerNet's three cases: both corners move outwards, inwards, or in the same direction.
    Law and Deng 2018, arXiv 1808.01244; solved by bisection, so it holds for any d.
    """
    volume = size.prod(1)
    lowest = size.min(1).values

    def solve(iou: object, high: Tensor) -> Tensor:
        low = torch.zeros_like(high)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            good = iou(middle[:, None]) >= min_iou  # type: ignore[operator]
            low, high = torch.where(good, middle, low), torch.where(good, high, middle)
        return low

    def shifted(r: Tensor) -> Tensor:
        common = (size - r).clamp_min(0).prod(1)
        return common / (2 * volume - common)

    inwards = solve(lambda r: (size - 2 * r).clamp_min(0).prod(1) / volume, lowest / 2)
    outwards = solve(lambda r: volume / (size + 2 * r).prod(1), size.max(1).values)
    return torch.stack([solve(shifted, lowest), inwards, outwards]).min(0).values
