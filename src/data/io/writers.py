"""Write an array [C,*spatial] to a file like the one it came from."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from nibabel import nifti1 as _nifti1
from PIL import Image

from ganatomy.data.io.readers import is_dicom, is_plane, nibabel_image, read
from ganatomy.data.records import Record, Source

nifti1: Any = _nifti1  # nibabel leaves it untyped
GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)
PNG = {(1, "uint8"), (3, "uint8"), (1, "uint16")}
"""Channels and types that a PNG can hold; other pictures are written as TIFF."""


@dataclass(frozen=True)
class Original:
    """The properties of an input file that its predictions keep.

    Nothing else of the header is kept, as it may identify the patient.

    Attributes:
        dtype: type of the stored numbers.
        slope: value = number * slope + inter.
        inter: see `slope`.
        header: NIfTI header with the position of the voxels, or None.
        plane: True if the file has two axes.
    """

    dtype: np.dtype[Any]
    slope: float = 1.0
    inter: float = 0.0
    header: Any = None
    plane: bool = False

    def holding(self, dtype: np.dtype[Any]) -> Original:
        """Return the same geometry with numbers of another type, without scaling."""
        return replace(self, dtype=dtype, slope=1.0, inter=0.0)

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Return values as the file's numbers; integers are rounded and clipped to their range."""
        numbers = (values - self.inter) / self.slope if (self.slope, self.inter) != (1, 0) else values
        if self.dtype.kind == "f":
            return numbers.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        return np.clip(np.rint(numbers), limits.min, limits.max).astype(self.dtype)


def original(source: Source, record: Record, role: str = "image") -> Original:
    """Return the properties of the file that holds a record's image, or its target if it has one.

    Without such a file they are those of the loaded array. Several files, one per channel, give a type that
    holds the numbers of all of them.

    Args:
        source: the data set.
        record: the case.
        role: image or target.
    """
    paths = source.paths(record, role) if hasattr(source, "paths") else []
    if hasattr(source, "paths") and not paths and role != "image":
        return original(source, record)
    if not paths or is_dicom(paths[0]):
        case = source.load(record)
        return Original(case.get(role, case["image"]).dtype)
    several = [_of_file(path, getattr(source, "axes", None)) for path in paths]
    scales = {(each.slope, each.inter) for each in several}
    types = [each.dtype for each in several]
    if len(scales) > 1:
        return several[0].holding(np.result_type(np.float32, *types))
    return replace(several[0], dtype=np.result_type(*types))


def _of_file(path: Path, axes: str | None) -> Original:
    image = nibabel_image(path)
    if image is None:
        return Original(read(path, axes)[0].dtype, plane=is_plane(path))
    header = image.header if isinstance(image.header, nifti1.Nifti1Header) else None
    dtype = np.dtype(image.get_data_dtype())
    voxels = image.dataobj
    number = dtype[0] if dtype.names else dtype
    return Original(number, float(voxels.slope), float(voxels.inter), header, len(image.shape) == 2)


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
    return ".nii.gz", gzip.compress(image.to_bytes(), mtime=0)


def _picture(numbers: np.ndarray) -> tuple[str, bytes]:
    content = io.BytesIO()
    array = numbers[0] if len(numbers) == 1 else np.moveaxis(numbers, 0, -1)
    if (len(numbers), str(numbers.dtype)) in PNG:
        Image.fromarray(array).save(content, "PNG")
        return ".png", content.getvalue()
    import tifffile

    tifffile.imwrite(content, array, photometric="rgb" if len(numbers) == 3 else "minisblack", metadata=None)
    return ".tiff", content.getvalue()
