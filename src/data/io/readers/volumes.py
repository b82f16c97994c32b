"""NIfTI-1 and -2, pairs, Analyze 7.5 and MGH, by nibabel: voxels [C,x,y,z] and their affine in RAS mm."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip as _igzip
from nibabel import imageglobals
from nibabel.analyze import AnalyzeImage
from nibabel.arrayproxy import ArrayProxy as _ArrayProxy
from nibabel.freesurfer.mghformat import MGHImage
from nibabel.loadsave import load as load_by_name
from nibabel.nifti1 import Nifti1Image, Nifti1Pair
from nibabel.nifti2 import Nifti2Image
from nibabel.spatialimages import HeaderDataError

from ganatomy.data.io.readers.names import halves, suffix
from ganatomy.data.io.readers.sniff import beginning, kind, zipped
from ganatomy.data.io.readers.stored import Refused, Stored, constant, note

igzip: Any = _igzip  # untyped
ArrayProxy: Any = _ArrayProxy
MILLIMETRES = {1: 1e3, 3: 1e-3}
"""NIfTI's codes for metres and microns; everything else counts as mm."""
CIFTI = range(3000, 3100)
"""Intent codes of surfaces and greyordinates."""


def volume(path: Path, form: str, label: bool) -> Stored:
    """Read a volume.

    Frames and vectors become channels; a plane becomes a volume of one slice. Images in float64 become
    float32; label maps keep float64.

    Args:
        path: the file.
        form: nifti or mgh.
        label: True to read a label map.

    Returns:
        Voxels [C,x,y,z] and their affine in RAS mm.

    Raises:
        Refused: the file is CIFTI, holds frames of vectors, or has a singular affine.
    """
    if _intent(path) in CIFTI:
        raise Refused("is CIFTI: points of a surface, not voxels; convert it to a NIfTI volume")
    image = _opened(path, form)
    array: Any = voxels(image)
    colour = bool(array.dtype.names)
    if colour:
        array = np.stack([array[name] for name in array.dtype.names or ()], -1)
        if array.shape[-1] == 4 and constant(array[..., 3]):
            array = array[..., :3]
    array = _four(array, colour)
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise Refused(
            "its affine is singular: the voxels have no position in space; correct its sform or qform"
        )
    if array.dtype.kind == "f" and array.dtype.itemsize > 4 and not label:
        array = array.astype(np.float32)
    return Stored(array, _in_millimetres(path, image, affine), colour and len(array) == 3)


def _four(array: np.ndarray, colour: bool) -> np.ndarray:
    """Return an array [x,y(,z(,time(,vector)))], or with colours last, as [C,x,y,z]."""
    spatial = array.shape[:-1] if colour else array.shape
    if len(spatial) < 2:
        raise Refused(f"has {len(spatial)} axis, so it is not an image")
    more = [n for n in array.shape[3:] if n > 1] if array.ndim > 3 and not colour else []
    if len(more) > 1 or (colour and any(n > 1 for n in spatial[3:])):
        raise Refused(
            f"its voxels [{'x'.join(map(str, array.shape))}] hold frames of vectors; save one frame per file"
        )
    kept = (*spatial, 1)[:3]
    return np.moveaxis(array.reshape(*kept, -1), -1, 0)


def nibabel_image(path: Path) -> Any:
    """Return the file as nibabel opens it, whatever its name; None if it is of another format.

    Example:
        >>> import nibabel
        >>> nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 2), np.int16), np.eye(4)), "scan.nii.gz")
        >>> nibabel_image(Path("scan.nii.gz")).shape
        (4, 4, 2)
    """
    form = kind(path, beginning(path))
    return _opened(path, form) if form in ("nifti", "mgh") else None


def voxels(image: Any) -> np.ndarray:
    """Return the voxels of an image that nibabel opened, those of a compressed file by ISA-L."""
    stored = image.dataobj
    path = getattr(stored, "file_like", None)
    if not isinstance(path, str | Path) or not zipped(Path(path)):
        return np.asanyarray(stored)
    numbers = (stored.shape, stored.dtype, stored.offset, stored.slope, stored.inter)
    with igzip.open(path) as file:
        return np.asanyarray(ArrayProxy(file, numbers))


def _opened(path: Path, form: str) -> Any:
    partner = _other_half(path)
    named = suffix(path) in ((".mgz", ".mgh") if form == "mgh" else (".nii", ".nii.gz"))
    with _warnings_named(path):
        if partner or (named and zipped(path) == (suffix(path) in (".mgz", ".nii.gz"))):
            return load_by_name(path)
        content = path.read_bytes()
        content = igzip.decompress(content) if zipped(path) else content
        image: Any = MGHImage if form == "mgh" else Nifti1Image if b"\x5c" in content[:4] else Nifti2Image
        return image.from_bytes(content)


@contextmanager
def _warnings_named(path: Path) -> Iterator[None]:
    """Prefix nibabel's warnings about a header (a voxel size of 0, ...) with the file's name."""
    logger, handler = imageglobals.logger, _Messages()
    before = (logger.handlers, logger.propagate)
    logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before
    for message in handler.messages:
        note(f"{path}: {message}")


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _other_half(path: Path) -> Path | None:
    """Return the .hdr of an .img, or the .img of a .hdr."""
    others = halves(path)
    found = next((other for other in others if other.exists()), None)
    if others and found is None:
        raise Refused(f"is half of a pair, and {others[0].name} is missing")
    return found


def _intent(path: Path) -> int:
    """Return the intent code of a NIfTI-2 header; 0 for all other files."""
    with igzip.open(path) if zipped(path) else path.open("rb") as file:
        header = file.read(540)
    order: Any = {b"\x1c\x02\0\0": "little", b"\0\0\x02\x1c": "big"}.get(header[:4])
    return int.from_bytes(header[504:508], order) if order else 0


def _in_millimetres(path: Path, image: Any, affine: np.ndarray) -> np.ndarray:
    """Return the affine in mm; note what the header leaves ambiguous."""
    header = image.header
    if isinstance(image, Nifti1Pair):
        factor = MILLIMETRES.get(int(header["xyzt_units"]) % 8, 1.0)
        affine = np.diag([factor, factor, factor, 1.0]) @ affine
        if int(header["sform_code"]) == int(header["qform_code"]) > 0 and (off := _qform_distance(image)) > 1:
            note(f"{path}: sform and qform differ by {off:.3g} voxels; the sform is used")
    elif isinstance(image, AnalyzeImage):
        note(f"{path}: Analyze does not define left and right; nibabel's convention is used")
    return affine


def _qform_distance(image: Any) -> float:
    """Return the distance between the corners of the volume by sform and by qform, in voxels."""
    try:
        placed = image.get_qform(coded=True)[0]
    except (HeaderDataError, ValueError):  # an invalid qform; it is unused if there is an sform
        return 0.0
    corners = np.array([[0, 0, 0, 1], [*(n - 1 for n in (*image.shape, 1)[:3]), 1]]).T
    far = np.abs((image.affine - placed) @ corners).max()
    return float(far / np.linalg.norm(image.affine[:3, :3], axis=0).max())
