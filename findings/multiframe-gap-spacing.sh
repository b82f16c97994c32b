#!/usr/bin/env bash
# A missing frame of an enhanced CT takes SimpleITK's pixel spacing away too, in silence.
#
# One would guess: a volume whose frames are unevenly spaced is refused, or warned of, or at least keeps the PixelSpacing within
#   its frames, which no gap touches.
# What happens: SimpleITK reads it and reports a spacing of (1, 1, 1) mm, where the file says 0.5 x 0.5 mm. So it does for
#   a whole set of frames that is stored in another order than by place, and then their order is not mended either.
# Why it matters: lengths within a slice double, areas are four times too large, and nothing in the image tells the made-up
#   1 mm from a measured one.
# Versions: SimpleITK 2.5.7, pydicom 3.0.2 (to write the file).
# This project: reads frames by the place that each of them states, and refuses a gap ("a slice is missing").
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install \
    SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" - <<'PY'
import sys

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

IN_STACK, FRAME_CONTENT = 0x00209057, 0x00209111


def item(**tags):
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def spacing(places):
    ranks = [1 + sorted(places).index(place) for place in places]
    axes, kind = generate_uid(), ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    file = item(
        SOPClassUID=EnhancedCTImageStorage, SOPInstanceUID=generate_uid(), StudyInstanceUID=generate_uid(),
        SeriesInstanceUID=generate_uid(), FrameOfReferenceUID=generate_uid(), Modality="CT", ImageType=kind,
        Rows=3, Columns=4, NumberOfFrames=len(places), SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=16, BitsStored=16, HighBit=15, PixelRepresentation=1,
        DimensionOrganizationSequence=[item(DimensionOrganizationUID=axes)],
        DimensionIndexSequence=[item(
            DimensionOrganizationUID=axes, DimensionIndexPointer=IN_STACK, FunctionalGroupPointer=FRAME_CONTENT
        )],
        SharedFunctionalGroupsSequence=[item(
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.5], SliceThickness=2)],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelValueTransformationSequence=[item(RescaleIntercept=-1024, RescaleSlope=1, RescaleType="HU")],
            CTImageFrameTypeSequence=[item(FrameType=kind)],
        )],
        PerFrameFunctionalGroupsSequence=[
            item(
                FrameContentSequence=[item(StackID="1", InStackPositionNumber=rank, DimensionIndexValues=[rank])],
                PlanePositionSequence=[item(ImagePositionPatient=[-10, -20, place])],
            )
            for place, rank in zip(places, ranks, strict=True)
        ],
        PixelData=np.repeat(np.array(places, "<i2"), 12).tobytes(),
    )
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.save_as("frames.dcm", enforce_file_format=True)
    image = SimpleITK.ReadImage("frames.dcm")
    order = (SimpleITK.GetArrayFromImage(image)[:, 0, 0] + 1024).tolist()
    print(f"seen, frames at {places} mm: spacing {image.GetSpacing()}, slices of {order} mm")
    return image.GetSpacing()


print("SimpleITK", SimpleITK.Version_VersionString(), "pydicom", pydicom.__version__)
print("expected: an error, or a spacing of 0.5 x 0.5 mm within each frame")
whole, gap, shuffled = spacing([0, 2, 4, 6]), spacing([0, 2, 4, 8]), spacing([0, 4, 2, 6])
sys.exit(0 if (whole, gap, shuffled) == ((0.5, 0.5, 2.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)) else 1)
PY
