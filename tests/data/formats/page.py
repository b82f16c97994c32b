"""docs/formats.md out of the table: `python -m tests.data.formats.page` writes it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganatomy.data.io.dicom.outputs import About, write_derived
from ganatomy.data.io.readers import ReadError, is_dicom, read, read_label
from ganatomy.data.io.writers import original, returned
from ganatomy.data.records import Record
from ganatomy.data.regrid import Grid
from tests.data.formats import arrays, dicom, itk, pictures, png, tiff, volumes
from tests.data.formats.rows import Row

PAGE = Path(__file__).parents[3] / "docs" / "formats.md"
FAMILIES: dict[str, tuple[Row, ...]] = {
    "PNG": png.ROWS,
    "JPEG": pictures.JPEG,
    "JPEG 2000": pictures.JPEG2000,
    "BMP, GIF, WebP, Netpbm": pictures.OTHERS,
    "TIFF": tiff.ROWS,
    "NIfTI, Analyze, MGH": volumes.ROWS,
    "MetaImage, NRRD": itk.ROWS,
    "NumPy": arrays.ROWS,
    "DICOM": dicom.ROWS,
}
"""Headings of the page and what stands below each; a new format or form is a row more."""
INTRODUCTION = Path(__file__).with_name("introduction.md")


def page() -> str:
    """The whole page, from files that are made and read now."""
    texts = [INTRODUCTION.read_text()]
    for family, rows in FAMILIES.items():
        if rows:
            lines = [f"| {row.form} | {outcome(row)} |".replace("\\n", " ") for row in rows]
            texts.append(
                "\n".join(
                    [f"## {family}\n", "| stored | read as | written as |", "| --- | --- | --- |", *lines]
                )
                + "\n"
            )
    return "\n".join(texts)


def outcome(row: Row) -> str:
    """What is read of a row, in words."""
    with tempfile.TemporaryDirectory() as folder:
        path = row.write(Path(folder))
        try:
            array, grid = opened(row, path)
        except ReadError as error:
            reason = str(error).removeprefix(f"{path}: ").replace(folder, "").replace("|", "/")
            # the words of other libraries change with their versions
            words = "cannot be read" if reason.startswith("cannot be read") else reason
            return f"refused: {words} |"
        ending = written_as(row, path, array, grid)
    form = "label map" if row.label else "colour" if grid.colour else channels(len(array))
    return f"{form}, {'volume' if array.ndim == 4 else 'picture'}, {array.dtype} | {ending}"


def written_as(row: Row, path: Path, array: np.ndarray, grid: Grid) -> str:
    """The ending of the file that a result on this input is written to."""
    if is_dicom(path):
        try:
            write_derived([path], array.astype(float), grid.affine, About())
        except ValueError:
            return f"{'.nii.gz' if array.ndim == 4 else '.tiff'} with `format=nifti`"
        return "DICOM"
    like = original(One(path, row.axes, row.dims or (3 if array.ndim == 4 else 2)), Record("a", "a"))
    dtype = np.dtype(np.uint8) if row.label else like.dtype
    return returned(array.astype(float), grid.affine, like.holding(dtype) if row.label else like)[0]


@dataclass
class One:
    """A source of one file."""

    path: Path
    axes: str | None = None
    spatial_dims: int = 2
    channels: int = 1

    def paths(self, record: Record, role: str) -> list[Path]:
        return [self.path]


def opened(row: Row, path: Path) -> tuple[np.ndarray, Grid]:
    """Through the door that the row is for."""
    if row.label:
        return read_label(path, row.values, row.axes, row.dims)
    return read(path, row.axes, row.dims)


def channels(count: int) -> str:
    return "grey" if count == 1 else f"{count} channels"


if __name__ == "__main__":
    PAGE.write_text(page())
