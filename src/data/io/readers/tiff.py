"""TIFF, read by tifffile: a plane [C,H,W], or a stack with its pages as the last axis [C,H,W,D]."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.readers.stored import PLANE, Refused, Stored, constant, looked_up, opaque
from ganatomy.data.regrid import PAGES

ASIDE = ("thumbnail", "label", "macro", "overview")
"""Images that slide scanners store in addition to the slide."""
ALPHA = (1, 2)
"""ExtraSamples that are transparency; 0 is a channel of unknown meaning."""
SHOWN_COLOURS = {2: "RGB", 5: "CMYK", 6: "YCbCr"}
JPEGS = (6, 7, 33007)


def tiff(path: Path, label: bool) -> Stored:
    """Read a TIFF with PhotometricInterpretation and Orientation applied; thumbnails are ignored.

    Raises Refused for several images that are not a stack, for two page axes, and for colour spaces without a
    plain conversion to RGB.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = _series(file)
        page = series.keyframe
        if any(part is None for part in series.pages):
            raise Refused("refers to pages in other files, which are missing")
        array, axes = series.asarray(), series.axes
        tags = {
            name: tag.value
            for name in ("Orientation", "ReferenceBlackWhite", "YCbCrCoefficients")
            if (tag := page.tags.get(name)) is not None
        }
        array, axes = _ordered(_signed(array, file.imagej_metadata or {}), axes)
        stored = _as_shown(array, page, tags, label)
    if len(axes) == 4:  # pages
        stored = replace(stored, affine=PAGES)
    return stored.upright(int(tags.get("Orientation", 1)))


def _series(file: Any) -> Any:
    """Return the image, or the stack of pages."""
    series = [s for s in file.series if not s.keyframe.subfiletype & 5 and s.name.lower() not in ASIDE]
    if not series:
        raise Refused("holds thumbnails or masks only")
    first = series[0]
    for other in series[1:]:
        ratio = [a / b for a, b in zip(first.shape, other.shape, strict=False) if a != b]
        level = (
            len(first.shape) == len(other.shape)
            and ratio
            and max(ratio) < 1.1 * min(ratio)
            and min(ratio) > 1.5
        )
        if not level:
            shapes = ", ".join("x".join(map(str, s.shape)) for s in series[:4])
            raise Refused(f"holds {len(series)} images that are not a stack ({shapes}); save the one to use")
    return first


def _ordered(array: np.ndarray, axes: str) -> tuple[np.ndarray, str]:
    """Return the array as [C,H,W] or [C,H,W,D] without axes of length 1, and its axes."""
    keep = [i for i, n in enumerate(array.shape) if n > 1 or axes[i] in "YX"]
    array, axes = array.reshape([array.shape[i] for i in keep]), "".join(axes[i] for i in keep)
    colour = [i for i, name in enumerate(axes) if name in "SC"]
    pages = [i for i, name in enumerate(axes) if name not in "SCYX"]
    if len(colour) > 1 or len(pages) > 1 or "Y" not in axes or "X" not in axes:
        raise Refused(
            f"axes {axes} ({'x'.join(map(str, array.shape))}): at most one page axis (Z, T, ...) besides "
            "channels, height and width is supported; save one volume per file"
        )
    array = np.transpose(array, [*colour, axes.index("Y"), axes.index("X"), *pages])
    return (array if colour else array[None]), "CYX" + "D" * len(pages)


def _as_shown(array: np.ndarray, page: Any, tags: dict[str, Any], label: bool) -> Stored:
    kind, bits = int(page.photometric), page.bitspersample
    extra = [int(sample) for sample in page.extrasamples or ()]
    if extra and extra[-1] in ALPHA and len(array) == page.samplesperpixel:
        if constant(array[-1]):
            array, extra = array[:-1], extra[:-1]
        elif kind in (3, 5, 6):
            opaque(array[-1])
    if kind == 3:
        return _palette(array, page, label)
    if kind in SHOWN_COLOURS:
        colour = len(array) == (4 if kind == 5 else 3) and not extra
        if kind == 2 or (kind == 6 and int(page.compression) in JPEGS):  # tifffile decodes JPEG to RGB
            return Stored(array, PLANE, colour)
        if not colour:
            raise Refused(f"{SHOWN_COLOURS[kind]} with {len(array)} channels; save it as RGB")
        return _to_rgb(array, SHOWN_COLOURS[kind], tags)
    if kind not in (0, 1):
        raise Refused(f"its colours are {getattr(page.photometric, 'name', kind)}; save it as grey or RGB")
    if kind == 0:
        array = _inverted(array, bits)
    if array.dtype == bool:
        return Stored(
            array.astype(np.uint8) * np.uint8(255), PLANE, False, array.astype(np.uint8) if label else None
        )
    return Stored(array, PLANE)


def _palette(array: np.ndarray, page: Any, label: bool) -> Stored:
    """Apply ColorMap; colours become 8 bits unless they use all 16."""
    colours = np.asarray(page.colormap).T
    if colours.max() > 255:
        if (colours % 257 == 0).all() or (colours % 256 == 0).all():
            colours = (colours >> 8).astype(np.uint8)
    else:
        colours = colours.astype(np.uint8)
    if len(array) > 1:
        raise Refused("palette indices in more than one channel; save it as grey or RGB")
    return looked_up(
        array[0].astype(np.uint16 if array.dtype.itemsize > 1 else np.uint8), colours, None, label
    )


def _to_rgb(array: np.ndarray, mode: str, tags: dict[str, Any]) -> Stored:
    """Convert by Pillow's formulas: full-range BT.601 for YCbCr, no ink profile for CMYK."""
    from PIL import Image

    if array.dtype != np.uint8 or array.ndim != 3:
        raise Refused(f"{mode} of {array.dtype}, {array.ndim - 1} axes; save it as RGB")
    black_white = [top / bottom for top, bottom in _pairs(tags.get("ReferenceBlackWhite"))]
    if mode == "YCbCr" and black_white not in ([], [0, 255, 128, 255, 128, 255]):
        raise Refused("YCbCr with a reduced range (ReferenceBlackWhite); save it as RGB")
    weights = [round(top / bottom, 3) for top, bottom in _pairs(tags.get("YCbCrCoefficients"))]
    if mode == "YCbCr" and weights not in ([], [0.299, 0.587, 0.114]):
        raise Refused("YCbCr with non-standard weights (YCbCrCoefficients); save it as RGB")
    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(array, 0, -1)), mode)
    return Stored(np.moveaxis(np.array(image.convert("RGB")), -1, 0), PLANE, True)


def _pairs(value: Any) -> list[tuple[int, int]]:
    """Return a tag's fractions as (numerator, denominator)."""
    return list(zip(value[::2], value[1::2], strict=True)) if value else []


def _inverted(array: np.ndarray, bits: int) -> np.ndarray:
    """Invert WhiteIsZero, where the largest number is black."""
    if array.dtype == bool:
        return ~array
    if array.dtype.kind != "u":
        raise Refused(f"WhiteIsZero of {array.dtype}, which has no largest value; save it as BlackIsZero")
    inverted: np.ndarray = array.dtype.type(2**bits - 1) - array
    return inverted


def _signed(array: np.ndarray, metadata: dict[str, Any]) -> np.ndarray:
    """Restore ImageJ's signed 16 bits, stored unsigned with a calibration of -32768."""
    if array.dtype != np.uint16 or metadata.get("cf") != 0:
        return array
    if float(metadata.get("c0", 0)) != -32768 or float(metadata.get("c1", 1)) != 1:
        return array
    return (array.astype(np.int32) - 32768).astype(np.int16)
