"""Distances between the surfaces of two masks in mm, with little memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree
from torch import Tensor

MANY = 8
"""If more than one voxel in this many is to be looked up, a full distance transform is faster than a tree."""
LARGE = 2**24
"""Voxels of a volume above which memory matters more than time."""
PART = 2**20
"""Voxels that are looked up at once."""


def surface_distances(prediction: Tensor, truth: Tensor, spacing: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Compute the distance of each surface voxel of one mask to the other mask's surface, both ways.

    A surface voxel has a direct neighbour outside its mask, or lies at the image's border.

    Args:
        prediction: Boolean mask [*spatial], not empty.
        truth: Boolean mask of the same shape, not empty.
        spacing: Voxel size in mm along each axis.

    Returns:
        Distances in mm from the prediction to the truth and from the truth to the prediction: rounded to
        float32, returned as float64.
    """
    masks = [mask.cpu().numpy().astype(bool, copy=False) for mask in (prediction, truth)]
    box = extent(*masks)
    ours, theirs = (surface(mask[box]) for mask in masks)
    return _distances(ours, theirs, spacing), _distances(theirs, ours, spacing)


def surface(mask: np.ndarray) -> np.ndarray:
    """Return the voxels of a mask that an erosion by the direct neighbours removes; the outside is empty."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        kept, whole = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        kept[1:] &= whole[:-1]
        kept[:-1] &= whole[1:]
        kept[0] = kept[-1] = False
    return np.asarray(mask ^ inner)


def extent(one: np.ndarray, other: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box outside of which both arrays are 0; a box of no voxel if all of both are."""
    part, box = one | other, []
    for axis in range(one.ndim):
        others = tuple(place for place in range(one.ndim) if place != axis)
        where = np.flatnonzero(part.any(others))
        box.append(slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0))
        part = part[(slice(None),) * axis + (box[-1],)]
    return tuple(box)


def _distances(from_: np.ndarray, to: np.ndarray, spacing: Sequence[float]) -> Tensor:
    """Return the distance in mm from each voxel of one surface to the other's nearest, in array order."""
    start = np.flatnonzero(from_)
    away = np.flatnonzero(~to.ravel()[start])  # the others lie on both surfaces
    distances = np.zeros(len(start), np.float32)
    crowded = to.size > LARGE and np.count_nonzero(to) * MANY > to.size  # a tree of all takes 60 bytes each
    if len(away) and (len(away) * MANY > to.size or crowded):
        nearest = distance_transform_edt(~to, spacing, return_distances=False, return_indices=True)
        for part in np.array_split(away, -(-len(away) // PART)):
            distances[part] = _to_places(start[part], nearest, spacing)
        del nearest
    elif len(away):
        places = _places(np.flatnonzero(to), to.shape, spacing)
        tree = KDTree(places, leafsize=32, compact_nodes=False, balanced_tree=False)
        distances[away] = tree.query(_places(start[away], to.shape, spacing))[0]
    return torch.from_numpy(distances).double()


def _places(flat: np.ndarray, shape: Sequence[int], spacing: Sequence[float]) -> np.ndarray:
    """Return the positions of voxels in mm, [N, dims]."""
    return np.stack(np.unravel_index(flat, shape), 1) * np.asarray(spacing, np.float64)


def _to_places(flat: np.ndarray, nearest: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Return the distances in mm from voxels to those that `nearest` [dims, *spatial] gives for them."""
    squared = np.zeros(len(flat))
    for own, other, step in zip(np.unravel_index(flat, nearest.shape[1:]), nearest, spacing, strict=True):
        squared += ((own - other.ravel()[flat]) * float(step)) ** 2
    return np.sqrt(squared)


def percentile(values: Tensor, share: float) -> Tensor:
    """Return the same as `torch.quantile`, which takes no more than 2^24 values (pytorch 64947)."""
    rank = share * (len(values) - 1)
    below = int(rank)
    ordered = np.partition(values.numpy(), [below, min(below + 1, len(values) - 1)])
    ends = torch.from_numpy(ordered[below : below + 2])
    return torch.lerp(ends[0], ends[-1], rank - below)
