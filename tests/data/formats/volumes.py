"""NIfTI, Analyze and MGH, as nibabel and SimpleITK write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel.freesurfer.mghformat import MGHImage

from tests.data.formats.rows import CLASSES, OBLIQUE, VOLUME, Row, written

FRAMES = np.stack([VOLUME, VOLUME + 300, VOLUME * 2], -1)
BIG_IDS = VOLUME.astype(float) + 312782550
RGB = np.stack([(VOLUME % 256), (VOLUME % 100), (VOLUME % 50 + 9)], -1).astype(np.uint8)
FLAT = VOLUME[..., 0]


def nifti(
    array: np.ndarray, name: str = "a.nii.gz", kind: Any = nibabel.Nifti1Image, **header: Any
) -> Callable[[Path], Path]:
    def save(path: Path) -> None:
        image = kind(array, OBLIQUE)
        for key, value in header.items():
            image.header[key] = value
        nibabel.save(image, path)

    return written(name, save)


def renamed(name: str, other: str, array: np.ndarray = VOLUME) -> Callable[[Path], Path]:
    """Written under one name, found under another."""

    def write(folder: Path) -> Path:
        return nifti(array, name)(folder).rename(folder / other)

    return write


def big_endian(path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nibabel.save(nibabel.Nifti1Image(VOLUME, OBLIQUE, header), path)


def scaled(path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME, OBLIQUE)
    image.header.set_slope_inter(2, -5)
    path.write_bytes(_with_raw(image, VOLUME))


def unscaled(path: Path) -> None:
    """A slope of nan says: no scaling."""
    image = nibabel.Nifti1Image(VOLUME, OBLIQUE)
    image.header["scl_slope"] = np.nan
    path.write_bytes(_with_raw(image, VOLUME))


def _with_raw(image: nibabel.Nifti1Image, raw: np.ndarray) -> bytes:
    header = image.header.copy()
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return bytes(header.binaryblock) + b"\0\0\0\0" + raw.tobytes("F")


def coloured(samples: int, alpha: np.ndarray | None = None) -> Callable[[Path], Path]:
    dtype = np.dtype([(name, "u1") for name in "RGBA"[:samples]])
    whole = RGB if alpha is None else np.concatenate([RGB, alpha[..., None]], -1)
    return nifti(np.ascontiguousarray(whole).view(dtype)[..., 0])


def analyze(path: Path) -> None:
    image = nibabel.AnalyzeImage(VOLUME, np.diag([-2.0, 3, 4, 1]))
    nibabel.save(image, path)


def microns(path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME, OBLIQUE * [[1000], [1000], [1000], [1]])
    image.header.set_xyzt_units("micron")
    nibabel.save(image, path)


def flat_by_itk(path: Path) -> None:
    image = sitk.GetImageFromArray(FLAT.T)
    image.SetSpacing([2.0, 3.0])
    sitk.WriteImage(image, str(path))


def cut(path: Path) -> None:
    nifti(VOLUME, path.name)(path.parent)
    path.write_bytes(path.read_bytes()[:-40])


def cifti(path: Path) -> None:
    places = nibabel.cifti2.BrainModelAxis.from_mask(np.ones((5, 7, 1)), affine=np.eye(4))
    values = np.arange(70, dtype=np.float32).reshape(2, 35)
    nibabel.save(nibabel.Cifti2Image(values, (nibabel.cifti2.ScalarAxis(["a", "b"]), places)), path)


def by_slope(path: Path) -> None:
    """Whole floats saved as uint8: nibabel scales them, and 1 comes back as 1.00000002."""
    image = nibabel.Nifti1Image(CLASSES[..., None].astype(np.float32), OBLIQUE)
    image.set_data_dtype(np.uint8)
    nibabel.save(image, path)


def lone(folder: Path) -> Path:
    path = nifti(VOLUME, "a.img", nibabel.Nifti1Pair)(folder)
    (folder / "a.hdr").unlink()
    return path


def singular(path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME, OBLIQUE)
    image.set_sform(np.diag([1.0, 1, 0, 1]), 1)
    image.set_qform(None, 0)
    nibabel.save(image, path)


def mgh(name: str, array: np.ndarray = VOLUME) -> Callable[[Path], Path]:
    return written(name, lambda path: nibabel.save(MGHImage(array, OBLIQUE), path))


def first(array: np.ndarray) -> np.ndarray:
    """Channels first."""
    return np.moveaxis(array, -1, 0)


def volume(form: str, write: Callable[[Path], Path], right: Any = VOLUME[None], **more: Any) -> Row:
    return Row(form, write, right, affine=more.pop("affine", OBLIQUE), **more)


VECTORS = np.ascontiguousarray(FRAMES[:, :, :, None]).astype(np.float32)
ROWS = (
    volume("NIfTI-1, .nii.gz", nifti(VOLUME)),
    volume("NIfTI-1, .nii", nifti(VOLUME, "a.nii")),
    volume("NIfTI-2", nifti(VOLUME, "a.nii", nibabel.Nifti2Image)),
    volume("NIfTI-1, big-endian", written("a.nii", big_endian)),
    volume("compressed, named .nii", renamed("a.nii.gz", "a.nii")),
    volume("not compressed, named .nii.gz", renamed("a.nii", "a.nii.gz")),
    volume("without ending", renamed("a.nii.gz", "a")),
    volume(".img beside .hdr", nifti(VOLUME, "a.img", nibabel.Nifti1Pair)),
    volume(".hdr beside .img", nifti(VOLUME, "a.hdr", nibabel.Nifti1Pair)),
    volume(
        "Analyze 7.5",
        written("a.img", analyze),
        affine=np.array([[-2, 0, 0, 4.0], [0, 3, 0, -9], [0, 0, 4, -10], [0, 0, 0, 1]]),
    ),
    volume("slope 2, intercept -5", written("a.nii", scaled), (VOLUME[None] * 2 - 5).astype(np.float32)),
    volume("slope that is no number", written("a.nii", unscaled)),
    volume("float64", nifti(VOLUME / 3), (VOLUME[None] / 3).astype(np.float32)),
    volume("uint8", nifti((VOLUME % 256).astype(np.uint8)), (VOLUME % 256).astype(np.uint8)[None]),
    volume("lengths in microns", written("a.nii", microns)),
    volume("a plane", nifti(FLAT), FLAT[None, ..., None]),
    volume(
        "a plane, by SimpleITK",
        written("a.nii", flat_by_itk),
        FLAT[None, ..., None],
        affine=np.diag([-2.0, -3, 1, 1]),
    ),
    volume("one slice, [x,y,1]", nifti(FLAT[..., None]), FLAT[None, ..., None]),
    volume("one column, [1,y,z]", nifti(VOLUME[:1]), VOLUME[None, :1]),
    volume("three slices are no colours", nifti(VOLUME[..., :3]), VOLUME[None, ..., :3]),
    volume("frames", nifti(FRAMES), first(FRAMES)),
    volume("one frame", nifti(FRAMES[..., :1]), VOLUME[None]),
    volume("vectors (five axes)", nifti(VECTORS, intent_code=1007), first(VECTORS[:, :, :, 0])),
    volume("frames of vectors", nifti(np.concatenate([VECTORS, VECTORS], 3)), "frames of vectors"),
    volume("colour, RGB24", coloured(3), first(RGB), colour=True),
    volume("colour, RGBA32, opaque", coloured(4, RGB[..., 0] * 0 + 255), first(RGB), colour=True),
    volume(
        "colour, RGBA32, transparency that differs: 4 channels",
        coloured(4, RGB[..., 0]),
        first(np.concatenate([RGB, RGB[..., :1]], -1)),
    ),
    volume("complex", nifti(VOLUME.astype(np.complex64)), "complex"),
    volume("CIFTI", written("a.dscalar.nii", cifti), "is CIFTI"),
    volume("voxels without volume", written("a.nii", singular), "affine is singular"),
    volume("cut short", written("a.nii.gz", cut), "cannot be read"),
    volume(".img without .hdr", lone, "a.hdr is missing"),
    volume("mask: ids above 2^24 in float64", nifti(BIG_IDS), BIG_IDS[None], label=True),
    volume(
        "mask: float by slope",
        written("a.nii", by_slope),
        CLASSES[None, ..., None].astype(float),
        label=True,
    ),
    volume(
        "mask: int32",
        nifti(VOLUME.astype(np.int32) * 99999),
        VOLUME[None].astype(np.int32) * 99999,
        label=True,
    ),
    volume("MGH, .mgz", mgh("a.mgz")),
    volume("MGH, .mgh", mgh("a.mgh")),
    volume("MGH, frames", mgh("a.mgz", FRAMES), first(FRAMES)),
)
