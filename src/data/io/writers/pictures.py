"""PNG and BMP, and PNG in place of pictures whose own format loses detail."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ganatomy.data.io.readers.stored import PLANE
from ganatomy.data.io.writers.form import UNSCALED, Scaling, alike
from ganatomy.data.io.writers.tiff import TiffForm

WHY = {
    "JPEG": "JPEG loses detail",
    "MPO": "JPEG loses detail",
    "JPEG2000": "JPEG 2000 may lose detail",
    "WEBP": "WebP may lose detail",
    "AVIF": "AVIF may lose detail",
    "GIF": "GIF holds 256 colours",
    "PPM": "Netpbm is rarely read",
    "netpbm": "Netpbm is rarely read",
}
FAST = 1
"""Level of compression: higher ones take several times as long for little."""


@dataclass(frozen=True)
class PictureForm:
    """PNG, or BMP if the input is one; TIFF for numbers that a PNG cannot hold (floats, 32 bits, channels).

    Attributes:
        format: Format of the input, as Pillow names it.
        dpi: Pixels per inch of the input, or None.
    """

    format: str
    dpi: tuple[float, float] | None = None

    @property
    def note(self) -> str:
        if self.format in ("PNG", "BMP", "DIB"):
            return ""
        why = WHY.get(self.format, f"{self.format} is not written")
        return f"{why}: written as PNG, or as TIFF where a PNG cannot hold the numbers"

    def encoded(self, numbers: np.ndarray, scaling: Scaling = UNSCALED) -> tuple[str, bytes]:
        array = numbers[0] if len(numbers) == 1 else np.moveaxis(numbers, 0, -1)
        array = array.astype(np.uint8) if array.dtype == bool else array
        if array.dtype.name not in ("uint8", "uint16") or len(numbers) not in (1, 3):
            return TiffForm(colour=len(numbers) == 3).encoded(numbers)
        extra: dict[str, Any] = {} if self.dpi is None else {"dpi": self.dpi}
        content = io.BytesIO()
        if array.dtype == np.uint16 and len(numbers) == 3:
            import imagecodecs

            return ".png", bytes(imagecodecs.png_encode(np.ascontiguousarray(array), level=FAST))
        picture = Image.fromarray(np.ascontiguousarray(array))
        if self.format in ("BMP", "DIB") and array.dtype == np.uint8:
            picture.save(content, "BMP", **extra)
            return ".bmp", content.getvalue()
        picture.save(content, "PNG", compress_level=FAST, **extra)
        return ".png", content.getvalue()

    def at(self, affine: np.ndarray) -> PictureForm:
        return self if alike(affine, PLANE) else replace(self, dpi=None)


def picture_form(path: Path, form: str) -> PictureForm:
    """Return the form of a picture, from its header; `form` is the format as `sniff.kind` names it."""
    try:
        with Image.open(path) as image:
            dpi = image.info.get("dpi")
            if not isinstance(dpi, tuple) or len(dpi) != 2 or min(dpi) <= 0:
                return PictureForm(str(image.format))
            return PictureForm(str(image.format), (float(dpi[0]), float(dpi[1])))
    except UnidentifiedImageError:  # JPEG of 12 bits
        return PictureForm("JPEG" if form == "jpeg" else form)
