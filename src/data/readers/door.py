"""The one way in: a file's bytes choose the reader, and whatever goes wrong names the file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from src.data.readers.sniff import beginning, kind
from src.data.readers.stored import ReadError, Refused, Stored, label_map
from src.data.regrid import Grid
from src.errors import UserError


def read(path: Path, axes: str | None = None, dims: int | None = None) -> tuple[np.ndarray, Grid]:
    """Pixels as the file says they are shown: its scaling, palette, orientation and polarity are applied.

    Volumes keep their voxel order; colour, frames and vectors become channels, and `Grid.colour` says which
    are colours. axes, dims: of bare arrays (.npy), see `arrays`; other formats say it themselves.

    Raises:
        ReadError: the file is not there, is damaged, or cannot be read right.
        UserError: a package that reads this format is not installed.
    """
    stored, _ = _read(Path(path), False, axes, dims)
    return _checked(Path(path), stored.array, stored)


def read_label(
    path: Path, values: Collection[int] | None = None, axes: str | None = None, dims: int | None = None
) -> tuple[np.ndarray, Grid]:
    """A label map [1,*spatial]: palettes by index, ids exact (float64 stays float64). Raises as `read` does.

    values: those that a label may have. They tell indices from greys where a palette is grey, or 0/1 from
    0/255 where a picture has one bit a pixel, and name lossy compression when it is the cause.
    """
    stored, lossy = _read(Path(path), True, axes, dims)
    try:
        return _checked(Path(path), label_map(stored, values, lossy), stored)
    except Refused as error:
        raise ReadError(f"{path}: {error}") from error


def _read(path: Path, label: bool, axes: str | None, dims: int | None) -> tuple[Stored, bool]:
    """What is stored, and whether it was compressed with loss."""
    try:
        head = beginning(path)
    except FileNotFoundError as error:
        raise ReadError(f"{path}: is not there") from error
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror})") from error
    try:
        form = kind(path, head)
        lossy = form == "jpeg" or (head[:4] == b"RIFF" and head[12:16] == b"VP8 ")
        return _open(path, form, head, label, axes, dims), lossy
    except (ReadError, UserError):
        raise
    except Refused as error:
        raise ReadError(f"{path}: {error}") from error
    except ModuleNotFoundError as error:
        raise UserError(f'{path}: needs {error.name}: pip install "ganatomy[data]"') from error
    except Exception as error:  # each format's reader stumbles over damage in its own ways
        words = " ".join(str(error).split())
        if "imagecodecs" in words and "requires" in words:
            raise UserError(f'{path}: needs imagecodecs: pip install "ganatomy[data]"') from error
        words = words if len(words) <= 200 else f"...{words[-200:]}"
        raise ReadError(
            f"{path}: cannot be read ({type(error).__name__}: {words}); if it is cut short or damaged, "
            "copy it again, else save it in another form (docs/formats.md)"
        ) from error


def _open(
    path: Path, form: str | None, head: bytes, label: bool, axes: str | None, dims: int | None
) -> Stored:
    """By the reader of its format; these are imported when the first such file comes."""
    if form in ("png", "jpeg", "jpeg2000", "picture", None):
        from src.data.readers.pictures import picture

        return picture(path, form, head, label)
    if form == "netpbm":
        from src.data.readers.netpbm import netpbm

        return netpbm(path, label)
    if form == "tiff":
        from src.data.readers.tiff import tiff

        return tiff(path, label)
    if form in ("nifti", "mgh"):
        from src.data.readers.volumes import volume

        return volume(path, form, label)
    if form in ("nrrd", "meta"):
        from src.data.readers.itk import itk

        return itk(path, form, label)
    if form in ("npy", "npz"):
        from src.data.readers.arrays import bare

        return bare(path, axes, dims)
    from src.data.dicom import read_series

    try:
        array, affine = read_series([path])
    except ValueError as error:  # says why the values or their places are not understood
        raise Refused(" ".join(str(error).split())) from error
    return Stored(array, affine, len(array) == 3)


def _checked(path: Path, array: np.ndarray, stored: Stored) -> tuple[np.ndarray, Grid]:
    if array.dtype.kind == "c":
        raise ReadError(f"{path}: holds complex numbers; save their magnitude, or real and imaginary part")
    if array.size == 0 or array.dtype.kind not in "buif":
        raise ReadError(f"{path}: holds no image (shape {array.shape}, type {array.dtype})")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array, Grid(stored.affine, array.shape[1:], stored.colour and len(array) > 1)
