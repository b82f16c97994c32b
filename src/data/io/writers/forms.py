"""Choice of the format that predictions of a file are returned in, by the file's bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganatomy.data.io.readers.sniff import beginning, kind
from ganatomy.data.io.writers.form import Form


def form_of(path: Path, axes: str | None = None, dims: int | None = None, image: Any = None) -> Form | None:
    """Return the form of a file; None for DICOM, Analyze and what is not known.

    Args:
        path: The file.
        axes: Axis order of a bare array (.npy), see `readers.arrays.bare`.
        dims: Spatial dimensions of a bare array.
        image: The file as nibabel opened it, if it did.
    """
    form = kind(path, beginning(path))
    if form in ("nifti", "mgh") and image is not None:
        from ganatomy.data.io.writers.nifti import nibabel_form

        return nibabel_form(path, image)
    if form in ("meta", "nrrd"):
        from ganatomy.data.io.writers.itk import itk_form

        return itk_form(path, form)
    if form in ("npy", "npz"):
        from ganatomy.data.io.writers.arrays import array_form

        return array_form(path, axes, dims)
    if form == "tiff":
        from ganatomy.data.io.writers.tiff import tiff_form

        return tiff_form(path)
    if form in ("png", "jpeg", "jpeg2000", "picture", "netpbm"):
        from ganatomy.data.io.writers.pictures import picture_form

        return picture_form(path, form)
    return None
