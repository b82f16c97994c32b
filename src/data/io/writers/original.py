"""The properties of an input file that its predictions keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.readers import is_dicom, is_plane, nibabel_image, read
from ganatomy.data.io.readers.sniff import beginning, kind
from ganatomy.data.io.writers.form import Form
from ganatomy.data.io.writers.forms import form_of
from ganatomy.data.io.writers.nifti import nifti1
from ganatomy.data.records import Record, Source


@dataclass(frozen=True)
class Original:
    """The properties of an input file that its predictions keep.

    Nothing else of the header is kept, as it may identify the patient.

    Attributes:
        dtype: type of the stored numbers.
        slope: value = number * slope + inter.
        inter: see `slope`.
        header: NIfTI header with the position of the voxels, or None.
        plane: True if the file has two axes.
        form: Format of the file, which `returned` writes; None for DICOM and arrays that are no files.
    """

    dtype: np.dtype[Any]
    slope: float = 1.0
    inter: float = 0.0
    header: Any = None
    plane: bool = False
    form: Form | None = field(default=None, repr=False, compare=False)

    def holding(self, dtype: np.dtype[Any]) -> Original:
        """Return the same geometry with numbers of another type, without scaling."""
        return replace(self, dtype=dtype, slope=1.0, inter=0.0)

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Return values as the file's numbers; integers are rounded and clipped to their range."""
        numbers = (values - self.inter) / self.slope if (self.slope, self.inter) != (1, 0) else values
        if self.dtype.kind == "f":
            return numbers.astype(self.dtype)
        if self.dtype.kind == "b":
            return np.asarray(numbers >= 0.5)
        limits = np.iinfo(self.dtype)
        top = np.nextafter(2.0 ** (8 * self.dtype.itemsize - 1), 0) if limits.max > 2**53 else limits.max
        return np.clip(np.rint(numbers), limits.min, top).astype(self.dtype)

    @property
    def ends(self) -> tuple[float, float]:
        """Return the lowest and the highest value that the file can hold."""
        if self.dtype.kind not in "iu":
            return (0.0, 1.0) if self.dtype.kind == "b" else (-np.inf, np.inf)
        limits = np.iinfo(self.dtype)
        low, high = sorted(float(end) * self.slope + self.inter for end in (limits.min, limits.max))
        return low, high

    def beyond(self, values: np.ndarray) -> int:
        """Return the number of values that integers of the file cannot hold, and `stored` clips."""
        if self.dtype.kind not in "iu":
            return 0
        low, high = self.ends
        half = abs(self.slope) / 2
        return int(np.count_nonzero((values < low - half) | (values > high + half)))


def original(source: Source, record: Record, role: str = "image") -> Original:
    """Return the properties of the file that holds a record's image, or its target if it has one.

    Without such a file they are those of the loaded array. Several files, one per channel, give a type that
    holds the numbers of all of them.

    Args:
        source: the data set.
        record: the case.
        role: image or target.
    """
    paths = source.paths(record, role) if hasattr(source, "paths") else []
    if hasattr(source, "paths") and not paths and role != "image":
        return original(source, record)
    if not paths or is_dicom(paths[0]):
        case = source.load(record)
        return Original(case.get(role, case["image"]).dtype)
    how = getattr(source, "axes", None), getattr(source, "spatial_dims", None)
    return in_common([_of_file(path, *how) for path in paths])


def in_common(several: Sequence[Original]) -> Original:
    """Return the properties of the first of some files, with a type that holds the numbers of all of them."""
    types = [each.dtype for each in several]
    if len({(each.slope, each.inter) for each in several}) > 1:
        return several[0].holding(np.result_type(np.float32, *types))
    return replace(several[0], dtype=np.result_type(*types))


def _of_file(path: Path, axes: str | None, dims: int | None) -> Original:
    image = nibabel_image(path)
    form = form_of(path, axes, dims, image)
    if image is None:
        return Original(_type(path, axes, dims), plane=is_plane(path), form=form)
    header = image.header if isinstance(image.header, nifti1.Nifti1Header) else None
    dtype = np.dtype(image.get_data_dtype())
    voxels = image.dataobj
    number = dtype[0] if dtype.names else dtype
    return Original(number, float(voxels.slope), float(voxels.inter), header, len(image.shape) == 2, form)


def _type(path: Path, axes: str | None, dims: int | None) -> np.dtype[Any]:
    """Return the type of a file's numbers as it is read: of a PNG from its header, else by reading it."""
    head = beginning(path)
    if kind(path, head) == "png":
        return np.dtype(np.uint16 if head[24] == 16 else np.uint8)
    return read(path, axes, dims)[0].dtype
