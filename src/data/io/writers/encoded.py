"""The file of a prediction in a run directory: NIfTI for volumes, PNG or TIFF for pictures."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ganatomy.data.io.writers.nifti import GEOMETRY, nifti1, packed
from ganatomy.data.io.writers.original import Original

PNG = {(1, "uint8"), (3, "uint8"), (1, "uint16")}
"""Channels and types that a PNG can hold; other pictures are written as TIFF."""


def encoded(values: np.ndarray, affine: np.ndarray, like: Original) -> tuple[str, bytes]:
    """Return suffix and content of a file: NIfTI for volumes, PNG or TIFF for pictures.

    Args:
        values: [C,*spatial], in the units of the input.
        affine: [4,4], voxel index to mm.
        like: the input file.
    """
    numbers = like.stored(values)
    return _volume(numbers, affine, like) if values.ndim == 4 else _picture(numbers)


def _volume(numbers: np.ndarray, affine: np.ndarray, like: Original) -> tuple[str, bytes]:
    numbers = numbers.astype(np.float32) if numbers.dtype == np.float16 else numbers
    array = numbers[0] if len(numbers) == 1 else np.moveaxis(numbers, 0, -1)
    array = array[..., 0] if like.plane and array.ndim == 3 and array.shape[2] == 1 else array
    header = nifti1.Nifti1Header()
    if like.header is not None:
        for key in GEOMETRY:
            header[key] = like.header[key]
    else:
        header.set_xyzt_units("mm")
    image = nifti1.Nifti1Image(array, affine if like.header is None else None, header, dtype=array.dtype)
    image.header.set_slope_inter(like.slope, like.inter)
    return ".nii.gz", packed(image.to_bytes())


def _picture(numbers: np.ndarray) -> tuple[str, bytes]:
    content = io.BytesIO()
    array = numbers[0] if len(numbers) == 1 else np.moveaxis(numbers, 0, -1)
    if (len(numbers), str(numbers.dtype)) in PNG:
        Image.fromarray(array).save(content, "PNG")
        return ".png", content.getvalue()
    import tifffile

    tifffile.imwrite(content, array, photometric="rgb" if len(numbers) == 3 else "minisblack", metadata=None)
    return ".tiff", content.getvalue()
