"""Values back to the numbers that a DICOM file stores: the inverse of `pixels.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganatomy.data.io.dicom.multiframe import Frame
from ganatomy.data.io.dicom.pixels import COLOUR, padding_of, padding_range, scaling

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
FLOATS: dict[str, np.dtype[Any]] = {
    "FloatPixelData": np.dtype("<f4"),
    "DoubleFloatPixelData": np.dtype("<f8"),
}
MOST = 2**16 - 1


@dataclass(frozen=True)
class Storage:
    """Storage of pixels: value = slope * number + intercept.

    Attributes:
        dtype: Type of the stored numbers, little-endian.
        bits: BitsStored of integers.
        slope: Factor of the numbers.
        intercept: Offset, added after the factor.
        turned: True for MONOCHROME1, whose numbers are inverted within their bits.
    """

    dtype: np.dtype[Any]
    bits: int
    slope: float = 1.0
    intercept: float = 0.0
    turned: bool = False

    @property
    def ends(self) -> tuple[int, int]:
        """Smallest and largest number that can be stored."""
        low = -(2 ** (self.bits - 1)) if self.dtype.kind == "i" else 0
        return low, low + 2**self.bits - 1

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return values as stored numbers; integers are rounded and clipped to their bits."""
        exact = values.astype(np.float64)
        if (self.slope, self.intercept) != (1, 0):
            exact = (exact - self.intercept) / self.slope
        if self.dtype.kind == "f":
            return exact.astype(self.dtype)
        low, high = self.ends
        whole = np.clip(np.rint(exact), low, high).astype(np.int64)
        return (low + high - whole if self.turned else whole).astype(self.dtype)


def storage_of(frame: Frame, colours: int, values: np.ndarray, wide: bool) -> Storage:
    """Return the storage of a derived frame in the units of its source.

    It is that of the source, but colours have no scaling, and what the source looks up in a table (palette,
    modality table) is stored as it is.

    Args:
        frame: The source.
        colours: 3 for colours, 1 for grey.
        values: Values of the frame.
        wide: True to enlarge the slope if the values are beyond the bits (slices with slopes of their own,
            such as PET).
    """
    file = frame.file
    kind = str(file.get("PhotometricInterpretation"))
    bits = int(file.get("BitsStored") or 16)
    if colours == 3 or _looked_up(file):
        depth = _depth(file) if _looked_up(file) else 8 if values.max() <= 255 else 16
        return Storage(np.dtype(f"<u{depth // 8}"), depth)
    if floats := next((name for name in FLOATS if name in file), None):
        return Storage(FLOATS[floats], 0, *scaling(frame))
    allocated = max(8, int(file.BitsAllocated))
    dtype = np.dtype(f"<{'i' if file.PixelRepresentation else 'u'}{allocated // 8}")
    slope, intercept = scaling(frame)
    own = Storage(dtype, bits if bits > 1 else 8, slope, intercept, kind == "MONOCHROME1")
    top = own.ends[1]
    if wide and slope > 0 and values.max() > slope * top + intercept:
        slope = _written(float(values.max() - intercept) / top)
        return Storage(dtype, own.bits, slope, intercept, own.turned)
    return own


def _looked_up(file: Any) -> bool:
    """Return True if a file has colours, or looks its values up in a table."""
    kind = str(file.get("PhotometricInterpretation"))
    return kind in (*COLOUR, "PALETTE COLOR") or bool(file.get("ModalityLUTSequence"))


def _depth(file: Any) -> int:
    """Return the bits of what is read from a file that has colours or a table."""
    if file.get("PhotometricInterpretation") == "PALETTE COLOR":
        return 8 if int(file.RedPaletteColorLookupTableDescriptor[2]) <= 8 else 16
    if file.get("ModalityLUTSequence"):
        return 8 if int(file.ModalityLUTSequence[0].LUTDescriptor[2]) <= 8 else 16
    return int(file.BitsAllocated)


HOUNSFIELD = Storage(np.dtype("<i2"), 16)
"""Storage of a CT: whole HU, clipped to 16 bits."""


def in_own_units(values: np.ndarray) -> Storage:
    """Return the storage of values [...] whose units are not those of the source: 16 bits, one slope for all.

    Whole numbers that fit keep a slope of 1.
    """
    low, high = float(values.min()), float(values.max())
    whole = values.dtype.kind in "iu" or bool((values == np.rint(values)).all())
    if whole and high - low <= MOST:
        return Storage(np.dtype("<u2"), 16, 1.0, 0.0 if low >= 0 and high <= MOST else low)
    slope = _written((high - low) / (MOST - 1) or 1.0)
    return Storage(np.dtype("<u2"), 16, slope, _written(low))


def _written(number: float) -> float:
    """Return a number as it is written in the 16 characters of a decimal string."""
    return float(f"{number:.10g}")


def padded(numbers: np.ndarray, before: np.ndarray, file: Any, form: Storage) -> np.ndarray:
    """Return stored numbers with padding where the source has it, and nowhere else.

    Args:
        numbers: Stored numbers [rows, columns] of the derived frame.
        before: Those of the source.
        file: Dataset of the source.
        form: Storage of both.
    """
    mask, ends = padding_of(before, file), padding_range(before, file)
    if mask is None or ends is None or numbers.ndim == 3:
        return numbers
    false = (numbers >= ends[0]) & (numbers <= ends[1]) & ~mask
    numbers = np.where(mask, before, numbers).astype(form.dtype)
    if form.dtype.kind != "f":
        numbers[false] = ends[1] + 1 if ends[1] < form.ends[1] else ends[0] - 1
    return numbers


def describe(out: Any, form: Storage, frames: Sequence[np.ndarray]) -> None:
    """Write pixels and their description into a dataset; the scaling is written elsewhere.

    Args:
        out: Dataset without pixels.
        form: Storage of the numbers.
        frames: Stored numbers, each [rows, columns] or [rows, columns, 3].
    """
    out.Rows, out.Columns = frames[0].shape[:2]
    out.SamplesPerPixel = 3 if frames[0].ndim == 3 else 1
    grey = "MONOCHROME1" if form.turned else "MONOCHROME2"
    out.PhotometricInterpretation = "RGB" if frames[0].ndim == 3 else grey
    out.pop("PlanarConfiguration", None)
    if frames[0].ndim == 3:
        out.PlanarConfiguration = 0
    out.BitsAllocated = 8 * form.dtype.itemsize
    content = b"".join(frame.astype(form.dtype).tobytes() for frame in frames)
    if form.dtype.kind == "f":
        name = next(name for name, dtype in FLOATS.items() if dtype == form.dtype)
        setattr(out, name, content)
        return
    out.BitsStored, out.HighBit = form.bits, form.bits - 1
    out.PixelRepresentation = int(form.dtype.kind == "i")
    out.PixelData = content + b"\0" * (len(content) % 2)
    out["PixelData"].VR = "OB" if form.dtype.itemsize == 1 else "OW"
