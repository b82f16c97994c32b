"""Checks and conversions: number of channels, and equal grids of image, target and mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganatomy.data.io.readers import ReadError
from ganatomy.data.regrid import PAGES, Grid


def coloured(array: np.ndarray, channels: int, path: Path, colour: bool = True) -> np.ndarray:
    """Return the array [C,*spatial] with the requested number of channels.

    Grey pictures become colour by repetition; colour becomes grey by luminance.

    Args:
        array: [C,*spatial].
        channels: the number of channels to return.
        path: the file, for messages.
        colour: True if three channels are red, green and blue.

    Raises:
        ReadError: no meaningful conversion exists.
    """
    if len(array) == channels:
        return array
    if len(array) == 1 and channels == 3 and array.ndim == 3:
        return np.repeat(array, channels, 0)
    if len(array) == 3 and channels == 1:
        if (array[0] == array[1]).all() and (array[0] == array[2]).all():
            return array[:1]
        if not colour:
            raise ReadError(
                f"{path}: has 3 channels that are not colours (frames, echoes, vectors, contrasts), not "
                "data.channels=1; set data.channels=3, or keep one of them"
            )
        return np.tensordot([0.299, 0.587, 0.114], array.astype(np.float32), 1)[None].astype(np.float32)
    pages = f" (it is a volume of {array.shape[-1]} pages or slices)" if array.ndim == 4 else ""
    count = f"{len(array)} channel{'s' * (len(array) > 1)}"
    raise ReadError(f"{path}: has {count}, not data.channels={channels}{pages}")


def same_grid(path: Path, grid: Grid, other_path: Path, other: Grid) -> None:
    """Raise ReadError unless both images lie on the same voxels.

    Shapes must be equal; the corners may differ by 0.05 of the smallest voxel spacing.

    Args:
        path: the file to check.
        grid: its grid.
        other_path: the reference file.
        other: the reference grid.
    """
    if grid.shape != other.shape:
        raise ReadError(f"{path}: shape {shown(grid.shape)}, but {other_path.name} has {shown(other.shape)}")
    if np.array_equal(grid.affine, other.affine):
        return
    corners = np.array([[0] * 3, [n - 1 for n in (*grid.shape, 1, 1)[:3]]])
    affines = [np.eye(4) if np.array_equal(g.affine, PAGES) else g.affine for g in (grid, other)]
    places = [np.c_[corners, [1, 1]] @ affine.T for affine in affines]
    distance = np.abs(places[0] - places[1]).max()
    if distance > 0.05 * other.spacing.min():
        raise ReadError(f"{path}: its affine puts it {distance:.3g} mm away from {other_path.name}")


def shown(shape: Sequence[int]) -> str:
    """Return a shape as text, such as 64x64x32."""
    return "x".join(map(str, shape))
