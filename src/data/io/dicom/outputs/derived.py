"""A derived image series: what a network made of a series, as DICOM files beside those of its source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.dicom.files import pydicom
from ganatomy.data.io.dicom.multiframe import GROUPS, Frame, frames_of
from ganatomy.data.io.dicom.outputs.about import About
from ganatomy.data.io.dicom.outputs.header import (
    COLOURED,
    PADDING,
    SCALED,
    SHOWN,
    derived_header,
    in_file,
    numbered,
    source_of,
)
from ganatomy.data.io.dicom.outputs.modality import is_other, turn_into
from ganatomy.data.io.dicom.outputs.storage import (
    HOUNSFIELD,
    Storage,
    describe,
    in_own_units,
    padded,
    storage_of,
)
from ganatomy.data.io.dicom.pixels import scaling, stored_pixels
from ganatomy.data.io.dicom.read import slices_of

PLACE = 1e-3
"""Largest difference, in mm, between the affine of a result and that of the series."""


def write_derived(
    paths: Sequence[Path],
    values: np.ndarray,
    affine: np.ndarray | None,
    about: About,
    chosen: Sequence[tuple[str, str]] = (),
    units: str | None = None,
    kind: str = "",
    modality: str | None = None,
) -> list[tuple[str, bytes]]:
    """Return name and content of the files of a derived series, one for each file of its source.

    They keep the patient, study, frame of reference, geometry and display of the source, and its type,
    scaling and polarity of the pixels. Values are rounded and clipped to the bits of the source; where the
    source is padding they are padding. UIDs and bytes depend on the input, the weights and the settings
    alone. Private elements, overlays and thumbnails are not copied.

    Args:
        paths: Files of the source series.
        values: [C,columns,rows,slices], or [C,H,W] of a picture, on the grid of `read_series`; C is 1 or 3.
        affine: [4,4], voxel index to mm (RAS), of the values; None if it is known to be that of the series.
        about: What made the values, and if identifiers are removed.
        chosen: The slices of the series that were read, see `read_series`.
        units: None for values in the units of the source; else the RescaleType of other units (HU, US for
            unspecified), which are stored with 16 bits and a slope of their own.
        kind: What the values are, where one source gets several series (entropy, ...): it enters the UIDs
            and the SeriesDescription.
        modality: Modality of the values, if they have units of their own: a CT is written as CT images of
            whole HU, 16 bits signed, any other one that is not the source's as secondary captures. None:
            that of the source.

    Raises:
        ValueError: The values are not on the grid of the series, or the series cannot be written.
    """
    if chosen or units or kind or modality:
        more = (modality,) if modality else ()
        about = replace(about, settings=repr((about.settings, *chosen, units, kind, *more)))
    frames, own = slices_of(paths, chosen)
    planes = _planes(values, affine, frames, own)
    if "DoseGridScaling" in frames[0].file:
        raise ValueError("is an RT dose, of which no derived series is written; set format=nifti")
    by_file: dict[int, dict[int, np.ndarray]] = defaultdict(dict)
    for frame, plane in zip(frames, planes, strict=True):
        by_file[id(frame.file)][frame.number] = plane
    form = (HOUNSFIELD if modality == "CT" else in_own_units(values)) if units else None
    wide = len({scaling(frame) for frame in frames}) > 1
    files = list({id(frame.file): frame.file for frame in frames}.values())
    made = []
    for number, file in enumerate(files, 1):
        header = derived_header(source_of(file, about), about, number, kind)
        if modality is not None and is_other(file, modality):
            turn_into(header, modality)
        ready = _file(file, header, by_file[id(file)], form, units, wide)
        made.append((f"image_{number:04d}.dcm", ready))
    return made


def checked_grid(
    shape: tuple[int, ...], affine: np.ndarray | None, frames: Sequence[Frame], own: np.ndarray | None
) -> None:
    """Raise ValueError if an array is not on the grid of the frames.

    Args:
        shape: Spatial shape of the array.
        affine: Its affine, or None.
        frames: Frames in the order of the slices.
        own: Affine of the frames; None for a picture.
    """
    file = frames[0].file
    right = (file.Rows, file.Columns) if own is None else (file.Columns, file.Rows, len(frames))
    if shape != right:
        raise ValueError(f"the result has the shape {list(shape)}, the series {list(right)}")
    if own is None or affine is None:
        return
    corners = np.array([[0, 0, 0, 1], [*(n - 1 for n in right), 1]]).T
    far = float(np.abs((affine - own) @ corners).max())
    if far > PLACE:
        raise ValueError(f"the result lies {far:.3g} mm off the series")


def _planes(
    values: np.ndarray, affine: np.ndarray | None, frames: Sequence[Frame], own: np.ndarray | None
) -> list[np.ndarray]:
    """Return values [rows,columns] or [rows,columns,3] for each frame."""
    checked_grid(values.shape[1:], affine, frames, own)
    if len(values) not in (1, 3):
        raise ValueError(f"the result has {len(values)} channels; a DICOM image has 1, or 3 colours")
    if not np.isfinite(values).all():
        raise ValueError("the result holds values that are no numbers")
    if own is None:
        return [values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)]
    slices = np.moveaxis(values, -1, 0)  # [slices,C,columns,rows]
    return [plane[0].T if len(plane) == 1 else plane.T for plane in slices]


def _file(
    file: Any,
    out: Any,
    planes: dict[int, np.ndarray],
    form: Storage | None,
    units: str | None,
    wide: bool,
) -> bytes:
    """Return the content of one file of the header `out`; `planes` are the values of its frames."""
    frames = frames_of(file)
    if len(planes) < len(frames):
        raise ValueError(
            f"only {len(planes)} of the {len(frames)} frames of a file were read, of which no derived series "
            "is written; set format=nifti"
        )
    before = stored_pixels(file) if form is None else None
    forms, numbers = [], []
    for frame in frames:
        values = planes[frame.number]
        own = form or storage_of(frame, 3 if values.ndim == 3 else 1, values, wide)
        made = own.numbers(values)
        if before is not None and before[frame.number].dtype.itemsize == own.dtype.itemsize:
            made = padded(made, before[frame.number], file, own)
        forms.append(own)
        numbers.append(made)
    if len({(own.dtype, own.bits) for own in forms}) > 1:
        raise ValueError("its frames need different numbers of bits; set format=nifti")
    plain = units or numbers[0].ndim == 3 or _unlike(file)
    _scale(out, file, forms, units, bool(plain))
    describe(out, forms[0], numbers)
    for place in range(len(frames)) if out.get(GROUPS[0]) else ():
        _derive(out[GROUPS[0]].value[place], place, out)
    for group in [*(out.get(GROUPS[0]) or ()), *(out.get(GROUPS[1]) or ())]:
        for element in group:
            if element.keyword.endswith("FrameTypeSequence") and element.value:
                kind = [str(word) for word in element.value[0].get("FrameType") or ("", "PRIMARY")]
                element.value[0].FrameType = ["DERIVED", *kind[1:]]
    return in_file(out)


def _unlike(file: Any) -> bool:
    """Return True if the stored numbers of a grey source go through a table, or it has colours."""
    kind = str(file.get("PhotometricInterpretation"))
    return bool(file.get("ModalityLUTSequence")) or not kind.startswith("MONOCHROME")


def _scale(out: Any, file: Any, forms: Sequence[Storage], units: str | None, plain: bool) -> None:
    """Write the scaling where readers look for it: in the functional groups of frames, or at the top.

    Args:
        out: The derived dataset.
        file: The source.
        forms: Storage of each frame.
        units: RescaleType of units of their own.
        plain: True if neither scaling nor display of the source holds any longer.
    """
    macro = "PixelValueTransformationSequence"
    groups = [*(out.get(GROUPS[0]) or ()), *(out.get(GROUPS[1]) or ())]
    if plain:
        for where in (out, *groups):
            for keyword in (*SCALED, *SHOWN, *COLOURED, *PADDING, macro, "FrameVOILUTSequence"):
                where.pop(keyword, None)
    grey = forms[0]
    if units:
        item = pydicom().Dataset()
        item.RescaleIntercept, item.RescaleSlope, item.RescaleType = grey.intercept, grey.slope, units
        if out.get(GROUPS[1]):
            setattr(out[GROUPS[1]].value[0], macro, [item])
        else:
            out.update(item)
    elif not plain:
        for place, form in enumerate(forms):
            where = Frame(out, place).macro(macro)
            if scaling(Frame(file, place)) != (form.slope, form.intercept):
                where.RescaleSlope = form.slope


def _derive(group: Any, place: int, out: Any) -> None:
    """Write into the functional groups of a frame from which frame it was derived."""
    item = pydicom().Dataset()
    item.DerivationDescription = out.DerivationDescription
    item.DerivationCodeSequence = out.DerivationCodeSequence
    item.SourceImageSequence = [numbered(out.SourceImageSequence[0], place + 1)]
    group.DerivationImageSequence = [item]
