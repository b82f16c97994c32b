"""Checks and conversions: number of channels, and equal grids of image, target and mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganatomy.data.io.readers import ReadError
from ganatomy.data.regrid import PAGES, Grid, regrid


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


def spread(array: np.ndarray, present: Sequence[bool], path: Path) -> np.ndarray:
    """Return the channels that are there among those that are missing, which hold the lowest value.

    Args:
        array: [N,*spatial], the channels that are there.
        present: [C], True for these.
        path: the first file, for messages.

    Raises:
        ReadError: the files hold more or fewer channels than one each.
    """
    if len(array) != sum(present):
        raise ReadError(
            f"{path}: {sum(present)} files hold {len(array)} channels; give each channel one file"
        )
    out = np.full((len(present), *array.shape[1:]), array.min(), array.dtype)
    out[np.array(present)] = array
    return out


def taken(array: np.ndarray, channels: Sequence[int] | None, path: Path) -> np.ndarray:
    """Return the channels of an array that are used.

    Args:
        array: [C,*spatial].
        channels: numbers of the channels, from 0; None for all.
        path: the file, for messages.

    Raises:
        ReadError: a channel is not there.
    """
    if channels is None:
        return array
    if max(channels) >= len(array):
        raise ReadError(f"{path}: has {len(array)} channels, and number {max(channels)} is needed (from 0)")
    return array[list(channels)]


def on_grid(array: np.ndarray, own: Grid, grid: Grid) -> np.ndarray:
    """Return a target resampled onto the grid of its image; its lowest value lies outside of what it covers.

    Args:
        array: [C,*own.shape].
        own: its grid.
        grid: the grid of the image.

    Returns:
        [C,*grid.shape] in the type of the array.
    """
    if own.shape == grid.shape and np.array_equal(own.affine, grid.affine):
        return array
    return regrid(array, own, grid, order=1, fill=float(array.min()))


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
