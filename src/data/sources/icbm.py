"""The ICBM-152 template and its maps of tissue, from the package nilearn."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Image
from scipy.ndimage import binary_dilation, map_coordinates

from ganatomy.errors import UserError

SUBARACHNOID = 3
"""Thickness of the CSF around the brain, mm."""


@functools.cache
def template() -> tuple[np.ndarray, np.ndarray]:
    """Return T1, mask, grey and white matter [4,197,233,189] in uint8, and the affine of the voxels.

    The template ends at the brain's surface; the layer of CSF around it is added back.
    Raises UserError if nilearn or its copy of the template is not installed.
    """
    found = importlib.util.find_spec("nilearn")
    if found is None or not found.origin:
        raise UserError("data=brain: the package nilearn, which holds the template, is missing; install it")
    name = str(Path(found.origin).parent / "datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz")
    try:
        images = [Nifti1Image.from_filename(name.format(kind)) for kind in ("t1", "gm", "wm")]
    except FileNotFoundError as error:
        raise UserError(
            f"data=brain: the installed nilearn lacks {error}: install the version named in constraints.txt"
        ) from error
    t1, grey, white = (np.asarray(image.dataobj, dtype=np.uint8) for image in images)
    brain = t1 > 0
    head = binary_dilation(brain, iterations=SUBARACHNOID)
    t1 = np.where(head & ~brain, np.median(t1[brain & (grey < 64) & (white < 64)]), t1).astype(np.uint8)
    return np.stack([t1, head.astype(np.uint8) * 255, grey, white]), np.asarray(images[0].affine)


@functools.cache
def _occupied() -> np.ndarray:
    """Return where the template is not 0 at every corner of a voxel's cell, towards higher indices."""
    some: np.ndarray = (template()[0] > 0).max(0)
    for axis in range(some.ndim):
        after = np.roll(some, -1, axis)
        after[(slice(None),) * axis + (-1,)] = False
        some = np.logical_or(some, after)
    return some


def sampled(points: np.ndarray) -> np.ndarray:
    """Interpolate the template's maps [4,...], 0 to 1, at points [3,...] in its voxels, trilinearly.

    About half of the points are air, which is 0 without an interpolation.
    """
    maps = template()[0]
    points = points.astype(np.float32)
    cells = np.floor(points).astype(np.int32)
    sides = np.array(maps.shape[1:]).reshape(-1, *(1,) * (points.ndim - 1))
    inside = ((cells >= 0) & (cells < sides)).all(0)
    inside[inside] = _occupied()[tuple(cells[:, inside])]
    found = np.zeros((len(maps), *inside.shape), np.float32)
    some = points[:, inside]
    for values, own in zip(maps, found, strict=True):
        own[inside] = map_coordinates(values, some, np.float32, order=1)
    return found / np.float32(255)
