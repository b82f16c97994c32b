"""DICOM files as scanners write them, from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SPACING = (0.8, 0.6, 2.5)  # between rows, between columns, between slices
ORIGIN = np.array([-30.0, -40.0, 50.0])
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
CR, DOSE = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.481.2"
ENHANCED = {"CT": f"{CT}.1", "MR": f"{MR}.1"}


def oblique(degrees: float = 20) -> np.ndarray:
    """[2,3]: an orientation turned about two axes."""
    a, b = np.deg2rad(degrees), np.deg2rad(degrees / 2)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return (about_x @ about_z)[:, :2].T


def pattern(*shape: int, top: int = 4095, seed: int = 0) -> np.ndarray:
    """Numbers of which no axis may be turned or exchanged unnoticed."""
    return np.random.default_rng(seed).integers(0, top + 1, shape).astype(np.uint16)


def dataset(pixels: np.ndarray, stored: int | None = None, colours: int = 1, **tags: Any) -> Dataset:
    """One image, or frames, of [(frames,) rows, columns (,3)]; `tags` win."""
    frames = pixels.ndim - 2 - (colours > 1)
    rows, columns = pixels.shape[frames : frames + 2]
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = tags.pop("syntax", ExplicitVRLittleEndian)
    file.SOPClassUID, file.SOPInstanceUID = tags.pop("SOPClassUID", CR), generate_uid()
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    file.StudyInstanceUID, file.SeriesInstanceUID = generate_uid(), generate_uid()
    file.PatientID, file.Modality = "P", "OT"
    file.Rows, file.Columns = rows, columns
    if frames:
        file.NumberOfFrames = len(pixels)
    file.SamplesPerPixel = colours
    file.PhotometricInterpretation = "MONOCHROME2" if colours == 1 else "RGB"
    if colours > 1:
        file.PlanarConfiguration = 0
    file.BitsAllocated = 8 * pixels.dtype.itemsize
    if pixels.dtype.kind == "f":
        name = "FloatPixelData" if pixels.dtype.itemsize == 4 else "DoubleFloatPixelData"
        setattr(file, name, pixels.tobytes())
    else:
        file.BitsStored = stored or file.BitsAllocated
        file.HighBit = file.BitsStored - 1
        file.PixelRepresentation = int(pixels.dtype.kind == "i")
        file.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for key, value in tags.items():
        setattr(file, key, value)
    return file


def save(file: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, file, enforce_file_format=True)
    return path


def series(
    folder: Path,
    volume: np.ndarray,
    positions: Sequence[np.ndarray] | None = None,
    directions: np.ndarray | None = None,
    each: Sequence[dict[str, Any]] = (),
    **tags: Any,
) -> list[Path]:
    """A file for each slice of [columns,rows,slices], names in another order than the slices."""
    directions = oblique() if directions is None else directions
    normal = np.cross(*directions)
    uids = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    tags = {"SOPClassUID": CT, "Modality": "CT", "stored": 12, **uids, **tags}
    paths = []
    for number in range(volume.shape[2]):
        place = ORIGIN + SPACING[2] * number * normal if positions is None else positions[number]
        file = dataset(np.ascontiguousarray(volume[:, :, number].T), **tags)
        file.ImageOrientationPatient = [f"{v:.8f}" for v in directions.reshape(-1)]
        file.ImagePositionPatient = [f"{v:.6f}" for v in place]
        file.PixelSpacing, file.InstanceNumber = list(SPACING[:2]), number + 1
        for key, value in (each[number] if each else {}).items():
            setattr(file, key, value)
        name = f"{tags['SeriesInstanceUID'][-6:]}{(number * 7 + 3) % 101:03d}"
        paths.append(save(file, folder / name))
    return paths


def enhanced(
    volume: np.ndarray,
    order: Sequence[int],
    each: Sequence[dict[str, Any]] = (),
    modality: str = "CT",
    **tags: Any,
) -> Dataset:
    """One file of the slices `order` of [columns,rows,slices], geometry in its functional groups.

    each: of each frame, `macro.keyword` and its value, such as FrameContentSequence.StackID.
    """
    normal = np.cross(*oblique())
    pixels = np.ascontiguousarray(volume.transpose(2, 1, 0)[list(order)])
    file = dataset(pixels, SOPClassUID=ENHANCED[modality], Modality=modality, **{"stored": 12, **tags})
    shared = Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [Dataset()], [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = list(SPACING[:2])
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [f"{v:.8f}" for v in oblique().reshape(-1)]
    file.SharedFunctionalGroupsSequence = [shared]
    file.PerFrameFunctionalGroupsSequence = []
    for frame, number in enumerate(order):
        own = Dataset()
        own.PlanePositionSequence = [Dataset()]
        place = ORIGIN + SPACING[2] * number * normal
        own.PlanePositionSequence[0].ImagePositionPatient = [f"{v:.6f}" for v in place]
        for key, value in (each[frame] if each else {}).items():
            macro, _, keyword = key.partition(".")
            if macro not in own:
                setattr(own, macro, [Dataset()])
            setattr(own[macro].value[0], keyword, value)
        file.PerFrameFunctionalGroupsSequence.append(own)
    return file


def affine(directions: np.ndarray | None = None, step: np.ndarray | None = None) -> np.ndarray:
    """Of such a volume, from (column, row, slice) to mm in RAS."""
    across, down = oblique() if directions is None else directions
    step = SPACING[2] * np.cross(across, down) if step is None else step
    lps = np.eye(4)
    lps[:3] = np.c_[across * SPACING[1], down * SPACING[0], step, ORIGIN]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
