#!/usr/bin/env bash
# highdicom writes a segmentation that its own reader refuses, if the source image's SliceThickness is empty.
#
# One would guess: what Segmentation(...) builds and save_as writes, segread reads. SliceThickness is of type 2 in MR and CT images: it has
#   to be there and may be empty, which scanners and de-identification make it.
# What happens: the file is written without an error or a warning, and segread raises
#   "Sequence does not have the required attributes for a Pixel Measures Sequence".
# Why it matters: a SEG that goes to an archive today is found to be unreadable by the person who opens it.
# Versions: highdicom 0.28.2, pydicom 3.0.2.
# This project: an empty SliceThickness is left out of the measures (ganatomy.data.io.dicom.outputs.segmentation).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    highdicom==0.28.2 pydicom==3.0.2; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import io
import sys

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid


def source(thickness):
    """An MR image of 8x8 pixels with what its standard asks for."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    image.SOPClassUID, image.Modality = "1.2.840.10008.5.1.4.1.1.4", "MR"
    for key in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(image, key, generate_uid())
    for key in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"):
        setattr(image, key, "")
    image.Rows = image.Columns = 8
    image.PixelSpacing, image.SliceThickness = [1, 1], thickness
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    return image


def read_back(thickness):
    """What reading the written segmentation says."""
    segment = hd.seg.SegmentDescription(1, "a", codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL")
    made = hd.seg.Segmentation(
        [source(thickness)], np.ones((1, 8, 8), np.uint8), "BINARY", [segment],
        generate_uid(), 1, generate_uid(), 1, "maker", "model", "1", "serial",
    )
    file = io.BytesIO()
    made.save_as(file)
    file.seek(0)
    try:
        hd.seg.segread(file)
    except AttributeError as error:
        return f"refused: {error}"
    return "read"


full, empty = read_back(2.0), read_back(None)
print("expected: read; seen with SliceThickness 2.0:", full)
print("expected: read; seen with an empty one:      ", empty)
sys.exit(not (full == "read" and empty.startswith("refused")))
PY
