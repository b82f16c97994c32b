"""DICOM segmentation (SEG) of a series, by highdicom, with a reference to each of its images."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.dicom.files import pydicom
from ganatomy.data.io.dicom.hiding import QUOTED
from ganatomy.data.io.dicom.multiframe import GROUPS, Frame
from ganatomy.data.io.dicom.outputs.about import CAUTION, LONGEST, About
from ganatomy.data.io.dicom.outputs.concepts import concepts_of
from ganatomy.data.io.dicom.outputs.deidentify import mark_removed
from ganatomy.data.io.dicom.outputs.derived import checked_grid
from ganatomy.data.io.dicom.outputs.header import in_file, source_of
from ganatomy.data.io.dicom.read import slices_of
from ganatomy.errors import UserError

COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#d55e00", "#0072b2", "#cc79a7", "#f0e442"]
"""Colours of the segments (Okabe and Ito), as in the pictures of a run."""
NEEDED = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
"""Attributes of patient and study that every file has, perhaps empty (type 2)."""
DATE, TIME = r"\d{8}", r"\d{2,6}(\.\d{1,6})?"
CHECKED = {"PatientBirthDate": DATE, "StudyDate": DATE, "StudyTime": TIME}
"""Those of them that highdicom refuses in the forms of ACR-NEMA (2004.01.19, 14:04:38)."""
DATES = ("ContentDate", "AcquisitionDate", "SeriesDate", "StudyDate")
TIMES = ("ContentTime", "AcquisitionTime", "SeriesTime", "StudyTime")
NO_DATE, NO_TIME = "19000101", "000000"
"""Stand for a date and time that the source does not have: a SEG must have them."""


def write_seg(
    paths: Sequence[Path],
    label: np.ndarray,
    classes: Sequence[str],
    about: About,
    affine: np.ndarray | None = None,
    chosen: Sequence[tuple[str, str]] = (),
    codes: Mapping[str, str] | None = None,
    label_values: Sequence[int] | None = None,
) -> bytes:
    """Return the content of a SEG file: one binary segment for each class but the background.

    The number of a segment is that of its class. Frames without a pixel of a segment are left out, as usual.
    UIDs and bytes depend on the input, the weights and the settings alone; its date is that of the source.

    Args:
        paths: Files of the source series.
        label: Class numbers, or `label_values`, [1,columns,rows,slices], or [1,H,W] of a picture, on the grid
            of `read_series`.
        classes: Names of the classes, background first.
        about: What made the label map, and if identifiers are removed.
        affine: [4,4], voxel index to mm (RAS), of the label map; None if known to be that of the series.
        chosen: The slices of the series that were read, see `read_series`.
        codes: Codes of classes, see `concepts_of`.
        label_values: Value of each class in `label`, where that is not its number.

    Raises:
        ValueError: The label map is not on the grid of the series, has numbers that no class has, or there
            is no class.
        UserError: highdicom is not installed.
    """
    highdicom = _highdicom()
    frames, own = slices_of(paths, chosen, pixels=False)
    checked_grid(label.shape[1:], affine, frames, own)
    if label_values is not None:
        label = _numbered(label, label_values)
    numbers = np.unique(label)
    if len(label) != 1 or len(classes) < 2 or numbers.min() < 0 or numbers.max() >= len(classes):
        raise ValueError(
            f"the label map has {len(label)} channels and the numbers {numbers.min()} to {numbers.max()}; "
            f"one channel and numbers below {len(classes)}, that of the classes, are needed"
        )
    planes = label[0][None] if own is None else label[0].transpose(2, 1, 0)  # [slices,rows,columns]
    sources, planes = _sources(frames, planes.astype(np.uint16), own, about)
    first = sources[0]
    segments = _segments(highdicom, classes, about, codes or {})
    made = _made(highdicom, about, sources, planes, segments)
    _settle(made, first, about)
    return in_file(made)


def _numbered(label: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return values of a label map as class numbers; -1 for a value that no class has."""
    numbers = np.full(label.shape, -1, np.int64)
    for number, value in enumerate(values):
        numbers[label == value] = number
    return numbers


