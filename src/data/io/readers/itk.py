"""MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr), by SimpleITK: voxels [C,x,y,z] and affine in RAS mm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.readers.parts import data_files
from ganatomy.data.io.readers.sniff import beginning, kind
from ganatomy.data.io.readers.stored import Refused, Stored, constant

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From ITK's axes (left, posterior, superior) to NIfTI's (right, anterior, superior)."""
SPACE = re.compile(rb"^space:\s*(.+?)\s*$", re.MULTILINE)
BODIES = {"left-posterior-superior", "right-anterior-superior", "left-anterior-superior", "lps", "ras", "las"}
"""NRRD spaces that define the patient's left; each may be followed by -time."""
UNITS = re.compile(rb"^space units:\s*(.+?)\s*$", re.MULTILINE)
MILLIMETRES = {
    "mm": 1.0,
    "um": 1e-3,
    "µm": 1e-3,
    "microns": 1e-3,
    "micron": 1e-3,
    "cm": 10.0,
    "m": 1e3,
    "": 1.0,
}
SCALING = re.compile(rb"^(ElementToIntensityFunction\w+)\s*=\s*(\S+)", re.MULTILINE)


def itk(path: Path, form: str, label: bool) -> Stored:
    """Read a MetaImage or NRRD file.

    Vectors and frames become channels; a plane becomes a volume of one slice. Images in float64 become
    float32; label maps keep float64.

    Args:
        path: the header or the single file.
        form: nrrd or meta.
        label: True to read a label map.

    Returns:
        Voxels [C,x,y,z] and their affine in RAS mm.

    Raises:
        Refused: the voxel file that the header names is missing, or the header has fields that ITK ignores.
    """
    factor = _checked(path, form, _header(path))
    image = _read(path, form)
    dims = image.GetDimension()
    array = _array(image)
    spatial = min(dims, 3)
    direction = np.array(image.GetDirection()).reshape(dims, dims)
    if dims == 4 and (np.abs(direction[3, :3]) + np.abs(direction[:3, 3])).max() > 1e-6:
        raise Refused("its fourth axis is not time: it is rotated against the others")
    affine = np.eye(4)
    affine[:spatial, :spatial] = direction[:spatial, :spatial] @ np.diag(image.GetSpacing()[:spatial])
    affine[:spatial, 3] = image.GetOrigin()[:spatial]
    colour = False
    if "NRRD_kinds[pixel]" in image.GetMetaDataKeys():
        colour = image.GetMetaData("NRRD_kinds[pixel]") in ("RGB-color", "RGBA-color")
    if colour and len(array) == 4 and constant(array[3]):
        array = array[:3]
    if array.dtype == np.float64 and not label:
        array = array.astype(np.float32)
    return Stored(array, np.diag([factor] * 3 + [1.0]) @ RAS @ affine, colour and len(array) == 3)


def _array(image: Any) -> np.ndarray:
    """Return an image [x,y(,z(,frames))] with a scalar or a vector per voxel as [C,x,y,z]."""
    import SimpleITK

    array = SimpleITK.GetArrayFromImage(image)
    vectors = image.GetNumberOfComponentsPerPixel()
    if image.GetDimension() == 4:
        if vectors > 1:
            raise Refused("holds frames of vectors; save one frame per file")
        return np.asarray(array.transpose(0, 3, 2, 1))
    array = array if vectors > 1 else array[..., None]
    array = array[None] if image.GetDimension() == 2 else array
    if array.ndim != 4:
        raise Refused(f"has {image.GetDimension()} axes; a picture has 2, a volume 3, frames 4")
    return np.asarray(array.transpose(3, 2, 1, 0))


def is_plane(path: Path) -> bool:
    """Return True if the file is a MetaImage or NRRD of two axes.

    Example:
        >>> import SimpleITK
        >>> SimpleITK.WriteImage(SimpleITK.Image(8, 8, SimpleITK.sitkUInt8), "film.mha")
        >>> is_plane(Path("film.mha"))
        True
    """
    form = kind(path, beginning(path))
    if form not in ("nrrd", "meta"):
        return False
    reader = _reader(path, form)
    reader.ReadImageInformation()
    return bool(reader.GetDimension() == 2)


def information(path: Path, form: str) -> tuple[Any, bytes, float, bool]:
    """Read the header of a MetaImage or NRRD file.

    Args:
        path: the header or the single file.
        form: nrrd or meta.

    Returns:
        (SimpleITK's reader with the information of the header; the header's text; length in mm of one unit;
        True if the voxels are in a file of their own).
    """
    header = _header(path)
    factor = _checked(path, form, header)
    reader = _reader(path, form)
    reader.ReadImageInformation()
    return reader, header, factor, bool(data_files(path))


def _checked(path: Path, form: str, header: bytes) -> float:
    """Return the length in mm of one unit. Raises Refused if the file cannot be read right."""
    missing = [file for file in data_files(path) if not file.is_file()]
    if missing:
        raise Refused(f"its voxels, {missing[0].name}, are missing; put that file in the same folder")
    return _nrrd(header) if form == "nrrd" else _meta(header)


def _reader(path: Path, form: str) -> Any:
    import SimpleITK as sitk

    SimpleITK: Any = sitk  # untyped
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()  # they bypass Python, and do not name the file
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if form == "nrrd" else "MetaImageIO")
    reader.SetFileName(str(path))
    return reader


def _read(path: Path, form: str) -> Any:
    reader = _reader(path, form)
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise ValueError(str(error).rpartition("ITK ERROR:")[2].partition("): ")[2] or str(error)) from error


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(65536)
    content = content.replace(b"\r\n", b"\n")
    end = content.find(b"\n\n") if content.startswith(b"NRRD") else content.find(b"ElementDataFile")
    return content[:end] if end >= 0 else content


def _nrrd(header: bytes) -> float:
    """Return the length in mm of one unit of the NRRD space; ITK does not convert it."""
    space = SPACE.search(header)
    name = space[1].decode(errors="replace") if space else ""
    if name and name.lower().removesuffix("-time") not in BODIES:
        raise Refused(
            f"its space {name} is not anatomical; save it in left-posterior-superior or "
            "right-anterior-superior"
        )
    units = UNITS.search(header)
    names = set(re.findall(r'"([^"]*)"', units[1].decode(errors="replace"))) if units else {""}
    if len(names) != 1 or not names <= MILLIMETRES.keys():
        raise Refused(
            f"space units {', '.join(sorted(names))}: give mm, um, cm or m, the same for every axis"
        )
    return MILLIMETRES[names.pop()]


def _meta(header: bytes) -> float:
    """Return 1, as MetaImage is in mm. Raises Refused for a slope or offset, which ITK ignores."""
    for name, value in SCALING.findall(header):
        if float(value) != (1 if name.endswith(b"Slope") else 0):
            raise Refused(
                f"{name.decode()} = {value.decode()} is not applied; save the voxels in their own units"
            )
    return 1.0
