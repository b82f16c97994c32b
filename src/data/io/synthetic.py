"""Write synthetic images to files that are marked as synthetic."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganatomy.data.io.writers import PNG, Original, nifti1, packed
from ganatomy.errors import UserError
from ganatomy.files import sync_folder, write_whole
from ganatomy.text.tables import csv_text

Span = tuple[float, float]
Format = Literal["png8", "png16", "nifti", "npz"]
SUFFIXES: dict[Format, str] = {"png8": ".png", "png16": ".png", "nifti": ".nii.gz", "npz": ".npz"}
NOTE = "synthetic image: drawn by a generative model, shows no patient"
"""Mark in every file: a PNG's text, NIfTI's description, key `note` of npz."""
DEPTHS: dict[str, np.dtype[Any]] = {"png8": np.dtype(np.uint8), "png16": np.dtype(np.uint16)}


@dataclass(frozen=True)
class Form:
    """File format of images: values in the data's units are number * slope + inter.

    Attributes:
        format: Format of the file.
        dtype: Data type of the stored numbers.
        slope: Factor of the numbers.
        inter: Offset, added after the factor.
    """

    format: Format
    dtype: np.dtype[Any]
    slope: float = 1.0
    inter: float = 0.0

    def encoded(self, values: np.ndarray, affine: np.ndarray) -> tuple[str, bytes]:
        """Return suffix and content of a file for values [C,*spatial]; `affine` [4,4], mm, is for NIfTI."""
        numbers = Original(self.dtype, self.slope, self.inter).stored(values)
        array = numbers[0] if len(numbers) == 1 else np.moveaxis(numbers, 0, -1)
        content = io.BytesIO()
        if self.format == "npz":
            np.savez_compressed(content, image=numbers, note=np.array(NOTE))
            return ".npz", content.getvalue()
        if self.format == "nifti":
            return ".nii.gz", _nifti(numbers, affine, self)
        info = PngInfo()
        info.add_text("Comment", NOTE)
        Image.fromarray(array).save(content, "PNG", pnginfo=info)
        return ".png", content.getvalue()


class SyntheticFolder:
    """Folder of synthetic images: `images`, `labels` with the maps they were made from, and index.csv.

    Args:
        path: The folder; made when the first file is written.
        images: Format of the images.
        values: Values of label maps in files, by class number; None without label maps.
        count: Number of images, which decides the width of their numbers.
    """

    def __init__(self, path: Path, images: Form, values: Sequence[int] | None, count: int) -> None:
        self.path, self.images, self.count = path, images, count
        self.width = max(4, len(str(count)))
        self.values = None if values is None else np.array(values).astype(smallest_type(values))

    def name(self, number: int) -> str:
        """Return the name of the files of an image."""
        return f"{number:0{self.width}d}{SUFFIXES[self.images.format]}"

    def write(self, number: int, image: np.ndarray, label: np.ndarray | None, affine: np.ndarray) -> None:
        """Write one image; its label map comes first, so that an image that is there is complete.

        Args:
            number: Number of the image, from 1 on.
            image: [C,*spatial], in the data's units.
            label: [1,*spatial], class numbers; None without label maps.
            affine: [4,4], mm; used in NIfTI files.
        """
        if label is not None:
            assert self.values is not None
            numbers = self.values[label]
            how = Form(self.images.format, numbers.dtype)
            self._write("labels", number, how.encoded(numbers, affine)[1])
        self._write("images", number, self.images.encoded(image, affine)[1])

    def read(self, number: int, role: str = "images") -> np.ndarray:
        """Return the numbers [C,*spatial] in the file of an image, or of its label map (`labels`).

        A slice in a NIfTI file is one voxel deep.
        """
        path = self.path / role / self.name(number)
        if self.images.format == "npz":
            with np.load(path) as arrays:
                return np.asarray(arrays["image"])
        if self.images.format == "nifti":
            volume: Any = nifti1.load(path)
            array = np.asarray(volume.dataobj)
        else:
            with Image.open(path) as picture:
                array = np.asarray(picture)
        last = 3 if self.images.format == "nifti" else 2
        return np.moveaxis(array, -1, 0) if array.ndim > last else array[None]

    def missing(self) -> list[int]:
        """Return the numbers of the images that are not there yet."""
        folder = self.path / "images"
        there = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
        return [number for number in range(1, self.count + 1) if self.name(number) not in there]

    def write_index(self, image_classes: Sequence[str] | None, **more: Sequence[Any]) -> None:
        """Write index.csv, a table for data=table.

        Args:
            image_classes: Class of each image; None without classes.
            more: Further columns, a cell for each image.
        """
        names = [self.name(number) for number in range(1, self.count + 1)]
        columns: dict[str, Sequence[Any]] = {"image": [f"images/{name}" for name in names]}
        if self.values is not None:
            columns["label"] = [f"labels/{name}" for name in names]
        if image_classes is not None:
            columns["kind"] = image_classes
        columns |= more
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        write_whole(self.path / "index.csv", csv_text(list(columns), rows).encode())
        sync_folder(self.path)

    def _write(self, folder: str, number: int, content: bytes) -> None:
        path = write_whole(self.path / folder / self.name(number), content)
        sync_folder(path.parent)


def smallest_type(values: Sequence[int]) -> np.dtype[Any]:
    """Return the smallest integer type that holds all of these values."""
    return np.result_type(np.min_scalar_type(min(values)), np.min_scalar_type(max(values)))


def form(
    wanted: Format | None,
    like: Original,
    channels: int,
    dims: int,
    sliced: bool,
    span: Callable[[], Span],
    key: str = "save_format",
) -> Form:
    """Choose the file format of synthetic images, by default that of the real images.

    Args:
        wanted: the format asked for, None for the default.
        like: a file of the real images.
        channels: channels of an image.
        dims: spatial axes of an image.
        sliced: True if an image is a slice of a volume.
        span: returns minimum and maximum of the data, to scale a PNG's numbers if they cannot hold the data's
            own.
        key: key that asked for the format, for messages.

    Returns:
        The format.

    Raises:
        UserError: a PNG cannot hold volumes, or this number of channels.
    """
    own: Format = "npz"
    if sliced or dims == 3:
        own = "nifti"
    elif (channels, str(like.dtype)) in PNG:
        own = "png8" if like.dtype == np.uint8 else "png16"
    chosen = wanted or own
    if chosen not in DEPTHS:
        dtype: np.dtype[Any] = np.dtype(np.float32) if like.dtype == np.float16 else like.dtype
        return Form(chosen, dtype, like.slope, like.inter)
    depth = DEPTHS[chosen]
    if dims == 3 or (channels, str(depth)) not in PNG:
        what = "volumes" if dims == 3 else f"images of {channels} channels"
        raise UserError(f"{key}: {chosen} cannot hold {what}; choose nifti or npz")
    if np.can_cast(like.dtype, depth) and (like.slope, like.inter) == (1, 0):
        return Form(chosen, depth)
    low, high = span()
    return Form(chosen, depth, (high - low) / float(np.iinfo(depth).max) or 1.0, low)


def _nifti(numbers: np.ndarray, affine: np.ndarray, how: Form) -> bytes:
    """Return [C,*spatial] as a NIfTI file; a slice is one voxel deep, channels come last."""
    volume = numbers[..., None] if numbers.ndim == 3 else numbers
    array = volume[0] if len(volume) == 1 else np.moveaxis(volume, 0, -1)
    image = nifti1.Nifti1Image(array, affine, dtype=array.dtype)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(how.slope, how.inter)
    image.header["descrip"] = NOTE.encode()
    return packed(image.to_bytes())
