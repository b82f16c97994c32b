"""Small files in the layouts that people have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def blobs(rng: np.random.Generator, shape: tuple[int, ...], top: int = 255) -> np.ndarray:
    """A picture with structure: no two are alike, none is constant."""
    return (rng.random(shape) * top).astype(np.uint8 if top < 256 else np.uint16)


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Write a picture below tmp_path and return its pixels."""

    def write(name: str, array: np.ndarray | None = None, shape: tuple[int, ...] = (20, 16)) -> np.ndarray:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = sum(map(ord, name))
        array = blobs(np.random.default_rng(seed), shape) if array is None else array
        Image.fromarray(array).save(path)
        return array

    return write


@pytest.fixture
def volume(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Write a NIfTI volume below tmp_path and return its voxels."""
    import nibabel

    def write(name: str, array: np.ndarray | None = None, affine: np.ndarray | None = None) -> np.ndarray:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(sum(map(ord, name)))
        array = rng.integers(-1000, 2000, (6, 7, 8)).astype(np.int16) if array is None else array
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
        return array

    return write


@pytest.fixture
def series(tmp_path: Path) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Write a CT series in shuffled files; its HU [columns,rows,slices] and affine (RAS) come back."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

    def write(folder: str, depth: int = 5, compressed: bool = False, person: str = "Jane^Doe", **changes):
        rng = np.random.default_rng(sum(map(ord, folder)))
        stored = rng.integers(0, 4096, (depth, 40, 36)).astype(np.uint16)
        uid, place = generate_uid(), tmp_path / folder
        place.mkdir(parents=True)
        tilt = np.deg2rad(10)
        across, down = np.array([1.0, 0, 0]), np.array([0, np.cos(tilt), np.sin(tilt)])
        normal = np.cross(across, down)
        for number in rng.permutation(depth):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            name = place / f"f{rng.integers(10**9)}"  # no extension, no order
            file = FileDataset(str(name), {}, file_meta=meta, preamble=b"\0" * 128)
            file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
            file.SeriesInstanceUID, file.StudyInstanceUID = uid, generate_uid()
            file.PatientID = file.PatientName = person
            file.Modality, file.Rows, file.Columns = "CT", 40, 36
            file.ImageOrientationPatient = [*across, *down]
            file.ImagePositionPatient = [*(np.array([-30.0, -40, 50]) + 2.5 * number * normal)]
            file.PixelSpacing = [0.8, 0.6]
            file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
            file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
            file.RescaleSlope, file.RescaleIntercept = 1, -1024
            file.PixelData = stored[number].tobytes()
            for key, value in changes.items():
                setattr(file, key, value)
            if compressed:
                file.compress(RLELossless)
            pydicom.dcmwrite(name, file, enforce_file_format=True)
        affine = np.eye(4)
        affine[:3] = np.c_[across * 0.6, down * 0.8, 2.5 * normal, [-30, -40, 50]]
        return stored.astype(np.int32).transpose(2, 1, 0) - 1024, np.diag([-1.0, -1, 1, 1]) @ affine

    return write
