"""Geometry of boxes [N, 2*dims]: lower corner, upper corner; voxel i covers i to i + 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.instances import renumbered, tightened

MIN_SHARE = 0.5
"""Share of a box's area or volume that must lie in an augmented image for the box to be kept."""


def move_boxes(boxes: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Return the boxes in voxels of another grid.

    Flips, crops, zooms and quarter turns are exact. For other turns, a box around the turned corners would be
    too large; the result encloses the turned ellipsoid that fills the old box, which is exact for ellipsoids.

    Args:
        boxes: [N, 2*dims] in voxels of `source`.
        source: grid of the boxes.
        target: the other grid.
    """
    dims = len(source.shape)
    way = np.linalg.inv(target.affine) @ source.affine
    low, high = boxes[:, :dims].astype(np.float64), boxes[:, dims:].astype(np.float64)
    centre = ((low + high) / 2 - 0.5) @ way[:dims, :dims].T + way[:dims, 3] + 0.5
    half = np.sqrt(((high - low) / 2) ** 2 @ (way[:dims, :dims] ** 2).T)
    return np.concatenate([centre - half, centre + half], 1).astype(boxes.dtype)


def usable_boxes(boxes: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes clipped to the image, and a mask of those with an area above 0 and finite numbers."""
    dims = len(shape)
    cut = np.concatenate([np.clip(boxes[:, :dims], 0, shape), np.clip(boxes[:, dims:], 0, shape)], 1)
    return cut, (cut[:, dims:] - cut[:, :dims] > 0).all(1) & np.isfinite(boxes).all(1)


def boxes_on(boxes: np.ndarray, source: Grid, target: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the usable boxes of a case on another grid, clipped to it, and a mask [N] of those they are.

    Args:
        boxes: [N, 2*dims] in voxels of `source`.
        source: grid of the boxes.
        target: the other grid.
    """
    cut, usable = usable_boxes(boxes, source.shape)
    moved, inside = usable_boxes(move_boxes(cut[usable], source, target), target.shape)
    kept = usable.copy()
    kept[usable] = inside
    return moved[inside], kept


def remaining_boxes(boxes: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes clipped to an augmented image, and a mask of those with at least half inside."""
    dims = len(shape)
    cut, usable = usable_boxes(boxes, shape)
    area, left = ((b[:, dims:] - b[:, :dims]).prod(1) for b in (boxes, cut))
    return cut, usable & (left >= MIN_SHARE * area)


def follow(item: dict[str, Any], before: Grid, after: Grid) -> None:
    """Move the boxes of an item to another grid; drop those with less than half of their area inside.

    If it has an instance map, which was moved already, they become the boxes of the objects in it.

    Args:
        item: changed in place.
        before: grid of the boxes.
        after: grid of the transformed image.
    """
    moved = move_boxes(item["boxes"].numpy(), before, after)
    cut, kept = remaining_boxes(moved, after.shape)
    item["boxes"], item["classes"] = torch.from_numpy(cut[kept]), item["classes"][torch.from_numpy(kept)]
    if "instances" in item:
        numbers = np.rint(np.asarray(item["instances"])).astype(np.int32)  # some transforms make floats
        item["instances"] = torch.from_numpy(renumbered(numbers, kept))
        tightened(item)
