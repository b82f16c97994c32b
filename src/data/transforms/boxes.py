"""Boxes [N, 2*dims] (lower corner, upper corner; voxel i covers i to i + 1) that follow their image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganatomy.data.regrid import Grid

LEAST_SHARE = 0.5
"""Of a box's area or volume: with less of it left in the image, the object is no longer there."""


def move_boxes(boxes: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    """Boxes seen from the target grid.

    Flips, crops, zooms and quarter turns are exact. Any other turn would blow up a box drawn around the
    moved corners, so the box of the moved ellipsoid is taken that fills the old one: exact for what is round.
    """
    dims = len(source.shape)
    way = np.linalg.inv(target.affine) @ source.affine
    low, high = boxes[:, :dims].astype(np.float64), boxes[:, dims:].astype(np.float64)
    centre = ((low + high) / 2 - 0.5) @ way[:dims, :dims].T + way[:dims, 3] + 0.5
    half = np.sqrt(((high - low) / 2) ** 2 @ (way[:dims, :dims] ** 2).T)
    return np.concatenate([centre - half, centre + half], 1).astype(boxes.dtype)


def usable_boxes(boxes: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes cut to the image, and which of them still have an area."""
    dims = len(shape)
    cut = np.concatenate([np.clip(boxes[:, :dims], 0, shape), np.clip(boxes[:, dims:], 0, shape)], 1)
    return cut, (cut[:, dims:] - cut[:, :dims] > 0).all(1) & np.isfinite(boxes).all(1)


def remaining_boxes(boxes: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes cut to an augmented image, and which of them keep at least half of their area in it."""
    dims = len(shape)
    cut, usable = usable_boxes(boxes, shape)
    area, left = ((b[:, dims:] - b[:, :dims]).prod(1) for b in (boxes, cut))
    return cut, usable & (left >= LEAST_SHARE * area)
