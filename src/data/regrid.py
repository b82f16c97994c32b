"""Resampling between voxel grids: orientation, spacing, size and padding combined in one affine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel import orientations as _orientations
from scipy.ndimage import affine_transform, gaussian_filter

from ganatomy.errors import UserError

orientations: Any = _orientations  # nibabel leaves these functions untyped
PAGES = np.array([[0.0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
"""Affine of slices [H,W,D] without a position: upright axial slices.

Rows run to posterior, columns to left, slices to superior, so that data.orientation=PLS keeps the file's
order.
"""


@dataclass(frozen=True)
class Grid:
    """Position and shape of an image's voxels.

    Attributes:
        affine: [4,4], from voxel index to mm (plain pictures: to pixels of the file).
        shape: the spatial shape.
        colour: True if the channels that a reader returns with it are red, green and blue.
    """

    affine: np.ndarray
    shape: tuple[int, ...]
    colour: bool = False

    @property
    def spacing(self) -> np.ndarray:
        """Return the distance between voxels along each axis."""
        step: np.ndarray = np.linalg.norm(self.affine[:3, : len(self.shape)], axis=0)
        return step

    def moved(self, factor: np.ndarray, start: np.ndarray, shape: tuple[int, ...]) -> Grid:
        """Return the grid whose voxel v is at v * factor + start of this one.

        Args:
            factor: [dims], step in voxels of this grid.
            start: [dims], position of the first voxel in this grid.
            shape: shape of the new grid.
        """
        step = np.eye(4)
        step[range(len(shape)), range(len(shape))] = factor
        step[: len(shape), 3] = start
        return Grid(self.affine @ step, shape)


def turned(grid: Grid, codes: str) -> Grid:
    """Return the grid with its axes along `codes`, e.g. RAS, or PLS (axial slices upright in radiology).

    Raises UserError for invalid codes.
    """
    try:
        wanted = orientations.axcodes2ornt(tuple(codes.upper()))
        if len(codes) != 3 or np.isnan(wanted).any() or len(set(wanted[:, 0])) != 3:
            raise ValueError(codes)
    except (ValueError, KeyError) as error:
        raise UserError(
            f"data.orientation={codes}: give three of L/R, P/A, I/S, e.g. RAS, or null"
        ) from error
    turn = orientations.ornt_transform(orientations.io_orientation(grid.affine), wanted)
    shape = [0, 0, 0]
    for axis, (target, _) in enumerate(turn.astype(int)):
        shape[target] = grid.shape[axis]
    return Grid(grid.affine @ orientations.inv_ornt_aff(turn, grid.shape), tuple(shape))


def refuse_lines(grid: Grid, spatial_dims: int, orientation: str | None) -> None:
    """Raise UserError if a single plane would be sliced into lines.

    Args:
        grid: the grid after it was turned.
        spatial_dims: spatial axes of the network; with 2, volumes are sliced along their last axis.
        orientation: the setting data.orientation.
    """
    shape = grid.shape
    if len(shape) == spatial_dims or shape[-1] == 1 or shape[:-1].count(1) != 1:
        return
    thin = orientations.aff2axcodes(grid.affine)[shape.index(1)]
    way = {"L": "IPL", "R": "IPL", "P": "ILP", "A": "ILP"}.get(thin, "PLS")
    voxels = "x".join(map(str, shape))
    raise UserError(
        f"data.orientation={orientation}: a single slice of {voxels} voxels would be cut into lines; set "
        f"data.orientation={way}, which leaves it whole"
    )


def respaced(grid: Grid, spacing: np.ndarray) -> Grid:
    """Return the grid with another spacing over the same extent (outer corners of first voxels coincide)."""
    factor = spacing / grid.spacing
    shape = tuple(max(1, round(n / f)) for n, f in zip(grid.shape, factor, strict=True))
    return grid.moved(factor, (factor - 1) / 2, shape)


def fitted(grid: Grid, size: tuple[int, ...], resize: str, whole: bool = False) -> Grid:
    """Return the grid resized to `size` about its centre.

    Args:
        grid: the grid.
        size: shape of the result.
        resize: `pad`, `crop`: padded or cropped without scaling; `letterbox`: scaled until the whole picture
            fits, then padded; `cover`: scaled until it covers the size, then cropped; `stretch`: each axis
            scaled on its own.
        whole: crop nothing; extend the grid to the picture's edges where they lie outside.
    """
    shape = np.array(grid.shape)
    ratio = shape / np.array(size)
    scale = {"letterbox": ratio.max(), "cover": ratio.min(), "stretch": ratio}.get(resize, 1.0)
    factor = np.broadcast_to(scale, shape.shape).astype(float)
    start = (shape - 1) / 2 - factor * (np.array(size) - 1) / 2
    if resize in ("pad", "crop"):
        start = np.floor(start)
    if whole:
        ends = start - factor / 2 + 0.5, shape - 0.5 - (start + factor * (np.array(size) - 0.5))
        low, high = (np.maximum(np.ceil(end / factor - 1e-6), 0).astype(int) for end in ends)
        start, size = start - low * factor, tuple(int(n) for n in size + low + high)
    return grid.moved(factor, start, size)


def regrid(array: np.ndarray, source: Grid, target: Grid, order: int = 1, fill: float = 0.0) -> np.ndarray:
    """Sample an image at the voxels of another grid, exactly if these coincide, else by interpolation.

    Args:
        array: [C,*source.shape].
        source: its grid.
        target: the grid to sample.
        order: 1 linear (smoothed first if the target is coarser), 0 nearest, for label maps.
        fill: value outside the source.

    Returns:
        [C,*target.shape] in the same dtype; integers are rounded.
    """
    dims = len(source.shape)
    way = np.linalg.inv(source.affine) @ target.affine
    matrix, start = way[:dims, :dims], way[:dims, 3]
    nearest = np.round(matrix)
    permuted = (np.abs(nearest).sum(0) == 1).all() and (np.abs(nearest).sum(1) == 1).all()
    if permuted and np.abs(matrix - nearest).max() < 1e-4 and np.abs(start - np.round(start)).max() < 1e-3:
        return _exact(array, nearest.astype(int), np.round(start).astype(int), target.shape, fill)
    steps = np.abs(matrix).max(axis=1)
    blur = np.where(steps > 1.001, (steps - 1) / 2, 0) if order else np.zeros(dims)
    covered = _covered(matrix, start, source.shape, target.shape)
    channels = []
    exact = order == 0 and not np.can_cast(array.dtype, np.float32)  # labels that float32 would round
    for channel in array.astype(np.float64 if exact else np.float32):
        values = gaussian_filter(channel, blur, mode="nearest") if blur.any() else channel
        # Half a voxel beyond the outermost centres still belongs to the picture: extend it, then cut.
        inside = affine_transform(values, matrix, start, target.shape, order=order, mode="nearest")
        channels.append(np.where(covered, inside, fill))
    out = np.stack(channels)
    return (np.round(out) if np.issubdtype(array.dtype, np.integer) else out).astype(array.dtype)


def _exact(
    array: np.ndarray, matrix: np.ndarray, start: np.ndarray, shape: tuple[int, ...], fill: float
) -> np.ndarray:
    """Permute and flip axes, shift, crop and pad; no value changes."""
    axes = np.abs(matrix).argmax(0)  # target axis -> source axis
    signs = matrix.sum(0)
    moved = np.transpose(array, (0, *(axes + 1)))
    out = np.full((len(array), *shape), fill, array.dtype)
    put: list[slice] = [slice(None)]
    take: list[slice] = [slice(None)]
    for axis, (sign, n_out) in enumerate(zip(signs, shape, strict=True)):
        n_in = moved.shape[axis + 1]
        first = start[axes[axis]] if sign > 0 else n_in - 1 - start[axes[axis]]
        if sign < 0:
            moved = np.flip(moved, axis + 1)
        low, high = max(0, -first), min(n_out, n_in - first)
        put.append(slice(low, max(low, high)))
        take.append(slice(low + first, max(low, high) + first))
    out[tuple(put)] = moved[tuple(take)]
    return out


def _covered(
    matrix: np.ndarray, start: np.ndarray, shape: tuple[int, ...], target: tuple[int, ...]
) -> np.ndarray:
    """Return the mask of target voxels inside the source's outer boundary."""
    inside = np.ones(target, bool)
    for axis, n in enumerate(shape):
        place = start[axis] + sum(
            (matrix[axis, k] * np.arange(m)).reshape([-1 if k == j else 1 for j in range(len(target))])
            for k, m in enumerate(target)
        )
        inside &= (place > -0.501) & (place < n - 0.499)
    return inside
