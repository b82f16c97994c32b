"""From a file to an array [C,*spatial] in its own units and type, and the grid it lies on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.loadsave import load as load_volume
from PIL import Image

from src.data.regrid import Grid

VOLUMES = (".nii", ".nii.gz", ".mgz", ".img", ".hdr")
TIFFS = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm")
KNOWN = (*VOLUMES, *TIFFS, *PICTURES, ".npy", ".dcm")


class ReadError(ValueError):
    """A file that is not there, cut short, or not what its name says. The message names it."""


def read(path: Path) -> tuple[np.ndarray, Grid]:
    """Pixels as they are stored, rescaled only by what the file itself says (NIfTI slope, DICOM slope).

    Volumes keep their voxel order; colour, echoes and time become channels.
    """
    try:
        array, affine, colour = _open(path)
    except FileNotFoundError as error:
        raise ReadError(f"{path}: is not there") from error
    except Exception as error:  # each format's reader stumbles over damage in its own ways
        words = " ".join(str(error).split())[:200]
        raise ReadError(
            f"{path}: cannot be read ({type(error).__name__}: {words}); replace the file"
        ) from error
    if array.size == 0 or array.dtype.kind not in "buif":
        raise ReadError(f"{path}: holds no image (shape {array.shape}, type {array.dtype})")
    return array, Grid(affine, array.shape[1:], colour and len(array) == 3)


def read_label(path: Path, values: Collection[int] | None = None) -> tuple[np.ndarray, Grid]:
    """A label map [1,*spatial]; of several channels only where all are alike. values: those that it may
    have."""
    array, grid = read(path)
    if len(array) > 1 and any((channel != array[0]).any() for channel in array[1:]):
        raise ReadError(
            f"{path}: has {len(array)} channels that differ, where a mask holds one number a pixel; save it "
            "as grey or with a palette"
        )
    return array[:1], grid


def sifted(paths: Iterable[Path]) -> tuple[list[Path], Counter[str]]:
    """Those to read, sorted, and how many files of which ending are passed over: the ._ files of a Mac, a
    .hdr beside its .img, and endings that are not known."""
    files = sorted(path for path in paths if path.is_file())
    here = set(files)
    taken: list[Path] = []
    over: Counter[str] = Counter()
    for path in files:
        if path.name.startswith("._") or suffix(path) not in KNOWN:
            over["._*" if path.name.startswith("._") else suffix(path)] += 1
        elif suffix(path) != ".hdr" or path.with_name(stem(path) + ".img") not in here:
            taken.append(path)
    return taken, over


def suffix(path: Path | str) -> str:
    """The extension in lower case; `.nii.gz` is one."""
    name = str(path).lower()
    return next((known for known in (".nii.gz",) if name.endswith(known)), Path(name).suffix)


def stem(path: Path | str) -> str:
    """The file's name without its extension."""
    name = Path(path).name
    return name[: len(name) - len(suffix(name))]


def _open(path: Path) -> tuple[np.ndarray, np.ndarray, bool]:
    """Array, affine, and whether three channels are colours."""
    kind = suffix(path)
    if kind in VOLUMES:
        return _volume(path)
    if kind == ".npy":
        array = np.load(path, allow_pickle=False)
        return (array[None] if array.ndim < 4 else array), np.eye(4), False
    if kind in TIFFS:
        return _tiff(path)
    if kind == ".dcm":
        from src.data.dicom import read_series

        return *read_series([path]), True
    with Image.open(path) as image:
        return _picture(image), np.eye(4), True


def _volume(path: Path) -> tuple[np.ndarray, np.ndarray, bool]:
    image: Any = load_volume(path)
    array = np.asanyarray(image.dataobj)
    colour = bool(array.dtype.names)
    if colour:
        array = np.stack([array[name] for name in array.dtype.names], -1)
    if array.ndim > 3:
        array = array.reshape(*array.shape[:3], -1)
    if array.ndim < 3:
        raise ValueError(f"{array.ndim} dimensions where a volume has 3")
    array = np.moveaxis(array, -1, 0) if array.ndim == 4 else array[None]
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise ValueError("its affine is singular")
    return (array.astype(np.float32) if array.dtype == np.float64 else array), affine, colour


def _picture(image: Image.Image) -> np.ndarray:
    """Grey [1,H,W] or colour [3,H,W], as deep as the file; palettes are looked up and transparency is
    dropped."""
    if image.mode in ("P", "RGBA", "CMYK", "YCbCr", "LA", "PA"):
        image = image.convert("L" if image.mode == "LA" else "RGB")
    array = np.array(image)
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.dtype == np.int32 and array.min() >= 0 and array.max() < 2**16:  # Pillow's way of 16-bit PNG
        array = array.astype(np.uint16)
    return np.moveaxis(array, -1, 0) if array.ndim == 3 else array[None]


def _tiff(path: Path) -> tuple[np.ndarray, np.ndarray, bool]:
    """A plane, or the pages of a stack as the last axis of a volume."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        array, axes = series.asarray(), series.axes
    keep = [i for i, n in enumerate(array.shape) if n > 1 or axes[i] in "YX"]
    array, axes = array.reshape([array.shape[i] for i in keep]), "".join(axes[i] for i in keep)
    colour = [i for i, name in enumerate(axes) if name in "SC"]
    pages = [i for i, name in enumerate(axes) if name not in "SCYX"]
    if len(colour) > 1 or len(pages) > 1:
        raise ValueError(f"axes {axes}, where at most pages, colours, height and width are understood")
    array = np.transpose(array, [*colour, axes.index("Y"), axes.index("X"), *pages])
    array = array.astype(np.uint8) * 255 if array.dtype == bool else array
    return (array if colour else array[None]), np.eye(4), "S" in axes
