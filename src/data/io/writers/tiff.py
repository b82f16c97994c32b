"""TIFF, by tifffile: planes and pages, with the type, byte order and resolution of the input."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ganatomy.data.io.readers.names import TIFFS, suffix
from ganatomy.data.io.readers.stored import PLANE
from ganatomy.data.io.writers.form import UNSCALED, Scaling, alike
from ganatomy.data.regrid import PAGES


@dataclass(frozen=True)
class TiffForm:
    """A plane, or pages.

    Attributes:
        colour: True if three channels are red, green and blue.
        order: Byte order, < or >.
        big: True for BigTIFF.
        packed: True to compress, without loss.
        resolution: Pixels per unit along columns and rows, and the unit, or None.
        ending: Extension of the file.
    """

    colour: bool = False
    order: Literal["<", ">"] = "<"
    big: bool = False
    packed: bool = False
    resolution: tuple[Any, Any, int] | None = None
    ending: str = ".tiff"

    @property
    def note(self) -> str:
        return ""

    def encoded(self, numbers: np.ndarray, scaling: Scaling = UNSCALED) -> tuple[str, bytes]:
        import tifffile

        pages = np.moveaxis(numbers, -1, 0) if numbers.ndim == 4 else numbers[None]  # [D,C,H,W]
        array = pages[:, 0] if len(numbers) == 1 else np.moveaxis(pages, 1, -1)
        array = array if numbers.ndim == 4 else array[0]
        array = array.astype(np.uint8) if array.dtype == bool else array
        how: dict[str, Any] = {"photometric": "minisblack"}
        if len(numbers) > 1:
            how = {"photometric": "rgb" if self.colour and len(numbers) == 3 else "minisblack"}
            how["planarconfig"] = "contig"
        if self.packed:
            how["compression"] = "zlib"
        if self.resolution is not None:
            how |= {"resolution": self.resolution[:2], "resolutionunit": self.resolution[2]}
        content = io.BytesIO()
        with tifffile.TiffWriter(content, bigtiff=self.big, byteorder=self.order) as file:
            file.write(np.ascontiguousarray(array), metadata=None, software=False, **how)
        return self.ending, content.getvalue()

    def at(self, affine: np.ndarray) -> TiffForm:
        return self if alike(affine, PLANE) or alike(affine, PAGES) else replace(self, resolution=None)


def tiff_form(path: Path) -> TiffForm:
    """Return the form of a TIFF file, from the tags of its first page."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        across, down, unit = (
            page.tags.get(name) for name in ("XResolution", "YResolution", "ResolutionUnit")
        )
        resolution = None
        if across is not None and down is not None and across.value[1] and down.value[1]:
            resolution = (tuple(across.value), tuple(down.value), int(unit.value) if unit is not None else 2)
        return TiffForm(
            colour=int(page.photometric) in (2, 3, 5, 6),
            order=">" if file.byteorder == ">" else "<",
            big=file.is_bigtiff,
            packed=int(page.compression) != 1,
            resolution=resolution,
            ending=suffix(path) if suffix(path) in TIFFS else ".tiff",
        )
