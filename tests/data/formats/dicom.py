"""DICOM, as pydicom writes it: one picture a file. Series of slices are tested where they are sorted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from tests.data.formats.rows import COLOUR, DEEP, Row, last, written


def dicom(name: str, array: np.ndarray, **tags: Any) -> Callable[[Path], Path]:
    """A picture [H,W] or [H,W,3] and the tags that say what its numbers mean."""

    def save(path: Path) -> None:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = generate_uid(), ExplicitVRLittleEndian
        file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        file.SeriesInstanceUID, file.StudyInstanceUID = generate_uid(), generate_uid()
        file.Modality, file.PatientID = "DX", "nobody"
        file.Rows, file.Columns = array.shape[:2]
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated = file.BitsStored = array.itemsize * 8
        file.HighBit, file.PixelRepresentation = array.itemsize * 8 - 1, 0
        if array.ndim == 3:
            file.SamplesPerPixel, file.PhotometricInterpretation, file.PlanarConfiguration = 3, "RGB", 0
        for key, value in tags.items():
            setattr(file, key, value)
        file.PixelData = array.tobytes() + b"\0" * (array.nbytes % 2)
        file.save_as(path, enforce_file_format=True)

    return written(name, save)


SCALED = DEEP[None].astype(np.int32) * 2 - 1024
ROWS = (
    Row("grey, 16 bits", dicom("a.dcm", DEEP), DEEP[None]),
    Row("without ending", dicom("a", DEEP), DEEP[None]),
    Row("named .png", dicom("a.png", DEEP), DEEP[None]),
    Row("slope 2, intercept -1024", dicom("a.dcm", DEEP, RescaleSlope=2, RescaleIntercept=-1024), SCALED),
    Row("colour", dicom("a.dcm", last(COLOUR)), COLOUR, True),
)
