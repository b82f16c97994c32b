"""PNG, JPEG, JPEG 2000, BMP, GIF, WebP and others that Pillow reads: grey [1,H,W] or colour [3,H,W]."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ganatomy.data.io.readers.sniff import unknown
from ganatomy.data.io.readers.stored import PLANE, Refused, Stored, looked_up, note, opaque

FORMATS = {"PNG", "JPEG", "MPO", "JPEG2000", "BMP", "DIB", "GIF", "WEBP", "PPM", "AVIF", "PCX", "SGI", "TGA"}
Image.MAX_IMAGE_PIXELS = None  # slides and mosaics are large, and the files are the user's own
ALBUMS = {"MPO"}
"""Camera JPEG with previews or a depth map after the main picture."""
DEEP = {2: 3, 4: 2, 6: 4}
"""PNG colour types that Pillow reduces from 16 to 8 bits -> their samples per pixel."""
TAG = 0x0112
HINTS = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")


def picture(path: Path, form: str | None, head: bytes, label: bool) -> Stored:
    """Read one picture at the file's full bit depth, rotated by its EXIF orientation.

    Args:
        path: the picture.
        form: its format as given by `sniff.kind`, None if unknown.
        head: the first bytes of the file.
        label: True to read a label map.

    Returns:
        Grey [1,H,W] or colour [3,H,W].

    Raises:
        Refused: the file has several frames, or transparency that varies between pixels.
    """
    try:
        with Image.open(path) as image:
            if image.format not in FORMATS or (image.format == "TGA" and path.suffix.lower() != ".tga"):
                raise unknown(path, head)
            if (count := getattr(image, "n_frames", 1)) > 1 and image.format not in ALBUMS:
                raise Refused(f"holds {count} frames; save the one to use, or all as pages of a TIFF")
            stored = _decoded(path, form, head, image, label)
            return stored.upright(_orientation(image))
    except UnidentifiedImageError as error:
        if form == "jpeg":
            return Stored(_other_jpeg(path), PLANE)
        raise (error if form else unknown(path, head)) from error


def _decoded(path: Path, form: str | None, head: bytes, image: Any, label: bool) -> Stored:
    depth, kind = (head[24], head[25]) if form == "png" else (8, 0)
    if depth == 16 and kind in DEEP:
        image.load()  # reads what follows the pixels, such as EXIF
        array = _by_imagecodecs(path, "png_decode")
        samples = DEEP[kind]  # without the alpha that it adds for a transparent colour
        return _channels(path, array[..., :samples], image, label, 1)
    if form == "jpeg2000" and _depth(path) != 8:  # Pillow reduces colours to 8 bits, and stretches 12 to 16
        return _channels(path, _by_imagecodecs(path, "jpeg2k_decode"), image, label, 1)
    if image.mode == "P":
        stored = looked_up(np.array(image), *_palette(image), label)
        # GIF and BMP can store grey only as a palette: if ambiguous, read as grey
        return replace(stored, by_index=stored.by_index and image.format not in ("GIF", "BMP", "DIB"))
    if image.mode in ("CMYK", "YCbCr", "RGBX"):
        image = image.convert("RGB")
    elif image.mode == "PA":
        image = image.convert("RGBA")
    elif image.mode not in ("1", "L", "LA", "La", "RGB", "RGBA", "RGBa", "F") and image.mode[0] != "I":
        raise Refused(f"its colours are {image.mode}; save it as grey or RGB")
    array = np.array(image)
    if array.dtype == np.int32 and array.min() >= 0 and array.max() < 2**16:  # how Pillow holds 16-bit grey
        array = array.astype(np.uint16)
    return _channels(path, array, image, label, 255 if image.mode == "1" else 255 // (2 ** min(depth, 8) - 1))


def _channels(path: Path, array: np.ndarray, image: Any, label: bool, step: int) -> Stored:
    """Return an array [H,W] or [H,W,samples] as channels first, without a constant alpha channel.

    `step` is the distance between grey levels for images of less than 8 bits.
    """
    if array.ndim == 3 and array.shape[-1] in (2, 4):
        opaque(array[..., -1])
        array = array[..., :-1]
    elif "transparency" in image.info and not label:
        note(f"{path}: a value marked as transparent is read as stored")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    array = np.moveaxis(array, -1, 0) if array.ndim == 3 else array[None]
    few = label and step > 1 and len(array) == 1
    return Stored(array, PLANE, len(array) == 3, array // step if few else None)


def _palette(image: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the palette's colours [n,3] and, if some are transparent, alpha [n]."""
    colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    transparency = image.info.get("transparency")
    if transparency is None:
        return colours, None
    alpha = np.full(max(256, len(colours)), 255, np.uint8)
    if isinstance(transparency, bytes):
        alpha[: len(transparency)] = np.frombuffer(transparency, np.uint8)
    else:
        alpha[transparency] = 0
    return colours, alpha


def _orientation(image: Any) -> int:
    if not any(hint in image.info for hint in HINTS):
        return 1
    try:
        return int(image.getexif().get(TAG, 1))
    except Exception:  # Pillow fails on broken EXIF in many ways; treat as no orientation
        return 1


def _depth(path: Path) -> int:
    """Return the bits per sample of JPEG 2000, from the SIZ marker (ISO 15444-1, A.5.1)."""
    content = path.read_bytes()
    start = content.find(b"\xff\x4f\xff\x51")
    return (content[start + 42] & 0x7F) + 1 if 0 <= start < len(content) - 42 else 8


def _by_imagecodecs(path: Path, decoder: str) -> np.ndarray:
    import imagecodecs

    logging.getLogger("imagecodecs").setLevel(logging.ERROR)  # it warns about interlaced PNG without need
    array: np.ndarray = getattr(imagecodecs, decoder)(path.read_bytes())
    return array


def _other_jpeg(path: Path) -> np.ndarray:
    """Read a 12-bit or lossless JPEG: grey only, as nothing in it defines the coding of colours."""
    array = _by_imagecodecs(path, "jpeg_decode")
    if array.ndim != 2:
        raise Refused("a colour JPEG of more than 8 bits, or lossless; save it as PNG or TIFF")
    return array[None]
