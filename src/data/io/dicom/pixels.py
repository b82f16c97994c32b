"""Stored pixels to the units of the file: palettes, modality tables, slopes, inversion, padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganatomy.data.io.dicom.multiframe import Frame, frames_of
from ganatomy.data.io.dicom.tables import by_modality_table, coloured

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
"""Photometric interpretations that pydicom decodes to red, green and blue."""
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
LOSSY = tuple(f"1.2.840.10008.1.2.4.{end}" for end in (50, 51, 81, 91, 203))
"""Transfer syntaxes: JPEG of 8 and 12 bits, near-lossless JPEG-LS, JPEG 2000, HTJ2K."""
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def rescaled(file: Any) -> np.ndarray:
    """Return the pixels of a single-frame file, [rows,columns] or [rows,columns,3], in the units of the file.

    Values stay integers where possible; padding is set to the smallest other value.
    """
    (values, padding), *rest = values_of(file)
    if rest:
        raise ValueError(f"has {1 + len(rest)} frames")
    return filled(values, padding)


def values_of(file: Any) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Return for each frame of a file its values and its padding mask (None: no padding)."""
    stored = stored_pixels(file)
    frames = frames_of(file)
    if len(stored) != len(frames):
        raise ValueError(f"has {len(stored)} frames of pixels, but its header names {len(frames)}")
    return [
        (_in_units(pixels, frame), padding_of(pixels, file))
        for pixels, frame in zip(stored, frames, strict=True)
    ]


def filled(values: np.ndarray, padding: np.ndarray | None) -> np.ndarray:
    """Return the values with padding set to the smallest other value."""
    if padding is None or not padding.any() or padding.all():
        return values
    values = values.copy()
    values[padding] = values[~padding].min()
    return values


