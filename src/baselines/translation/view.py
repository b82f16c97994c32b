"""An image as the baselines of translation see it, and the maps of features made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

SCALES = (1.0, 2.0, 4.0)
"""Deviations of the smoothed images in voxels of the finest axis."""
BOX = 3
"""Side in voxels of the boxes whose means are the coarse surround, and their distance."""


class View(NamedTuple):
    """One image in the network's units.

    Attributes:
        image: [C, *spatial].
        mask: True in the region that counts, [*spatial]; None for everywhere.
        spacing: Size of a voxel in mm, one number per axis; empty if it is unknown.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    spacing: Sequence[float] = ()


def patch_maps(view: View) -> Iterator[np.ndarray]:
    """Yield the features of `Linear`, float64 [*spatial]: channel by channel a patch and its surround.

    The patch has 3 voxels a side; the surround are the means of the boxes of `BOX` voxels a side around it.
    Beyond the border the nearest voxel counts.
    """
    dims = view.image.ndim - 1
    for channel in view.image:
        padded = np.pad(channel.astype(np.float64), BOX + BOX // 2, mode="edge")
        means = uniform_filter(padded, BOX, mode="nearest")
        for step in _steps(dims):
            yield _moved(padded, step, channel.shape)
        for step in _steps(dims):
            if any(step):
                yield _moved(means, [BOX * s for s in step], channel.shape)


def patch_count(channels: int, dims: int) -> int:
    """Return the number of maps of `patch_maps`."""
    return int(channels * (2 * 3**dims - 1))


def context_maps(view: View) -> Iterator[np.ndarray]:
    """Yield the features of `Forest`, float32 [*spatial].

    Channel by channel the voxel and its neighbours (those that share no more than a corner are left out in
    3D) and the image smoothed by each of `SCALES`; then the place relative to the mask's centroid, in mm
    along each axis. Without a mask, or with an empty one, the centre of the image takes the centroid's place.
    """
    dims = view.image.ndim - 1
    spacing = np.asarray(view.spacing, np.float64) if len(view.spacing) else np.ones(dims)
    for channel in view.image.astype(np.float32):
        padded = np.pad(channel, 1, mode="edge")
        for step in _near(dims):
            yield _moved(padded, step, channel.shape)
        for scale in SCALES:
            yield gaussian_filter(channel, scale * spacing.min() / spacing, mode="nearest")
    shape = view.image.shape[1:]
    for axis, centre in enumerate(_centre(view.mask, shape)):
        place = ((np.arange(shape[axis]) - centre) * spacing[axis]).astype(np.float32)
        yield np.broadcast_to(place.reshape([-1 if n == axis else 1 for n in range(dims)]), shape)


def context_count(channels: int, dims: int) -> int:
    """Return the number of maps of `context_maps`."""
    return channels * (len(_near(dims)) + len(SCALES)) + dims


def at(maps: Iterable[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Return the values of maps [*spatial] at places, indices into the flat image: [places, maps]."""
    return np.stack([each[np.unravel_index(places, each.shape)] for each in maps], axis=1)


def _steps(dims: int) -> list[tuple[int, ...]]:
    return list(product((-1, 0, 1), repeat=dims))


def _near(dims: int) -> list[tuple[int, ...]]:
    return [step for step in _steps(dims) if sum(map(abs, step)) <= 2]


def _moved(padded: np.ndarray, step: Sequence[int], shape: tuple[int, ...]) -> np.ndarray:
    """Return a view of the padded image, moved by `step`."""
    edges = [(wide - side) // 2 for wide, side in zip(padded.shape, shape, strict=True)]
    cut = (slice(e + s, e + s + n) for e, s, n in zip(edges, step, shape, strict=True))
    found: np.ndarray = padded[tuple(cut)]
    return found


def _centre(mask: np.ndarray | None, shape: tuple[int, ...]) -> list[float]:
    """Return the centroid of a mask in voxels, or the centre of the image."""
    if mask is None or not mask.any():
        return [(side - 1) / 2 for side in shape]
    return [float(np.mean(places)) for places in np.nonzero(mask)]
