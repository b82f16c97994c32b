"""DICOM: a tree of files into series, a series into a volume in its rescaled units (HU for CT)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import UserError


def pydicom() -> Any:
    """The package, or one line on how to get it."""
    try:
        import pydicom
    except ImportError as error:
        raise UserError('DICOM files need pydicom: pip install "ganatomy[data]"') from error
    return pydicom


def find_series(root: Path) -> dict[str, list[Path]]:
    """Every image series below `root`: series UID -> its files. Reads headers only; other files are
    passed over."""
    dicom = pydicom()
    found: dict[str, list[Path]] = defaultdict(list)
    tags = ["SeriesInstanceUID", "PatientID", "Rows"]
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.name != "DICOMDIR"):
        try:
            header = dicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        except (dicom.errors.InvalidDicomError, OSError, EOFError):
            continue
        if "Rows" in header and "SeriesInstanceUID" in header:
            found[str(header.SeriesInstanceUID)].append(path)
    return dict(found)


def patient(path: Path) -> str:
    """A name for the person of a file that tells nobody who it is."""
    header = pydicom().dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"])
    return "patient-" + digest(str(header.get("PatientID") or path.parent))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def read_series(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Volume [1,columns,rows,slices] and its affine (RAS, mm), slices sorted along their normal; or a
    picture [1,H,W].

    Raises ValueError when slices differ in size or direction, repeat, or are missing (uneven steps).
    """
    slices = [pydicom().dcmread(path) for path in paths]
    if len(slices) == 1 and int(slices[0].get("NumberOfFrames", 1)) == 1:
        return _flat(slices[0])
    if len(slices) == 1:
        raise ValueError("is an enhanced multi-frame file; convert it to single frames or NIfTI")
    try:
        across, down = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
        positions = np.array([s.ImagePositionPatient for s in slices], float)
        spacing = np.array(slices[0].PixelSpacing, float)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError("its slices have no position, orientation or spacing") from error
    if len({(s.Rows, s.Columns) for s in slices}) > 1:
        raise ValueError("its slices differ in size")
    normal = np.cross(across, down)
    if any(
        np.abs(np.array(s.ImageOrientationPatient, float) - [*across, *down]).max() > 1e-3 for s in slices
    ):
        raise ValueError("its slices differ in direction")
    order = np.argsort(positions @ normal, kind="stable")
    steps = np.diff((positions @ normal)[order])
    if steps.min() < 1e-3:
        raise ValueError("two of its slices lie at the same place")
    if steps.max() > 1.5 * np.median(steps):
        raise ValueError(f"a slice is missing: steps of {steps.min():.2f} to {steps.max():.2f} mm")
    volume = np.stack([rescaled(slices[i]).T for i in order], -1)[None]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = across * spacing[1], down * spacing[0]
    affine[:3, 2] = (positions[order[-1]] - positions[order[0]]) / (len(order) - 1)
    affine[:3, 3] = positions[order[0]]
    return volume, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def rescaled(file: Any) -> np.ndarray:
    """Pixels in the units of the file: slope * stored + intercept; integers where these are."""
    stored = file.pixel_array
    slope, intercept = float(file.get("RescaleSlope", 1)), float(file.get("RescaleIntercept", 0))
    if slope == 1 and intercept == 0:
        return np.asarray(stored)
    if slope.is_integer() and intercept.is_integer():
        return np.asarray(stored.astype(np.int32) * int(slope) + int(intercept))
    return np.asarray((stored * slope + intercept).astype(np.float32))


def _flat(file: Any) -> tuple[np.ndarray, np.ndarray]:
    array = rescaled(file)
    array = np.moveaxis(array, -1, 0) if array.ndim == 3 else array[None]
    if file.get("PhotometricInterpretation") == "MONOCHROME1":
        array = array.max() - array
    spacing = file.get("PixelSpacing") or file.get("ImagerPixelSpacing") or (1, 1)
    return array, np.diag([float(spacing[0]), float(spacing[1]), 1.0, 1.0])