def _made(highdicom: Any, about: About, sources: list[Any], planes: np.ndarray, segments: list[Any]) -> Any:
    """Return the segmentation. Raises ValueError if the source lacks what its IOD or highdicom needs."""
    first = sources[0]
    series = str(first.SeriesInstanceUID)
    before = "" if about.identifiers == "remove" else str(first.get("SeriesDescription") or "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty label map, and values of the source's header
        try:
            return highdicom.seg.Segmentation(
                source_images=sources,
                pixel_array=planes,
                segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=segments,
                series_instance_uid=about.key("segmentation series", series),
                series_number=int(first.get("SeriesNumber") or 0) + 1000,
                sop_instance_uid=about.key("segmentation", series, *(one.SOPInstanceUID for one in sources)),
                instance_number=1,
                manufacturer=about.algorithm,
                manufacturer_model_name=about.algorithm,
                software_versions=about.version,
                device_serial_number=about.weights[:LONGEST] or "unknown",
                content_description=CAUTION,
                content_label="SEGMENTATION",
                series_description=about.series_description(before, "segmentation"),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            words = QUOTED.sub("…", " ".join(str(error).split()))  # a value of the header
            raise ValueError(f"no SEG can be written of this series ({words}); set format=nifti") from error


def _sources(
    frames: Sequence[Frame], planes: np.ndarray, own: np.ndarray | None, about: About
) -> tuple[list[Any], np.ndarray]:
    """Return the source datasets as highdicom needs them, and the planes in the order of their frames."""
    files = list({id(frame.file): frame.file for frame in frames}.values())
    many = [int(file.get("NumberOfFrames") or 1) for file in files]
    if max(many) > 1 and (len(files) > 1 or many[0] != len(frames) or not files[0].get(GROUPS[0])):
        raise ValueError(
            "its frames are only part of a file, lie in several multi-frame files, or have no functional "
            "groups; of such a series no SEG is written: set format=nifti"
        )
    if max(many) > 1:
        planes = planes[np.argsort([frame.number for frame in frames])]
    sources: list[Any] = []
    for file in files:
        source = source_of(file, about)
        for keyword in NEEDED:
            if keyword not in source:
                setattr(source, keyword, "")
            elif keyword in CHECKED:
                setattr(source, keyword, _plain(source.get(keyword), CHECKED[keyword]))
        first = (sources or [source])[0]
        source.StudyInstanceUID = first.StudyInstanceUID
        _place(source, first, own, about)
        sources.append(source)
    return sources, planes


def _plain(value: Any, wanted: str) -> str:
    """Return a date or time in the form of DICOM, without separators; empty if it is none."""
    text = re.sub("[:-]" if wanted == TIME else "[.:-]", "", str(value or "").strip())
    return text if re.fullmatch(wanted, text) else ""


def _place(source: Any, first: Any, own: np.ndarray | None, about: About) -> None:
    """Complete what highdicom reads of a source's place: one direction, a thickness, a frame of reference.

    highdicom 0.28 fails without a SliceThickness, and writes what it cannot read if that is empty. A picture
    that has no place in space gets none: its SEG has that of the image it refers to.
    """
    thickness = float(f"{np.linalg.norm(own[:3, 2]):.6g}") if own is not None else 1.0
    frame = first.get("FrameOfReferenceUID") or about.key("frame", str(first.SeriesInstanceUID))
    if source.get(GROUPS[0]):
        shared = source[GROUPS[1]].value[0] if source.get(GROUPS[1]) else pydicom().Dataset()
        for macro in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
            setattr(shared, macro, [Frame(source).macro(macro)])
        setattr(source, GROUPS[1], [shared])
        source.FrameOfReferenceUID, measures = frame, shared.PixelMeasuresSequence[0]
    elif own is None and not ("ImageOrientationPatient" in source and "ImagePositionPatient" in source):
        for keyword in ("FrameOfReferenceUID", "PixelSpacing"):
            source.pop(keyword, None)
        return
    else:
        source.FrameOfReferenceUID, measures = frame, source
        source.ImageOrientationPatient = first.ImageOrientationPatient
    if not measures.get("SliceThickness"):
        measures.SliceThickness = thickness


def _segments(highdicom: Any, classes: Sequence[str], about: About, codes: Mapping[str, str]) -> list[Any]:
    from pydicom.sr.codedict import codes as known

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=about.algorithm, family=known.cid7162.ArtificialIntelligence, version=about.version
    )
    described = []
    for number, name in enumerate(classes[1:], 1):
        category, kind, side = concepts_of(name, codes)
        one = highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name[:LONGEST],
            segmented_property_category=category,
            segmented_property_type=kind,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            display_color=highdicom.color.CIELabColor.from_string(COLOURS[(number - 1) % len(COLOURS)]),
        )
        if side is not None:
            item = highdicom.sr.CodedConcept.from_code(side)
            one.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [item]
        described.append(one)
    return described


def _settle(made: Any, source: Any, about: About) -> None:
    """Replace the dates of today and the random UIDs, so that the same input gives the same bytes."""
    dates = [_plain(source.get(word), DATE) for word in DATES]
    times = [_plain(source.get(word), TIME) for word in TIMES]
    made.ContentDate, made.ContentTime = (
        next(filter(None, dates), NO_DATE),
        next(filter(None, times), NO_TIME),
    )
    for keyword in ("InstanceCreationDate", "InstanceCreationTime", "SeriesDate", "SeriesTime"):
        made.pop(keyword, None)
    for item in made.get("ContributingEquipmentSequence") or ():
        item.pop("ContributionDateTime", None)
    organisation = about.key("dimensions", str(made.SOPInstanceUID))
    for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in made.get(sequence) or ():
            item.DimensionOrganizationUID = organisation
    if about.identifiers == "remove":
        mark_removed(made, about)


def _highdicom() -> Any:
    try:
        import highdicom
        import highdicom.color
        import highdicom.seg
    except ImportError as error:
        raise UserError('DICOM SEG files need highdicom: pip install "ganatomy[data]"') from error
    logging.getLogger("highdicom").setLevel(logging.ERROR)
    return highdicom
