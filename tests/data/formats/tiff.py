"""TIFF, as tifffile, Pillow and hands write it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from ganatomy.data.regrid import PAGES
from tests.data.formats.pictures import LYING, saved
from tests.data.formats.png import BIT, HALF, LOOKED_UP, RAINBOW
from tests.data.formats.rows import (
    CLASSES,
    COLOUR,
    DEEP,
    DEEP_COLOUR,
    GREY,
    SMOOTH,
    SMOOTH_COLOUR,
    VOLUME,
    Row,
    holding,
    last,
    written,
)

MAP = np.zeros((3, 256), np.uint16)
MAP[:, :4] = RAINBOW.T.astype(np.uint16) * 257
DEEP_MAP = MAP.copy()
DEEP_MAP[:, :4] += np.arange(12, dtype=np.uint16).reshape(3, 4)
GREY_MAP = np.tile((np.arange(256) * 257).astype(np.uint16), (3, 1))
STACK = np.ascontiguousarray(VOLUME.transpose(2, 0, 1))
"""Pages first, as the file has them."""
BGR = np.stack([np.stack([GREY + k, GREY // 2, 255 - GREY], -1) for k in range(4)])
"""Four pages of colour [4,5,7,3]."""
SMALL = {"photometric": "minisblack", "metadata": None}


def tif(array: np.ndarray, **settings: Any) -> Callable[[Path], Path]:
    """By tifffile; grey where nothing else is said."""
    settings = {"photometric": "minisblack"} | settings
    return written("a.tif", lambda path: tifffile.imwrite(path, array, **settings))


def several(*pages: tuple[np.ndarray, dict[str, Any]], **file: Any) -> Callable[[Path], Path]:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(path, **file) as writer:
            for array, settings in pages:
                writer.write(array, **(SMALL | settings))

    return written("a.tif", write)


def turned(tag: int) -> Callable[[Path], Path]:
    lying = np.ascontiguousarray(LYING[tag](GREY))
    return tif(lying, extratags=[(274, "H", 1, tag, True)], metadata=None)


def packed12() -> Callable[[Path], Path]:
    """A grey TIFF of 12 bits, by hand: three bytes hold two numbers, a row begins at a whole byte."""
    values, rows = DEEP // 16, []
    for row in values:
        bits = np.unpackbits(row.astype(">u2").view(np.uint8)).reshape(-1, 16)[:, 4:]
        rows.append(np.packbits(bits.reshape(-1)).tobytes())
    pixels = b"".join(rows)
    tags = [
        (256, 7),
        (257, 5),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 5),
        (279, len(pixels)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    content = b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels
    return holding("a.tif", content + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0")


def ycbcr() -> np.ndarray:
    return np.array(Image.fromarray(last(SMOOTH_COLOUR)).convert("YCbCr"))


def stored_as(name: str, **settings: Any) -> Row:
    words = ", horizontal predictor" if settings else ""
    return Row(f"compression {name}{words}", tif(DEEP, compression=name, **settings), DEEP[None])


EXTRA = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
OPAQUE = last(np.concatenate([COLOUR, COLOUR[:1] * 0 + 255]))
VARYING = np.concatenate([COLOUR, HALF])
FLOAT = (GREY / 7 - 3).astype(np.float32)
IMAGEJ_SIGNED = {"imagej": True, "metadata": {"axes": "ZYX", "cf": 0, "c0": -32768.0, "c1": 1.0}}
PYRAMID = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)

ROWS = (
    Row("grey, 8 bits", tif(GREY), GREY[None]),
    Row("grey, 16 bits", tif(DEEP), DEEP[None]),
    Row("grey, 16 bits, big-endian", tif(DEEP, byteorder=">"), DEEP[None]),
    Row("grey, BigTIFF", tif(DEEP, bigtiff=True), DEEP[None]),
    Row("grey, 12 bits", packed12(), DEEP[None] // 16),
    Row("grey, 32 bits", tif(DEEP.astype(np.int32) * -99), DEEP[None].astype(np.int32) * -99),
    Row("float, 16 bits", tif(FLOAT.astype(np.float16)), FLOAT[None].astype(np.float16)),
    Row("float, 32 bits", tif(FLOAT), FLOAT[None]),
    Row("float, 64 bits", tif(FLOAT.astype(float)), FLOAT[None].astype(float)),
    Row("complex", tif(FLOAT.astype(np.complex64)), "complex"),
    Row("1 bit", tif(BIT.astype(bool)), (BIT * 255)[None]),
    Row("1 bit, WhiteIsZero", tif(BIT.astype(bool), photometric="miniswhite"), (255 - BIT * 255)[None]),
    Row("grey, WhiteIsZero", tif(GREY, photometric="miniswhite"), 255 - GREY[None]),
    Row("grey, 16 bits, WhiteIsZero", tif(DEEP, photometric="miniswhite"), 65535 - DEEP[None]),
    Row("float, WhiteIsZero", tif(FLOAT, photometric="miniswhite"), "no largest value"),
    Row("colour, 8 bits", tif(last(COLOUR), photometric="rgb"), COLOUR, True),
    Row("colour, 16 bits", tif(last(DEEP_COLOUR), photometric="rgb"), DEEP_COLOUR, True),
    Row("colour, planes apart", tif(COLOUR, photometric="rgb", planarconfig="separate"), COLOUR, True),
    Row("colour, opaque alpha", tif(OPAQUE, **EXTRA), COLOUR, True),
    Row("colour, alpha that differs: 4 channels", tif(last(VARYING), **EXTRA), VARYING),
    Row("four channels that are not colours", tif(VARYING, metadata={"axes": "CYX"}, ome=True), VARYING),
    Row("palette of colours", tif(CLASSES, photometric="palette", colormap=MAP), LOOKED_UP, True),
    Row(
        "palette of colours of 16 bits",
        tif(CLASSES, photometric="palette", colormap=DEEP_MAP),
        DEEP_MAP[:, CLASSES],
        True,
    ),
    Row("palette of greys", tif(GREY, photometric="palette", colormap=GREY_MAP), GREY[None]),
    Row(
        "mask, palette of colours",
        tif(CLASSES, photometric="palette", colormap=MAP),
        CLASSES[None],
        label=True,
    ),
    Row("YCbCr", tif(ycbcr(), photometric="ycbcr"), SMOOTH_COLOUR, True, near=3),
    Row(
        "YCbCr, JPEG",
        saved(SMOOTH_COLOUR, "a.tif", "TIFF", compression="jpeg", quality=98),
        SMOOTH_COLOUR,
        True,
        near=5,
    ),
    Row(
        "CMYK",
        tif(last(np.concatenate([255 - SMOOTH_COLOUR, SMOOTH[None] * 0])), photometric="separated"),
        SMOOTH_COLOUR,
        True,
    ),
    Row("CIELAB", tif(last(COLOUR), photometric="cielab"), "CIELAB"),
    *(Row(f"orientation {tag}", turned(tag), GREY[None]) for tag in LYING),
    stored_as("lzw"),
    stored_as("lzw", predictor=True),
    stored_as("zlib"),
    stored_as("packbits"),
    stored_as("lzma"),
    stored_as("zstd"),
    stored_as("lerc"),
    stored_as("jpeg2000"),
    stored_as("png"),
    Row("compression lzw, float predictor", tif(FLOAT, compression="lzw", predictor=3), FLOAT[None]),
    Row("compression webp", tif(last(COLOUR), photometric="rgb", compression="webp"), COLOUR, True),
    Row(
        "compression jpeg",
        tif(SMOOTH, compression="jpeg", compressionargs={"level": 98}),
        SMOOTH[None],
        near=3,
    ),
    *(
        Row(
            f"compression {name}",
            saved(Image.fromarray(BIT.astype(bool)), "a.tif", "TIFF", compression=name),
            (BIT * 255)[None],
        )
        for name in ("group3", "group4", "tiff_ccitt")
    ),
    Row("tiles", tif(PYRAMID, tile=(16, 16)), PYRAMID[None]),
    Row("pages", tif(STACK), VOLUME[None], affine=PAGES),
    Row("pages of colour", tif(BGR, photometric="rgb"), BGR.transpose(3, 1, 2, 0), True, affine=PAGES),
    Row("pages written one by one", several(*((p, {}) for p in STACK)), VOLUME[None], affine=PAGES),
    Row(
        "pages lying (orientation 6)",
        tif(
            np.ascontiguousarray(STACK.transpose(0, 2, 1)[:, ::-1]),
            extratags=[(274, "H", 1, 6, True)],
            metadata=None,
        ),
        VOLUME[None],
        affine=PAGES,
    ),
    Row("OME, pages", tif(STACK, ome=True, metadata={"axes": "ZYX"}), VOLUME[None], affine=PAGES),
    Row(
        "OME, one time, one channel",
        tif(STACK[None, :, None], ome=True, metadata={"axes": "TZCYX"}),
        VOLUME[None],
        affine=PAGES,
    ),
    Row(
        "OME, times and pages",
        tif(np.stack([STACK, STACK + 1]), ome=True, metadata={"axes": "TZYX"}),
        "axes TZYX",
    ),
    Row(
        "OME, channels and pages",
        tif(np.stack([STACK, STACK + 1]), ome=True, metadata={"axes": "CZYX"}),
        np.stack([VOLUME, VOLUME + 1]),
        affine=PAGES,
    ),
    Row(
        "ImageJ, pages",
        tif(STACK.astype(np.uint16), imagej=True, metadata={"axes": "ZYX"}),
        VOLUME[None].astype(np.uint16),
        affine=PAGES,
    ),
    Row(
        "ImageJ, channels",
        tif(COLOUR, imagej=True, metadata={"axes": "CYX", "mode": "composite"}),
        COLOUR,
    ),
    Row(
        "ImageJ, signed 16 bits",
        tif((STACK.astype(np.int32) + 32768).astype(np.uint16), **IMAGEJ_SIGNED),
        VOLUME[None],
        affine=PAGES,
    ),
    Row("with a thumbnail", several((PYRAMID, {}), (PYRAMID[::4, ::4], {"subfiletype": 1})), PYRAMID[None]),
    Row(
        "pyramid", several((PYRAMID, {"subifds": 1}), (PYRAMID[::2, ::2], {"subfiletype": 1})), PYRAMID[None]
    ),
    Row("images of different sizes", several((GREY, {}), (PYRAMID, {})), "2 images that are not a stack"),
)
