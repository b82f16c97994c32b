"""CenterNet targets: from boxes to maps of centres, sizes and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.tasks.detection.centernet_gaussians import Gaussian, deviations, gaussians, within

BoxCells = Literal["near", "gaussian"]
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
        divisors: What the error of its box is divided by in the sum over its image, [M].
    """

    centre: Tensor
    spread: Tensor
    places: Tensor
    size: Tensor
    offset: Tensor
    divisors: Tensor


def encode(
    boxes: Sequence[Tensor],
    classes: Sequence[Tensor],
    class_count: int,
    cells: Sequence[int],
    stride: int,
    reach: int = 1,
    gaussian: Gaussian = "circle",
    box_cells: BoxCells = "near",
) -> Truth:
    """Encode boxes as target maps on cells of `stride` voxels.

    The map is 1 at a centre's cell, with a Gaussian around it; overlapping Gaussians of a class take the
    maximum. A circle has a standard deviation of (2r + 1)/6 cells, r being `radius` (CornerNet); an ellipse
    of 0.54/6 of the sides, at least 1/6 (TTFNet, Liu et al. 2019, arXiv 1909.00700). Size and offset are
    trained at the centre's cell, as in the paper, and at others, so a peak next to it decodes to the same
    box: `near`, up to `reach` cells away, all with the same weight; `gaussian`, within 3σ of an ellipse of
    at least half a cell, weighted by it, each object as much as the others (after TTFNet, where large ones
    count more).

    Args:
        boxes: For each image [N, 2*dims]: lower and upper corner in voxels.
        classes: For each image the class numbers [N].
        class_count: Number of classes K.
        cells: Spatial size of the maps.
        stride: Voxels per cell.
        reach: Cells along each axis, around the centre's, that are assigned the object.
        gaussian: Shape of the Gaussians of the centre map.
        box_cells: Cells that are trained on an object's box.
    """
    device, dims = boxes[0].device, len(cells)
    last = torch.tensor(list(cells), device=device) - 1
    heat = torch.zeros(len(boxes), class_count, *cells, device=device)
    spread = torch.ones(len(boxes), dims, *cells, device=device)
    places, sizes, offsets, divisors = [], [], [], []
    corners = torch.cat([each.float().reshape(-1, 2 * dims) for each in boxes]) / stride
    low, high = corners[:, :dims], corners[:, dims:]
    extent = (high - low).clamp_min(MIN_SIDE)
    middle, sigma = (low + high) / 2, deviations(extent, gaussian)
    parts = zip(
        *(torch.split(each, [len(each) for each in boxes]) for each in (extent, middle, sigma)), strict=True
    )
    for n, ((size, centre, deviation), labels) in enumerate(zip(parts, classes, strict=True)):
        cell = centre.floor().long().clamp_min(0).minimum(last)
        if box_cells == "near":
            owner, near = around(cell, cells, reach)
            divisor = torch.full((len(near),), float(max(1, len(near))), device=device)
        else:
            owner, near, divisor = within(cell, size, cells)
        places.append(F.pad(near, (1, 0), value=n))
        sizes.append(size[owner])
        offsets.append(centre[owner] - near)
        divisors.append(divisor)
        if len(size):
            bumps = gaussians(cell, deviation, cells)
            for k in range(class_count):
                heat[n, k] = torch.where((labels == k).reshape(-1, *[1] * dims), bumps, 0).amax(0)
            spread[n] = size[bumps.max(0).indices].movedim(-1, 0)
    return Truth(heat, spread, *(torch.cat(each) for each in (places, sizes, offsets, divisors)))


class TruthMaps:
    """The target maps of a batch, made once for all that ask: by the host where the boxes are there.

    Args:
        class_count: Number of classes K.
        stride: Voxels per cell.
        gaussian: See `encode`.
        box_cells: See `encode`.
    """

    def __init__(
        self,
        class_count: int,
        stride: int,
        gaussian: Gaussian = "circle",
        box_cells: BoxCells = "near",
    ) -> None:
        self.class_count, self.stride = class_count, stride
        self.gaussian, self.box_cells = gaussian, box_cells
        self._made: tuple[Sequence[Tensor], Truth] | None = None

    def __call__(self, boxes: Sequence[Tensor], classes: Sequence[Tensor], like: Tensor) -> Truth:
        """Encode a batch.

        Args:
            boxes: For each image [N, 2*dims]: lower and upper corner in voxels.
            classes: For each image the class numbers [N].
            like: [B, K, *cells], found maps, whose device the truth is sent to.
        """
        if self._made is None or self._made[0] is not boxes:
            truth = encode(
                boxes,
                classes,
                self.class_count,
                like.shape[2:],
                self.stride,
                gaussian=self.gaussian,
                box_cells=self.box_cells,
            )
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
