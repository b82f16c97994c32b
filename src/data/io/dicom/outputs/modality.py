"""Derived images of another modality than their source, such as a CT made of an MR."""

from __future__ import annotations

from typing import Any

from ganatomy.data.io.dicom.files import pydicom
from ganatomy.data.io.dicom.multiframe import GROUPS

UNKNOWN = "OT"
"""Modality (DICOM: other) of values whose units are not those of the source, if nothing else is known."""
CT, CAPTURE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"
"""CT Image Storage, and Secondary Capture Image Storage for all modalities but CT."""
GEOMETRY = ("SliceThickness", "SpacingBetweenSlices", "PatientPosition", "BodyPartExamined", "Laterality")
"""Attributes of the acquisition that hold for a derived image of the same anatomy too."""
ACQUIRED = (0x0018, 0x0054)
"""Groups of the acquisition: echo times and coils of MR, voltages of CT, isotopes of PET."""
OF_TIME = (
    "AcquisitionContrast", "ConversionType", "NumberOfTemporalPositions", "TemporalPositionIdentifier",
    "TemporalPositionIndex", "TemporalResolution", "TriggerTime", "FrameReferenceTime", "ActualFrameDuration",
    "DecayCorrection", "Units", "CountsSource",
)  # fmt: skip
"""Further attributes of MR, CT or PET alone."""


def is_other(source: Any, modality: str | None) -> bool:
    """Return True if a derived image is of another modality than its source; None is that of the source."""
    return modality is not None and modality != str(source.get("Modality") or "")


def turn_into(out: Any, modality: str) -> None:
    """Have a derived image be of another modality: its class and codes, and nothing of the acquisition.

    A CT becomes a CT Image, others a Secondary Capture with the geometry of the source.

    Args:
        out: Header of the derived image, made of its source's.
        modality: The modality, in DICOM's words.

    Raises:
        ValueError: The source is a file of many frames, whose functional groups are those of its modality.
    """
    if any(out.get(group) for group in GROUPS) or int(out.get("NumberOfFrames") or 1) > 1:
        raise ValueError(
            f"is one file of many frames of {out.get('Modality') or 'no modality'}, of which no series of "
            f"{modality} is written; set format=nifti"
        )
    kept = {pydicom().datadict.tag_for_keyword(word) for word in GEOMETRY}
    for tag in [element.tag for element in out if element.tag.group in ACQUIRED and element.tag not in kept]:
        del out[tag]
    for keyword in OF_TIME:
        out.pop(keyword, None)
    out.Modality = modality
    types = [str(word) for word in out.ImageType][:2]
    if modality == "CT":
        out.SOPClassUID, out.ImageType = CT, [*types, "AXIAL"]
        out.KVP, out.AcquisitionNumber = None, out.get("AcquisitionNumber")
    else:
        out.SOPClassUID, out.ImageType, out.ConversionType = CAPTURE, types, "WSD"
