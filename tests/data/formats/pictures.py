"""JPEG, JPEG 2000, BMP, GIF, WebP and Netpbm, as Pillow, imagecodecs and hands write them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from tests.data.formats.png import BIT, HALF, LOOKED_UP, RAINBOW
from tests.data.formats.rows import (
    CLASSES,
    COLOUR,
    DEEP,
    DEEP_COLOUR,
    GREY,
    SMOOTH,
    SMOOTH_COLOUR,
    Row,
    holding,
    last,
)

LYING: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: a.T[::-1],
    7: lambda a: a.T[::-1, ::-1],
    8: lambda a: a.T[:, ::-1],
}
"""Orientation tag -> how an upright picture is stored (EXIF 2.32: what the 0th row and column show)."""


def saved(array: np.ndarray | Image.Image, name: str, form: str, **settings: Any) -> Callable[[Path], Path]:
    """By Pillow, [H,W] or [C,H,W]."""
    content = io.BytesIO()
    if isinstance(array, np.ndarray):
        array = Image.fromarray(np.ascontiguousarray(array) if array.ndim == 2 else last(array))
    array.save(content, form, **settings)
    return holding(name, content.getvalue())


def paletted() -> Image.Image:
    image = Image.fromarray(CLASSES)
    image.putpalette(RAINBOW.tobytes())
    return image


def tagged(tag: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = tag
    return exif


def inks() -> Image.Image:
    """CMYK without black, so that red = 255 - cyan, whatever the formula."""
    return Image.fromarray(last(np.concatenate([255 - SMOOTH_COLOUR, SMOOTH[None] * 0])), "CMYK")


def pgm(magic: str, array: np.ndarray, top: int, more: bytes = b"") -> Callable[[Path], Path]:
    """Netpbm by hand, with a comment, as GIMP writes it."""
    pixels = array if array.ndim == 2 else last(array)
    head = f"{magic}\n# made by hand\n{pixels.shape[1]} {pixels.shape[0]}\n{top}\n".encode()
    if magic in ("P2", "P3"):
        return holding("a.pnm", head + " ".join(map(str, pixels.reshape(-1))).encode() + b"\n")
    return holding("a.pnm", head + pixels.astype(">u2" if top > 255 else "u1").tobytes() + more)


def pfm(magic: str, array: np.ndarray, order: str) -> Callable[[Path], Path]:
    """Rows from the bottom, by the format's definition."""
    pixels = array if array.ndim == 2 else last(array)
    scale = -1.0 if order == "<" else 1.0
    head = f"{magic}\n{pixels.shape[1]} {pixels.shape[0]}\n{scale}\n".encode()
    return holding("a.pfm", head + np.ascontiguousarray(pixels[::-1]).astype(f"{order}f4").tobytes())


def frames(form: str) -> Callable[[Path], Path]:
    other = Image.fromarray(last(255 - COLOUR))
    return saved(COLOUR, f"a.{form.lower()}", form, save_all=True, append_images=[other])


TENTHS = (GREY / 10).astype(np.float32)
TENTHS_COLOUR = (COLOUR / 10).astype(np.float32)
OPAQUE = np.concatenate([COLOUR, COLOUR[:1] * 0 + 255])

