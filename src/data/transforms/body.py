"""The region that losses and scores are taken in, where no file gives it: the body, found in the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_erosion,
    binary_fill_holes,
    gaussian_filter,
    label,
)
from skimage.filters import threshold_otsu as _threshold_otsu

from ganatomy.data.records import Case, picture
from ganatomy.errors import UserError

threshold_otsu: Any = _threshold_otsu  # scikit-image leaves it untyped
SMOOTHED = 2.0
"""Standard deviation of the smoothing before the threshold in mm; half a voxel at least, two at most."""
BRIDGED = 2
"""Voxels of the opening that cuts off the couch, and of the closing of gaps."""
PART = 0.25
"""Size of the smallest part that is kept beside the largest: both legs are body, a coil is not."""
ENDS = (0.5, 99.0)
"""Percentiles of each channel between which its values count."""


def with_mask(case: Case, mode: str | None) -> Case:
    """Return a case with `mask`: its own, or, if `mode` is `auto`, the body found in its image.

    Args:
        case: Arrays as the source loads them.
        mode: `auto`, or None for the mask that the case has, if any.
    """
    if mode is None or "mask" in case:
        return case
    image = picture(case)
    image = image[case["present"]] if "present" in case else image
    return case | {"mask": body_mask(image, case["spacing"])}


def body_mask(image: np.ndarray, spacing: Sequence[float] | np.ndarray) -> np.ndarray:
    """Find the body in an image by its grey values, as for the outlines of SynthRAD (arXiv 2303.16320).

    The image is smoothed and its square root thresholded (Otsu, IEEE Trans. Syst. Man Cybern. 9(1), 1979;
    the root keeps bone or fat, far brighter than the rest, from drawing the threshold up into soft tissue).
    What hangs together by thin bridges alone, such as the couch, is cut off, the largest parts are kept, gaps
    in the skin are bridged and holes (lungs, sinuses, bone without signal) filled in the volume and in each
    slice.

    Args:
        image: [C, *spatial] in any units that are lowest in air: CT in HU, MR of any contrast.
        spacing: Distance between voxels along each axis, in mm.

    Returns:
        [1, *spatial] bool. All voxels of an image that is constant.

    Example:
        >>> image = np.zeros((1, 32, 32))
        >>> image[0, 8:24, 8:24] = 100
        >>> image[0, 15:17, 15:17] = 0
        >>> int(body_mask(image, [1, 1])[0, 8:24, 8:24].sum())
        256
    """
    grey = _grey(image)
    if grey.min() == grey.max():
        return np.ones((1, *grey.shape), bool)
    wide = [float(np.clip(SMOOTHED / step, 0.5, 2.0)) for step in spacing]
    smooth = np.sqrt(gaussian_filter(grey, wide))
    reach = [BRIDGED if side > 8 * BRIDGED else 0 for side in grey.shape]
    middle = float(threshold_otsu(smooth.ravel()))  # flat, as it takes a last axis of 3 or 4 for colours
    found = _closed(smooth > middle, [min(n, 1) for n in reach])  # a thin scalp closes a disc
    opened = _moved(binary_erosion, found, reach)
    opened = opened if opened.any() else found
    kept = _largest(opened)
    if opened is not found:  # a voxel further, for the corners that an opening rounds off
        kept = _moved(binary_dilation, kept, [n + 1 if n else 0 for n in reach]) & found
    return _closed(kept, reach)[None]


def _grey(image: np.ndarray) -> np.ndarray:
    """Return the mean of the channels, each cut at its `ENDS` and brought to 0..1."""
    channels = []
    for values in image:
        numbers = np.nan_to_num(values.astype(np.float32))
        low, high = (float(end) for end in np.percentile(numbers, ENDS))
        if low == high:
            low, high = float(numbers.min()), float(numbers.max())
        channels.append((np.clip(numbers, low, high) - low) / ((high - low) or 1.0))
    grey: np.ndarray = np.mean(channels, axis=0)
    return grey


def _moved(move: object, mask: np.ndarray, reach: Sequence[int]) -> np.ndarray:
    """Erode or dilate by a box of `reach` voxels along each axis; beyond the image all counts as body."""
    box = np.ones([2 * n + 1 for n in reach], bool)
    border = 1 if move is binary_erosion else 0
    moved: np.ndarray = move(mask, box, border_value=border)  # type: ignore[operator]
    return moved


def _largest(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part, and others of at least `PART` of it."""
    parts, count = label(mask)
    sizes = np.bincount(parts.reshape(-1), minlength=count + 1)
    sizes[0] = 0
    kept: np.ndarray = np.isin(parts, np.flatnonzero(sizes >= max(1.0, PART * sizes.max())))
    return kept


def _closed(mask: np.ndarray, reach: Sequence[int]) -> np.ndarray:
    """Bridge gaps, and fill holes in the volume and in the slices across each axis."""
    wide = [(n, n) for n in reach]
    padded = np.pad(mask, wide)
    whole = binary_closing(padded, np.ones([2 * n + 1 for n in reach], bool))
    whole = whole[tuple(slice(n, n + side) for n, side in zip(reach, mask.shape, strict=True))] | mask
    whole = binary_fill_holes(whole)
    for axis in range(whole.ndim) if whole.ndim == 3 else ():
        for plane in np.moveaxis(whole, axis, 0):
            plane[...] = binary_fill_holes(plane)
    return np.asarray(whole, bool)


def check_mode(mode: str | None, source: object) -> str | None:
    """Return `auto` if the body is to be found in images, None if masks come from files, or there are none.

    Args:
        mode: The setting data.mask.
        source: The data set; one that reads masks from files has the attribute `mask`.

    Raises:
        UserError: The setting names files, and the data set reads none.
    """
    if mode in (None, "auto"):
        return mode
    if not hasattr(source, "mask"):
        raise UserError(
            f"data.mask={mode}: {type(source).__name__} reads no masks from files; choose auto, which finds "
            "the body in the images, or null"
        )
    return None
