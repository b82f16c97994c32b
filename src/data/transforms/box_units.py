"""Units of boxes in files: pixels counted in three ways, fractions of the image, and mm."""

from __future__ import annotations

import numpy as np

from ganatomy.data.regrid import PAGES, Grid
from ganatomy.data.transforms.boxes import move_boxes

UNITS = {
    "edges": "pixels from the edge of the image, so that x2 - x1 is the width",
    "pixels0": "numbers of the first and the last pixel, from 0",
    "pixels1": "numbers of the first and the last pixel, from 1",
    "relative": "fractions of the image's width and height",
    "LPS": "mm to the left, back and head, as DICOM and ITK have them",
    "RAS": "mm to the right, front and head, as NIfTI has them",
}
"""What numbers of a box are, in words."""
WORLD = ("LPS", "RAS")
INDICES = "indices"
"""Corners x, y, z in voxels, in the order that the file numbers them."""


def in_voxels(boxes: np.ndarray, units: str, grid: Grid) -> np.ndarray:
    """Return boxes in voxels of an image, in the order of its axes.

    A box in mm becomes the box around the ellipsoid that fills it.

    Args:
        boxes: [N, 2*dims], lower corner, upper corner; of pictures rows first, of volumes x first.
        units: relative, LPS, RAS or `INDICES`.
        grid: Grid of the image.
    """
    if units == "relative":
        shares: np.ndarray = boxes * np.tile(grid.shape, 2)
        return shares
    if units in WORLD:
        low, high = np.split(boxes, 2, axis=1)
        if units == "LPS":
            turn = np.array([-1.0, -1.0, 1.0])
            low, high = np.minimum(low * turn, high * turn), np.maximum(low * turn, high * turn)
        return move_boxes(np.concatenate([low, high], 1) + 0.5, Grid(np.eye(4), grid.shape), grid)
    pages = np.array_equal(grid.affine, PAGES)
    return boxes[:, [1, 0, 2, 4, 3, 5]] if pages else boxes
