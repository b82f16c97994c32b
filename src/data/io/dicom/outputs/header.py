"""Header of a derived image: what it takes over from its source, what it drops, what it adds."""

from __future__ import annotations

import io
from copy import deepcopy
from typing import Any

from ganatomy.data.io.dicom.confidentiality import REPEATED
from ganatomy.data.io.dicom.files import pydicom
from ganatomy.data.io.dicom.outputs.about import CAUTION, About, code
from ganatomy.data.io.dicom.outputs.deidentify import mark_removed, without_identifiers
from ganatomy.data.io.dicom.outputs.storage import PIXELS
from ganatomy.data.io.dicom.pixels import LOSSY

DROPPED = (
    "IconImageSequence", "SmallestImagePixelValue", "LargestImagePixelValue", "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries", "DigitalSignaturesSequence", "MACParametersSequence",
    "EncryptedAttributesSequence", "DataSetTrailingPadding", "InstanceCreationDate", "InstanceCreationTime",
    "InstanceCreatorUID", "SourceImageSequence", "ReferencedSeriesSequence", "PixelDataProviderURL",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
"""Attributes that belong to the pixels, the file or the making of the source."""
REFERRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
COLOURED = (
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData", "PaletteColorLookupTableUID",
)  # fmt: skip
SCALED = ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "RescaleType")
SHOWN = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTSequence", "VOILUTFunction")
PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")


def source_of(file: Any, about: About) -> Any:
    """Return a copy of a source's header: without pixels, private elements, overlays and curves.

    With `identifiers="remove"` it is also without identifiers, and its UIDs are replaced.

    Raises:
        ValueError: The file has no UIDs to refer to, or identifiers shall be removed and there is text in
            the pixels.
    """
    dicom = pydicom()
    if missing := [word for word in REFERRED if not file.get(word)]:
        words = " and no ".join(missing)
        raise ValueError(f"has no {words}, so nothing can refer to it; set format=nifti")
    plain = dicom.Dataset()
    pixels = {dicom.datadict.tag_for_keyword(keyword) for keyword in PIXELS}
    for tag in list(file.keys()):
        if tag not in pixels and not (tag.group & 0xFF01 in REPEATED or tag.is_private):
            plain.add(file[tag])
    plain = deepcopy(plain)
    plain.remove_private_tags()
    plain.file_meta = deepcopy(file.file_meta)
    return without_identifiers(plain, about) if about.identifiers == "remove" else plain


def derived_header(source: Any, about: About, number: int, kind: str = "") -> Any:
    """Return the header of a derived image, before its pixels.

    Args:
        source: Header of the source, from `source_of`.
        about: What made it.
        number: Number of the file, from 1, used where the source has no InstanceNumber.
        kind: What the values are, for the SeriesDescription; empty for an image in the source's units.
    """
    out = deepcopy(source)
    for keyword in DROPPED:
        out.pop(keyword, None)
    types = [str(word) for word in out.get("ImageType") or ()]
    many = bool(out.get("PerFrameFunctionalGroupsSequence"))
    second = types[1] if many and len(types) > 1 else "SECONDARY"
    out.ImageType = ["DERIVED", second, *types[2:]]
    series, image = str(source.SeriesInstanceUID), str(source.SOPInstanceUID)
    out.SeriesInstanceUID = about.key("series", series)
    out.SOPInstanceUID = about.key("image", series, image)
    out.SeriesNumber = int(source.get("SeriesNumber") or 0) + 1000
    if not source.get("InstanceNumber"):
        out.InstanceNumber = number
    removed = about.identifiers == "remove"
    before = "" if removed else str(source.get("SeriesDescription") or "")
    what = f"{kind}, not for diagnosis" if kind else "not for diagnosis"
    out.SeriesDescription = about.series_description(before, what)
    out.DerivationDescription, out.ImageComments = about.description, CAUTION
    if many:
        out.ContentQualification = "RESEARCH"
    if str(source.file_meta.TransferSyntaxUID) in LOSSY:
        out.LossyImageCompression = "01"
    out.DerivationCodeSequence = [code(_codes().cid7162.ArtificialIntelligence)]
    out.ContributingEquipmentSequence = [*(out.get("ContributingEquipmentSequence") or ()), _equipment(about)]
    out.SourceImageSequence = [_reference(source)]
    out.ReferencedSeriesSequence = [_series(source)]
    if removed:
        mark_removed(out, about)
    return out


def numbered(item: Any, frame: int) -> Any:
    """Return the item of a SourceImageSequence for one frame, counted from 1."""
    item = deepcopy(item)
    item.ReferencedFrameNumber = frame
    return item


def _reference(source: Any) -> Any:
    item = _referenced(source)
    item.SpatialLocationsPreserved = "YES"
    item.PurposeOfReferenceCodeSequence = [code(_codes().cid7202.SourceImageForImageProcessingOperation)]
    return item


def in_file(out: Any) -> bytes:
    """Return a dataset as the content of a file, Explicit VR Little Endian."""
    dicom = pydicom()
    meta = dicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = out.SOPClassUID, out.SOPInstanceUID
    meta.TransferSyntaxUID = dicom.uid.ExplicitVRLittleEndian
    out.file_meta, out.preamble = meta, b"\0" * 128
    content = io.BytesIO()
    dicom.dcmwrite(content, out, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return content.getvalue()


def _referenced(source: Any) -> Any:
    item = pydicom().Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = str(source.SOPInstanceUID)
    return item


def _series(source: Any) -> Any:
    item = pydicom().Dataset()
    item.SeriesInstanceUID = source.SeriesInstanceUID
    item.ReferencedInstanceSequence = [_referenced(source)]
    return item


def _equipment(about: About) -> Any:
    item = pydicom().Dataset()
    item.PurposeOfReferenceCodeSequence = [code(_codes().cid7005.ProcessingEquipment)]
    item.Manufacturer = item.ManufacturerModelName = about.algorithm
    item.SoftwareVersions = about.version
    item.ContributionDescription = about.description
    return item


def _codes() -> Any:
    from pydicom.sr.codedict import codes

    return codes
