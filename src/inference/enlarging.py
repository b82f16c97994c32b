"""Inputs of super-resolution: an image of large pixels, on the grid of the small ones."""

from __future__ import annotations

import numpy as np

from ganatomy.data.records import Case
from ganatomy.data.regrid import Grid
from ganatomy.data.transforms.prepare import Preparation


def enlarged(case: Case, factor: int, preparation: Preparation) -> Case | None:
    """Return a case on a grid `factor` times as fine, pixels repeated; None if it is on that grid already.

    A network for super-resolution learned from images whose large pixels are blocks of equal small ones. An
    image made of such blocks is on the fine grid already. Volumes that are taken slice by slice keep their
    slices.

    Args:
        case: Arrays of the files.
        factor: Enlargement along every axis that is enlarged.
        preparation: Preparation of the run, which says along which axis volumes are sliced.
    """
    image = case["image"]
    axes = _axes(case, preparation)
    if _is_blocky(image, factor, axes):
        return None
    for axis in axes:
        image = image.repeat(factor, axis + 1)
    affine = np.array(case["affine"], float)
    scale = np.eye(4)
    for axis in axes:
        scale[axis, axis] = 1 / factor
        scale[axis, 3] = (1 / factor - 1) / 2  # centre of the first small pixel, in large ones
    spacing = np.array(case["spacing"], float)
    for axis in axes:
        spacing[axis] /= factor
    return {**case, "image": image, "affine": affine @ scale, "spacing": spacing}


def _axes(case: Case, preparation: Preparation) -> list[int]:
    """Return the axes of the file that are enlarged."""
    dims = case["image"].ndim - 1
    if dims == preparation.spatial_dims:
        return list(range(dims))
    source = Grid(np.asarray(case["affine"]), case["image"].shape[1:])
    target = preparation.grid(source, whole=True)
    direction = np.linalg.inv(source.affine[:3, :3]) @ target.affine[:3, 2]
    sliced = int(np.abs(direction * source.spacing).argmax())
    return [axis for axis in range(dims) if axis != sliced]


def _is_blocky(image: np.ndarray, factor: int, axes: list[int]) -> bool:
    """Return True if the image consists of blocks of equal values, `factor` long along each of the axes."""
    for axis in axes:
        side = image.shape[axis + 1]
        if side % factor:
            return False
        first = np.take(image, range(0, side, factor), axis + 1)
        if not np.array_equal(first.repeat(factor, axis + 1), image):
            return False
    return True