JPEG = (
    Row("grey", saved(SMOOTH, "a.jpg", "JPEG", quality=98), SMOOTH[None], near=3),
    Row("colour", saved(SMOOTH_COLOUR, "a.jpg", "JPEG", quality=98), SMOOTH_COLOUR, colour=True, near=8),
    Row("named .jfif", saved(SMOOTH, "a.jfif", "JPEG", quality=98), SMOOTH[None], near=3),
    Row("named .png", saved(SMOOTH, "a.png", "JPEG", quality=98), SMOOTH[None], near=3),
    *(
        Row(
            f"EXIF orientation {tag}",
            saved(lying(SMOOTH), "a.jpg", "JPEG", quality=98, exif=tagged(tag)),
            SMOOTH[None],
            near=3,
        )
        for tag, lying in LYING.items()
    ),
    Row("CMYK (Adobe)", saved(inks(), "a.jpg", "JPEG", quality=98), SMOOTH_COLOUR, colour=True, near=5),
    Row(
        "grey, 12 bits",
        holding("a.jpg", imagecodecs.jpeg8_encode(SMOOTH.astype(np.uint16) * 16, 98, bitspersample=12)),
        SMOOTH[None].astype(np.uint16) * 16,
        near=48,
    ),
    Row("grey, 16 bits, without loss", holding("a.jpg", imagecodecs.ljpeg_encode(DEEP)), DEEP[None]),
    Row(
        "mask whose values were blurred",
        saved(np.kron(CLASSES, np.ones((5, 5), np.uint8)) * 60, "a.jpg", "JPEG", quality=60),
        "lossy compression",
        label=True,
        values=[0, 60, 120, 180],
    ),
)
JPEG2000 = (
    Row("grey, 8 bits", holding("a.jp2", imagecodecs.jpeg2k_encode(GREY, level=0)), GREY[None]),
    Row("colour, 8 bits", holding("a.jp2", imagecodecs.jpeg2k_encode(last(COLOUR), level=0)), COLOUR, True),
    Row("grey, 16 bits", holding("a.jp2", imagecodecs.jpeg2k_encode(DEEP, level=0)), DEEP[None]),
    Row(
        "grey, 12 bits",
        holding("a.jp2", imagecodecs.jpeg2k_encode(DEEP // 16, level=0, bitspersample=12)),
        DEEP[None] // 16,
    ),
    Row(
        "colour, 16 bits",
        holding("a.jp2", imagecodecs.jpeg2k_encode(last(DEEP_COLOUR), level=0)),
        DEEP_COLOUR,
        True,
    ),
)
OTHERS = (
    Row("BMP: grey", saved(GREY, "a.bmp", "BMP"), GREY[None]),
    Row("BMP: 1 bit", saved(Image.fromarray(BIT.astype(bool)), "a.bmp", "BMP"), (BIT * 255)[None]),
    Row("BMP: colour", saved(COLOUR, "a.bmp", "BMP"), COLOUR, True),
    Row("BMP: palette of colours", saved(paletted(), "a.bmp", "BMP"), LOOKED_UP, True),
    Row("BMP: mask, palette of colours", saved(paletted(), "a.bmp", "BMP"), CLASSES[None], label=True),
    Row("BMP: 32 bits, opaque", saved(OPAQUE, "a.bmp", "BMP"), COLOUR, True),
    Row("GIF: palette of colours", saved(paletted(), "a.gif", "GIF", optimize=False), LOOKED_UP, True),
    Row("GIF: grey", saved(GREY, "a.gif", "GIF"), GREY[None]),
    Row(
        "GIF: mask, palette of colours",
        saved(paletted(), "a.gif", "GIF", optimize=False),
        CLASSES[None],
        label=True,
    ),
    Row(
        "GIF: mask of 0 and 255, named .tif",
        saved(BIT * 255, "a.tif", "GIF"),
        (BIT * 255)[None],
        label=True,
        values=[0, 255],
    ),
    Row(
        "GIF: mask of greys 0 and 2, classes 0 to 2",
        saved(BIT * 2, "a.gif", "GIF"),
        (BIT * 2)[None],
        label=True,
        values=[0, 1, 2],
    ),
    Row("GIF: several frames", frames("GIF"), "2 frames"),
    Row("WebP: colour, without loss", saved(COLOUR, "a.webp", "WEBP", lossless=True), COLOUR, True),
    Row("WebP: opaque alpha", saved(OPAQUE, "a.webp", "WEBP", lossless=True), COLOUR, True),
    Row(
        "WebP: alpha that differs",
        saved(np.concatenate([COLOUR, HALF]), "a.webp", "WEBP", lossless=True),
        "transparency",
    ),
    Row("WebP: several frames", frames("WEBP"), "2 frames"),
    Row("PGM: 8 bits", pgm("P5", GREY, 255), GREY[None]),
    Row("PGM: 8 bits, largest value 250", pgm("P5", GREY % 250, 250), (GREY % 250)[None]),
    Row("PGM: 16 bits", pgm("P5", DEEP, 65535), DEEP[None]),
    Row("PGM: 12 bits (largest value 4095)", pgm("P5", DEEP // 16, 4095), DEEP[None] // 16),
    Row("PGM: as text", pgm("P2", DEEP, 65535), DEEP[None]),
    Row("PPM: 8 bits", pgm("P6", COLOUR, 255), COLOUR, True),
    Row("PPM: 16 bits", pgm("P6", DEEP_COLOUR, 65535), DEEP_COLOUR, True),
    Row("PPM: as text", pgm("P3", COLOUR, 255), COLOUR, True),
    Row("PBM: 1 bit", saved(Image.fromarray(BIT.astype(bool)), "a.pbm", "PPM"), (BIT * 255)[None]),
    Row("PFM: grey, little-endian", pfm("Pf", TENTHS, "<"), TENTHS[None]),
    Row("PFM: colour, big-endian", pfm("PF", TENTHS_COLOUR, ">"), TENTHS_COLOUR, True),
    Row("PGM: two in a file", pgm("P5", GREY, 255, b"P5 1 1 255 a"), "more than one picture"),
    Row("PAM", holding("a.pam", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\na"), "PAM"),
    Row("text named .png", holding("a.png", b"no picture at all"), "its bytes are not those of a .png"),
    Row("MINC and others that are not known", holding("a.mnc", b"CDF\1" + bytes(99)), "not supported"),
    Row("an empty file", holding("a.png", b""), "is empty"),
)
