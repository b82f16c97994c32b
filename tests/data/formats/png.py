"""PNG files, byte by byte: Pillow writes neither 16 bits a colour nor interlaced ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.data.formats.rows import CLASSES, COLOUR, DEEP, DEEP_COLOUR, GREY, Row, holding, last

KINDS = {1: 0, 2: 4, 3: 2, 4: 6}
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
"""Adam7: first row, first column, step of rows, step of columns (PNG specification, 8.2)."""
RAINBOW = np.array([[0, 0, 0], [200, 10, 20], [30, 180, 40], [50, 60, 220]], np.uint8)
CLEAR = np.full((1, 5, 7), 255, np.uint8)
HALF = CLEAR - (np.arange(7) > 3).astype(np.uint8) * 100


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(
    array: np.ndarray, depth: int = 8, kind: int | None = None, interlaced: bool = False, **chunks: bytes
) -> bytes:
    """[H,W] or [C,H,W]; `chunks` stand before the pixels."""
    pixels = array[..., None] if array.ndim == 2 else last(array)
    parts = [pixels[r::dr, c::dc] for r, c, dr, dc in PASSES] if interlaced else [pixels]
    rows = b"".join(b"\0" + packed(row, depth) for part in parts if part.size for row in part)
    colour = KINDS[pixels.shape[-1]] if kind is None else kind
    size = (pixels.shape[1], pixels.shape[0])
    head = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, int(interlaced))
    extra = b"".join(chunk(name.encode(), content) for name, content in chunks.items())
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def packed(row: np.ndarray, depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    if depth == 8:
        return row.astype(np.uint8).tobytes()
    bits = np.unpackbits(row.reshape(-1, 1).astype(np.uint8), axis=1)[:, 8 - depth :]
    return np.packbits(bits.reshape(-1)).tobytes()


def of(array: np.ndarray, **settings: object) -> Callable[[Path], Path]:
    return holding("a.png", png(array, **settings))  # type: ignore[arg-type]


def exif(tag: int) -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HH", tag, 0) + b"\0\0\0\0"


BIT = (GREY % 3 == 0).astype(np.uint8)
PALETTE = {"PLTE": RAINBOW.tobytes()}
GREYS = {"PLTE": np.repeat(np.array([0, 85, 170, 255], np.uint8), 3).tobytes()}
BLACK_WHITE = {"PLTE": bytes([0, 0, 0, 255, 255, 255])}
LOOKED_UP = np.moveaxis(RAINBOW[CLASSES], -1, 0)
ANIMATED = {"acTL": struct.pack(">II", 2, 0), "fcTL": struct.pack(">IIIIIHHBB", 0, 7, 5, 0, 0, 1, 10, 0, 0)}
AGAIN = ANIMATED["fcTL"]

ROWS = (
    Row("grey, 8 bits", of(GREY), GREY[None]),
    Row("grey, 16 bits", of(DEEP, depth=16), DEEP[None]),
    Row("grey, 4 bits", of(GREY % 16, depth=4), (GREY % 16 * 17)[None]),
    Row("grey, 2 bits", of(CLASSES, depth=2), (CLASSES * 85)[None]),
    Row("1 bit", of(BIT, depth=1), (BIT * 255)[None]),
    Row("colour, 8 bits", of(COLOUR), COLOUR, colour=True),
    Row("colour, 16 bits", of(DEEP_COLOUR, depth=16), DEEP_COLOUR, colour=True),
    Row("colour, 16 bits, interlaced", of(DEEP_COLOUR, depth=16, interlaced=True), DEEP_COLOUR, colour=True),
    Row("grey, interlaced", of(GREY, interlaced=True), GREY[None]),
    Row("grey with gAMA and sBIT", of(GREY, gAMA=struct.pack(">I", 45455), sBIT=b"\5"), GREY[None]),
    Row("palette of colours", of(CLASSES, kind=3, **PALETTE), LOOKED_UP, colour=True),
    Row("palette of colours, 2 bits", of(CLASSES, depth=2, kind=3, **PALETTE), LOOKED_UP, colour=True),
    Row("palette of greys", of(CLASSES, kind=3, **GREYS), (CLASSES * 85)[None]),
    Row(
        "palette, transparent where unused",
        of(CLASSES % 3, kind=3, **PALETTE, tRNS=b"\xff\xff\xff\0"),
        np.moveaxis(RAINBOW[CLASSES % 3], -1, 0),
        colour=True,
    ),
    Row("palette, transparency that differs", of(CLASSES, kind=3, **PALETTE, tRNS=b"\0\x80"), "transparency"),
    Row("grey with alpha, opaque", of(np.concatenate([GREY[None], CLEAR])), GREY[None]),
    Row(
        "grey with alpha, 16 bits, opaque",
        of(np.stack([DEEP, DEEP * 0 + 65535]), depth=16),
        DEEP[None],
    ),
    Row("grey with alpha that differs", of(np.concatenate([GREY[None], HALF])), "transparency"),
    Row("grey with alpha that differs, 16 bits", of(np.stack([DEEP, DEEP]), depth=16), "transparency"),
    Row("colour with alpha, opaque", of(np.concatenate([COLOUR, CLEAR])), COLOUR, colour=True),
    Row(
        "colour with alpha, 16 bits, opaque",
        of(np.concatenate([DEEP_COLOUR, DEEP_COLOUR[:1] * 0 + 65535]), depth=16),
        DEEP_COLOUR,
        colour=True,
    ),
    Row("colour with alpha that differs", of(np.concatenate([COLOUR, HALF])), "transparency"),
    Row(
        "colour with alpha that differs, 16 bits",
        of(np.concatenate([DEEP_COLOUR, DEEP_COLOUR[:1]]), depth=16),
        "transparency",
    ),
    Row("grey with a transparent value", of(GREY, tRNS=struct.pack(">H", int(GREY[2, 2]))), GREY[None]),
    Row(
        "colour with a transparent value",
        of(COLOUR, tRNS=struct.pack(">HHH", *map(int, COLOUR[:, 2, 2]))),
        COLOUR,
        colour=True,
    ),
    Row(
        "colour, 16 bits, with a transparent value",
        of(DEEP_COLOUR, depth=16, tRNS=struct.pack(">HHH", *map(int, DEEP_COLOUR[:, 2, 2]))),
        DEEP_COLOUR,
        colour=True,
    ),
    Row("EXIF orientation 6", of(GREY.T[::-1], eXIf=exif(6)), GREY[None]),
    Row(
        "animation (APNG)",
        holding(
            "a.png",
            png(GREY, **ANIMATED)[:-12]
            + chunk(b"fcTL", b"\0\0\0\1" + AGAIN[4:])
            + chunk(b"fdAT", b"\0\0\0\2" + zlib.compress(b"".join(b"\0" + r.tobytes() for r in GREY)))
            + chunk(b"IEND", b""),
        ),
        "2 frames",
    ),
    Row("mask: palette of colours", of(CLASSES, kind=3, **PALETTE), CLASSES[None], label=True),
    Row(
        "mask: palette of colours, some transparent",
        of(CLASSES, kind=3, **PALETTE, tRNS=b"\0"),
        CLASSES[None],
        label=True,
        values=range(4),
    ),
    Row(
        "mask: black and white palette, classes 0 and 1",
        of(BIT, kind=3, **BLACK_WHITE),
        BIT[None],
        label=True,
        values=[0, 1],
    ),
    Row(
        "mask: black and white palette, label_values=[0,255]",
        of(BIT, kind=3, **BLACK_WHITE),
        (BIT * 255)[None],
        label=True,
        values=[0, 255],
    ),
    Row(
        "mask: grey palette, indices and greys both classes",
        of(BIT, kind=3, PLTE=bytes([0, 0, 0, 2, 2, 2])),
        "label values are ambiguous: its indices 0, 1 or their greys 0, 2",
        label=True,
        values=[0, 1, 2],
    ),
    Row("mask: 1 bit, no values said", of(BIT, depth=1), (BIT * 255)[None], label=True),
    Row("mask: 1 bit, classes 0 and 1", of(BIT, depth=1), BIT[None], label=True, values=[0, 1]),
    Row("mask: grey, 16 bits", of(DEEP, depth=16), DEEP[None], label=True),
    Row("mask: 2 bits, classes 0 to 3", of(CLASSES, depth=2), CLASSES[None], label=True, values=range(4)),
    Row(
        "mask: 1 bit, label_values=[0,255]",
        of(BIT, depth=1),
        (BIT * 255)[None],
        label=True,
        values=[0, 255],
    ),
    Row("mask: colour, all channels alike", of(np.stack([CLASSES] * 3)), CLASSES[None], label=True),
    Row("mask: colour, channels that differ", of(COLOUR), "a colour picture", label=True),
)
