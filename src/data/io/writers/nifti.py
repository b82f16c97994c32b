"""NIfTI-1 and -2 and MGH, by nibabel, with the geometry of the input's header, number for number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip
from nibabel import nifti1 as _nifti1
from nibabel import nifti2 as _nifti2
from nibabel.freesurfer import mghformat as _mghformat

from ganatomy.data.io.readers.sniff import zipped
from ganatomy.data.io.readers.volumes import MILLIMETRES
from ganatomy.data.io.writers.form import UNSCALED, Form, Scaling, alike

nifti1: Any = _nifti1  # nibabel leaves them untyped
nifti2: Any = _nifti2
mghformat: Any = _mghformat
GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)
PLACE = ("goodRASFlag", "delta", "Mdc", "Pxyz_c")
"""Geometry of an MGH header."""
MGH_TYPES = ("uint8", "int16", "int32", "float32")
LEVEL = 2
"""Level of compression of ISA-L, 0 to 3: as small as zlib's at 1, in a quarter of its time."""


@dataclass(frozen=True)
class NiftiForm:
    """NIfTI in one file, with type of header, byte order, axes and compression of the input.

    Attributes:
        header: Header of the input, of which the geometry is kept.
        shape: Shape of the input's array.
        colours: RGB24 or RGBA32 of the input, or None.
        affine: Affine of the input in mm.
        packed: True to compress.
        pair: True if the input is a pair of files.
    """

    header: Any
    shape: tuple[int, ...]
    colours: np.dtype[Any] | None
    affine: np.ndarray
    packed: bool
    pair: bool = False

    @property
    def note(self) -> str:
        return "pairs .hdr and .img are written as one NIfTI file" if self.pair else ""

    def encoded(self, numbers: np.ndarray, scaling: Scaling = UNSCALED) -> tuple[str, bytes]:
        second = isinstance(self.header, nifti2.Nifti2Header)
        header = (nifti2.Nifti2Header if second else nifti1.Nifti1Header)(endianness=self.header.endianness)
        array = self._colours(numbers) if self.colours is not None else None
        if array is None:
            array = _shaped(_storable(numbers), self.shape)
        header.set_data_shape(array.shape)  # first, as it sets the pixdim of other axes to 1
        for key in GEOMETRY:
            header[key] = self.header[key]
        image = (nifti2.Nifti2Image if second else nifti1.Nifti1Image)(array, None, header, dtype=array.dtype)
        image.header.set_slope_inter(*scaling)
        content = image.to_bytes()
        return (".nii.gz", packed(content)) if self.packed else (".nii", content)

    def at(self, affine: np.ndarray) -> NiftiForm:
        if alike(affine, self.affine):
            return self
        header = self.header.copy()
        header.set_sform(affine, max(1, int(header["sform_code"])))
        header.set_qform(affine, int(header["qform_code"]))
        header.set_xyzt_units("mm", header.get_xyzt_units()[1])
        return replace(self, header=header, affine=affine)

    def _colours(self, numbers: np.ndarray) -> np.ndarray | None:
        """Return colours as voxels of one structured type; None if these are no colours of 8 bits."""
        names = ("R", "G", "B")
        if len(numbers) != 3 or numbers.dtype != np.uint8:
            return None
        voxels = np.zeros(numbers.shape[1:], np.dtype([(name, "u1") for name in names]))
        for name, channel in zip(names, numbers, strict=True):
            voxels[name] = channel
        return voxels.reshape(self.shape) if voxels.size == np.prod(self.shape) else voxels


@dataclass(frozen=True)
class MghForm:
    """MGH, with the geometry of the input's header.

    Attributes:
        header: Header of the input, of which the geometry is kept.
        affine: Affine of the input in mm.
        packed: True to compress (.mgz).
        moved: True to write `affine` in place of the header's geometry.
    """

    header: Any
    affine: np.ndarray
    packed: bool
    moved: bool = False

    @property
    def note(self) -> str:
        return ""

    def encoded(self, numbers: np.ndarray, scaling: Scaling = UNSCALED) -> tuple[str, bytes]:
        array = np.moveaxis(numbers, 0, -1) if len(numbers) > 1 else numbers[0]
        if array.dtype.name not in MGH_TYPES:
            array = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
        header = mghformat.MGHHeader()
        header.set_data_shape(array.shape)
        for key in PLACE:
            header[key] = self.header[key]
        header.set_data_dtype(array.dtype)
        image = mghformat.MGHImage(array, self.affine if self.moved else None, header)
        content = image.to_bytes()
        return (".mgz", packed(content)) if self.packed else (".mgh", content)

    def at(self, affine: np.ndarray) -> MghForm:
        return self if alike(affine, self.affine) else replace(self, affine=affine, moved=True)


def nibabel_form(path: Path, image: Any) -> Form | None:
    """Return the form of a file that nibabel opened; None for Analyze, which defines no left and right."""
    if isinstance(image, mghformat.MGHImage):
        return MghForm(image.header.copy(), np.asarray(image.affine, float), zipped(path))
    if not isinstance(image.header, nifti1.Nifti1Header):
        return None
    dtype = np.dtype(image.get_data_dtype())
    pair = not image.header.is_single
    shape = tuple(int(n) for n in image.shape)
    factor = MILLIMETRES.get(int(image.header["xyzt_units"]) % 8, 1.0)
    affine = np.diag([factor, factor, factor, 1.0]) @ np.asarray(image.affine, float)
    colours = dtype if dtype.names else None
    return NiftiForm(image.header.copy(), shape, colours, affine, zipped(path), pair)


def _shaped(numbers: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers [C,x,y,z] with the axes of the input, if they are as many, else with channels last."""
    array = np.moveaxis(numbers, 0, -1)
    space = (*shape, 1, 1)[:3]
    if array.shape[:3] == space and len(numbers) == np.prod(shape[3:], dtype=int):
        return array.reshape(shape)
    if len(numbers) > 1:
        return array
    plane = len(shape) == 2 and array.shape[2] == 1
    return array[:, :, 0, 0] if plane else array[..., 0]


def _storable(numbers: np.ndarray) -> np.ndarray:
    """Return numbers in a type that NIfTI has."""
    other = {"float16": np.float32, "bool": np.uint8}.get(numbers.dtype.name)
    return numbers if other is None else numbers.astype(other)


def packed(content: bytes) -> bytes:
    """Compress by gzip, to the same bytes whatever the time.

    Example:
        >>> import gzip
        >>> gzip.decompress(packed(b"voxels"))
        b'voxels'
    """
    return bytes(igzip.compress(content, LEVEL, mtime=0))