def stored_pixels(file: Any) -> np.ndarray:
    """Return pixels [frames,rows,columns], or [frames,rows,columns,3] in colour, with palettes applied."""
    if str(file.get("SOPClassUID")) in SEGMENTATIONS:
        raise ValueError("is a DICOM segmentation (SEG), which is not supported; convert it to NIfTI or PNG")
    if str(file.get("SOPClassUID")) == SLIDE:
        raise ValueError("is a tiled slide, which is not supported; export the region as TIFF or PNG")
    if not any(name in file for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise ValueError(f"holds no pixels, or is cut short (modality {file.get('Modality') or 'not named'})")
    kind, bits = str(file.get("PhotometricInterpretation")), file.get("BitsAllocated")
    samples = int(file.get("SamplesPerPixel") or 1)
    if kind not in (*GREY, *COLOUR, "PALETTE COLOR") or samples != (3 if kind in COLOUR else 1):
        raise ValueError(f"its {samples} samples per pixel of the kind {kind} are not supported")
    if kind.startswith("YBR_FULL") and bits != 8:
        raise ValueError(f"its {kind} has {bits} bits per colour, where only 8 are supported")
    if "PixelData" in file and int(file.get("HighBit", file.BitsStored - 1)) > file.BitsStored - 1:
        raise ValueError(
            f"its pixels lie in the upper bits (HighBit {file.HighBit}, BitsStored {file.BitsStored}), "
            "which DICOM no longer allows; shift them"
        )
    stored = file.pixel_array
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    stored = _whole(stored.reshape(-1, file.Rows, file.Columns, *[samples] * (samples > 1)), file)
    return coloured(stored, file) if kind == "PALETTE COLOR" else stored


def _whole(stored: np.ndarray, file: Any) -> np.ndarray:
    """Return numbers of BitsStored bits with the unused upper bits cleared or sign-extended.

    pydicom does this for uncompressed pixels; for compressed ones it leaves the sign to the decoder, and that
    of JPEG-LS does not restore it.
    """
    plain = stored.dtype.kind == "f" or not file.file_meta.TransferSyntaxUID.is_compressed
    if plain or file.BitsStored >= 8 * stored.dtype.itemsize:
        return stored
    mask, sign = (1 << file.BitsStored) - 1, 1 << (file.BitsStored - 1)
    low: np.ndarray = stored & stored.dtype.type(mask)
    return (low ^ sign) - sign if file.PixelRepresentation else low


def _in_units(stored: np.ndarray, frame: Frame) -> np.ndarray:
    """Return slope * stored + intercept, or the values of the modality table.

    MONOCHROME1 is inverted within the range of its bits, so that a tissue has the same value in all images
    and bright means dense.
    """
    file, how = frame.file, frame.macro("PixelValueTransformationSequence")
    if stored.ndim == 3:
        return stored
    turned = file.PhotometricInterpretation == "MONOCHROME1"
    if turned:
        _check_turning(file, how, stored)
    if file.get("ModalityLUTSequence"):
        values, top = by_modality_table(stored, file)
        return (top - values.astype(np.int64)).astype(values.dtype) if turned else values
    if turned:
        total = -1 if file.PixelRepresentation else 2**file.BitsStored - 1
        stored = (total - stored.astype(np.int64)).astype(stored.dtype)
    slope, intercept = scaling(frame)
    if stored.dtype.kind == "f":
        plain = slope == 1 and intercept == 0
        return (stored if plain else stored.astype(np.float64) * slope + intercept).astype(np.float32)
    if slope == 1 and intercept == 0:
        return stored
    if slope.is_integer() and intercept.is_integer():
        ends = [int(value) * int(slope) + int(intercept) for value in (stored.min(), stored.max())]
        wide = max(map(abs, [*ends, int(stored.max()), int(stored.min())])) >= 2**31
        return stored.astype(np.int64 if wide else np.int32) * int(slope) + int(intercept)
    return (stored * slope + intercept).astype(np.float32)


def scaling(frame: Frame) -> tuple[float, float]:
    """Return slope and intercept of a frame: value = slope * stored + intercept.

    Raises ValueError if the slope is 0 or one of them is no number.
    """
    file, how = frame.file, frame.macro("PixelValueTransformationSequence")
    slope, intercept = _number(how, "RescaleSlope", 1.0), _number(how, "RescaleIntercept", 0.0)
    if file.get("Modality") == "RTDOSE" or "DoseGridScaling" in file:
        slope, intercept = _number(file, "DoseGridScaling", slope), 0.0
    if slope == 0 or not np.isfinite([slope, intercept]).all():
        raise ValueError(f"its RescaleSlope is {slope:g} and its RescaleIntercept {intercept:g}")
    return slope, intercept


def _check_turning(file: Any, how: Any, stored: np.ndarray) -> None:
    """Raise ValueError if inverting MONOCHROME1 is not well defined."""
    if stored.dtype.kind == "f":
        raise ValueError("its pixels are floats and MONOCHROME1, which is not supported")
    if file.get("Modality") in ("CT", "PT", "RTDOSE") or how.get("RescaleType") == "HU":
        raise ValueError(
            f"its pixels are MONOCHROME1 but quantitative ({file.get('Modality')}), which programs read "
            "in two ways; set PhotometricInterpretation to MONOCHROME2 if the stored values are to be kept"
        )


def padding_of(stored: np.ndarray, file: Any) -> np.ndarray | None:
    """Return the mask of pixels whose numbers are padding; None: no padding."""
    ends = padding_range(stored, file)
    if ends is None:
        return None
    found: np.ndarray = (stored >= ends[0]) & (stored <= ends[1])
    return found


def padding_range(stored: np.ndarray, file: Any) -> tuple[float, float] | None:
    """Return the lowest and the highest number that is padding: PixelPaddingValue and its limit.

    Also None after lossy compression without a range: padding is then only near its value, and pixels at that
    value may belong to the image.
    """
    word = "FloatPixelPadding" if stored.dtype.kind == "f" else "PixelPadding"
    word = "DoubleFloatPixelPadding" if stored.dtype == np.float64 else word
    value, limit = file.get(f"{word}Value"), file.get(f"{word}RangeLimit")
    if value is None or stored.ndim == 3 or file.get("PhotometricInterpretation") == "PALETTE COLOR":
        return None
    lossy = file.get("LossyImageCompression") == "01" or file.file_meta.TransferSyntaxUID in LOSSY
    if lossy and limit is None:
        return None
    ends = [value, value if limit is None else limit]
    if stored.dtype.kind != "f":  # writers mix up the signs of the padding and of the pixels
        bits, below = file.BitsStored, 2 ** (file.BitsStored - 1) if file.PixelRepresentation else 0
        ends = [(int(end) + below) % 2**bits - below for end in ends]
    return min(ends), max(ends)


def _number(where: Any, keyword: str, otherwise: float) -> float:
    value = where.get(keyword)
    return otherwise if value is None or value == "" else float(value)
