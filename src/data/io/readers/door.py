"""Entry point of the readers: choose the reader by the file's bytes; every error names the file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ganatomy.data.io.readers.sniff import beginning, kind
from ganatomy.data.io.readers.stored import ReadError, Refused, Stored, label_map
from ganatomy.data.regrid import Grid
from ganatomy.errors import UserError


def read(path: Path, axes: str | None = None, dims: int | None = None) -> tuple[np.ndarray, Grid]:
    """Read an image with the file's own scaling, palette, orientation and polarity applied.

    Volumes keep their voxel order. Colours, frames and vectors become channels; `Grid.colour` tells if they
    are colours.

    Args:
        path: the image file.
        axes: axis order of a bare array (.npy), see `arrays.bare`; other formats define their own.
        dims: spatial dimensions of a bare array, see `arrays.bare`.

    Returns:
        The array [C,*spatial] and its grid.

    Raises:
        ReadError: the file does not exist, is damaged, or cannot be read correctly.
        UserError: a package that reads this format is not installed, or `axes` is not an order of axes.

    Example:
        >>> np.save("scan.npy", np.zeros((24, 16), np.int16))
        >>> image, grid = read(Path("scan.npy"))
        >>> image.shape, image.dtype, grid.shape
        ((1, 24, 16), dtype('int16'), (24, 16))
    """
    stored, _ = _read(Path(path), False, axes, dims)
    return _checked(Path(path), stored.array, stored)


def read_label(
    path: Path, values: Collection[int] | None = None, axes: str | None = None, dims: int | None = None
) -> tuple[np.ndarray, Grid]:
    """Read a label map, with palettes as indices and exact ids (float64 stays float64).

    Args:
        path: the mask file.
        values: allowed label values. They decide between palette indices and grey levels where a palette is
            grey, between 0/1 and 0/255 for images with one bit per pixel, and reveal lossy compression.
        axes: axis order of a bare array (.npy), see `arrays.bare`.
        dims: spatial dimensions of a bare array, see `arrays.bare`.

    Returns:
        The label map [1,*spatial] and its grid.

    Raises:
        ReadError: the file does not exist, is damaged, or is not a label map.
        UserError: a package that reads this format is not installed, or `axes` is not an order of axes.

    Example:
        >>> np.save("mask.npy", np.eye(2, dtype=np.uint8))
        >>> label, _ = read_label(Path("mask.npy"), values=(0, 1))
        >>> label.tolist()
        [[[1, 0], [0, 1]]]
    """
    stored, lossy = _read(Path(path), True, axes, dims)
    try:
        return _checked(Path(path), label_map(stored, values, lossy), stored)
    except Refused as error:
        raise ReadError(f"{path}: {error}") from error


def _read(path: Path, label: bool, axes: str | None, dims: int | None) -> tuple[Stored, bool]:
    """Return the stored image, and True if its compression is lossy."""
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
    except Exception as error:  # every reader fails on damaged files in its own way
        words = " ".join(str(error).split())
        if "imagecodecs" in words and "requires" in words:
            raise UserError(f'{path}: needs imagecodecs: pip install "ganatomy[data]"') from error
        words = words if len(words) <= 200 else f"...{words[-200:]}"
        raise ReadError(
            f"{path}: cannot be read ({type(error).__name__}: {words}); if it is cut short or damaged, "
            "copy it again, else save it in another format (docs/formats.md)"
        ) from error


def _open(
    path: Path, form: str | None, head: bytes, label: bool, axes: str | None, dims: int | None
) -> Stored:
    """Call the reader of the format. Readers are imported on first use, to keep start-up fast."""
    if form in ("png", "jpeg", "jpeg2000", "picture", None):
        from ganatomy.data.io.readers.pictures import picture

        return picture(path, form, head, label)
    if form == "netpbm":
        from ganatomy.data.io.readers.netpbm import netpbm

        return netpbm(path, label)
    if form == "tiff":
        from ganatomy.data.io.readers.tiff import tiff

        return tiff(path, label)
    if form in ("nifti", "mgh"):
        from ganatomy.data.io.readers.volumes import volume

        return volume(path, form, label)
    if form in ("nrrd", "meta"):
        from ganatomy.data.io.readers.itk import itk

        return itk(path, form, label)
    if form in ("npy", "npz"):
        from ganatomy.data.io.readers.arrays import bare

        return bare(path, axes, dims)
    from ganatomy.data.io.dicom import read_series

    try:
        array, affine = read_series([path])
    except ValueError as error:  # states why values or positions are not understood
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
