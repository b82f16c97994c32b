"""Boxes as maps of centres, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from monai.data.box_utils import batched_nms
from torch import Tensor
from torch.nn import functional as F

from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.shared.sliding_window import aligned, slide, subsets

MIN_IOU = 0.3
"""Least IoU with the true box of one whose corners lie within the Gaussian's radius (CornerNet's t)."""
HALVINGS = 24
LEAST_SIDE = 1e-3


class Truth(NamedTuple):
    """Of a batch: Gaussian centres [B,K,*cells], the side of the object that reigns at each cell
    [B,d,*cells]; and of every cell [M] that is taught an object: image and cell [M,1+d], the object's sides
    [M,d] and offset from the cell [M,d], in cells."""

    centre: Tensor
    spread: Tensor
    places: Tensor
    size: Tensor
    offset: Tensor


class Found(NamedTuple):
    """Boxes of one image [N, 2*dims] in voxels, best first, with scores [N] and classes [N]."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor


def encode(
    boxes: Sequence[Tensor],
    classes: Sequence[Tensor],
    kinds: int,
    cells: Sequence[int],
    stride: int,
    reach: int = 1,
) -> Truth:
    """Draw boxes [N, 2*dims] (lower corner, upper corner, voxels) of each image on cells of `stride` voxels.

    A centre is 1 in its cell; around it lies a Gaussian with the standard deviation (2r + 1)/6 cells, r
    being `radius`. Where two of a class overlap the larger value holds. Sides and offset are taught at the
    centre's cell, as in the paper, and at those up to `reach` cells away, so that a peak beside it gives the
    same box (as in the Gaussian regions of TTFNet, Liu et al. 2019, arXiv 1909.00700).
    """
    device, dims = boxes[0].device, len(cells)
    last = torch.tensor(list(cells), device=device) - 1
    heat = torch.zeros(len(boxes), kinds, *cells, device=device)
    spread = torch.ones(len(boxes), dims, *cells, device=device)
    places, sizes, offsets = [], [], []
    for n, (own, kind) in enumerate(zip(boxes, classes, strict=True)):
        corners = own.float().reshape(-1, 2 * dims) / stride
        low, high = corners[:, :dims], corners[:, dims:]
        size = (high - low).clamp_min(LEAST_SIDE)
        centre = (low + high) / 2
        cell = centre.floor().long().clamp_min(0).minimum(last)
        taught, near = around(cell, cells, reach)
        places.append(F.pad(near, (1, 0), value=n))
        sizes.append(size[taught])
        offsets.append(centre[taught] - near)
        if len(own):
            bumps = gaussians(cell, (2 * radius(size) + 1) / 6, cells)
            for k in range(kinds):
                heat[n, k] = torch.where((kind == k).reshape(-1, *[1] * dims), bumps, 0).amax(0)
            spread[n] = size[bumps.max(0).indices].movedim(-1, 0)
    return Truth(heat, spread, torch.cat(places), torch.cat(sizes), torch.cat(offsets))


def around(centres: Tensor, cells: Sequence[int], reach: int) -> tuple[Tensor, Tensor]:
    """Which object [M], and where [M,d]: the cells up to `reach` along each axis from the centres [N,d].

    Only inside the image, and of a centre's own cell that object alone.
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
    """exp(-|x - centre|² / 2σ²) on the cells [N,*cells], exactly 1 at each centre [N,d]."""
    bumps = torch.ones(len(centres), device=centres.device)
    for axis, n in enumerate(cells):
        away = torch.arange(n, device=centres.device) - centres[:, axis, None]
        wave = torch.exp(-(away.float() ** 2) / (2 * sigma[:, None] ** 2))
        bumps = bumps[..., None] * wave.reshape(len(centres), *[1] * axis, n)
    return bumps


def radius(size: Tensor, min_iou: float = MIN_IOU) -> Tensor:
    """How far the corners of boxes with sides [N,d] may stray, by the least of CornerNet's three cases [N].

    Both corners stray by r: outwards, inwards, or in the same direction; the IoU with the box stays at
    `overlap` or more. Law and Deng 2018, arXiv 1808.01244; solved by bisection, so for any d.
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


def mirrored_maps(answer: Callable[[Tensor], Maps], images: Tensor, stride: int, axes: Sequence[int]) -> Maps:
    """Means of the maps of `images` mirrored along every subset of the spatial `axes`, mirrored back.

    Of centres the mean of probabilities, as logits. An offset o from a cell's lower edge is 1 - o in the
    mirror; sides that are no multiple of the stride are continued with their last voxel, so that cells lie on
    cells.
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
    """The maps of images larger than `window`, in windows that cut no cell, blended as `slide` does.

    Of centres probabilities are blended. Sides that are no multiple of the stride are continued with their
    last voxel.
    """
    sides = images.shape[2:]
    if window is None or all(side <= most for side, most in zip(sides, window, strict=True)):
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


def decode(
    maps: Maps,
    stride: int,
    shape: Sequence[int],
    max_detections: int = 100,
    least: float = 0.01,
    nms_iou: float = 0.5,
) -> list[Found]:
    """The boxes of every image: cells above their 3^d neighbours, the `top` best of them, overlaps removed.

    shape: of the images, to which boxes are cut. least: lowest score. overlap: of two boxes of a class with
    a larger IoU the weaker goes.
    """
    heat = maps.centre.float().sigmoid()
    dims = heat.ndim - 2
    pool = F.max_pool2d if dims == 2 else F.max_pool3d
    heat = torch.where(pool(heat, 3, 1, 1) == heat, heat, 0)
    cells = heat.shape[2:]
    scores, index = heat.flatten(1).topk(min(max_detections, heat[0].numel()))
    kind = index // cells.numel()
    cell = torch.stack(torch.unravel_index(index % cells.numel(), cells), -1)
    gather = (index % cells.numel())[:, None].expand(-1, dims, -1)
    size, offset = (m.float().flatten(2).gather(2, gather).movedim(1, -1) for m in (maps.size, maps.offset))
    centre = (cell + offset) * stride
    half = size * stride / 2
    limit = torch.tensor(list(shape) * 2, device=heat.device)
    boxes = torch.cat([centre - half, centre + half], -1).clamp_min(0).minimum(limit)
    sound = (scores >= least) & (boxes[..., dims:] > boxes[..., :dims]).all(-1)
    return [
        _suppress(Found(b[keep], s[keep], k[keep]), nms_iou)
        for b, s, k, keep in zip(boxes, scores, kind, sound, strict=True)
    ]


def _suppress(found: Found, nms_iou: float) -> Found:
    if len(found.boxes) < 2:
        return found
    kept = batched_nms(found.boxes, found.scores, found.classes, nms_iou)
    return Found(*(values[kept] for values in found))
