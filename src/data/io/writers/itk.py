"""MetaImage and NRRD, by SimpleITK, with the geometry of the input; no other field is copied."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.readers.itk import RAS, information
from ganatomy.data.io.writers.form import UNSCALED, Scaling, alike

RGB = b" RGB-color "


@dataclass(frozen=True)
class ItkForm:
    """MetaImage (.mha) or NRRD (.nrrd) in one file.

    Attributes:
        form: meta or nrrd.
        spacing: mm along each axis of the file.
        origin: mm, the first voxel.
        direction: Cosines of the axes, row by row.
        dtype: Type of the input's numbers.
        frames: True if the input's channels are its fourth axis, else they are vectors.
        colour: True if its channels are red, green and blue (NRRD).
        packed: True to compress.
        apart: True if the input's voxels are in a file of their own.
    """

    form: str
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    dtype: np.dtype[Any]
    frames: bool
    colour: bool
    packed: bool
    apart: bool

    @property
    def note(self) -> str:
        if not self.apart:
            return ""
        one, two = (".nhdr", ".nrrd") if self.form == "nrrd" else (".mhd", ".mha")
        return f"{one} with its voxels apart is written as one {two} file"

    def encoded(self, numbers: np.ndarray, scaling: Scaling = UNSCALED) -> tuple[str, bytes]:
        import SimpleITK as sitk

        SimpleITK: Any = sitk
        dims = min(len(self.spacing), 3)
        frames = self.frames and len(numbers) > 1
        array = numbers.transpose(0, 3, 2, 1)  # [C,z,y,x]
        array = array[:, 0] if dims == 2 else array
        array = _storable(array, self.dtype)
        vectors = len(array) > 1 and not frames
        array = np.moveaxis(array, 0, -1) if vectors else array if frames else array[0]
        image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array), isVector=vectors)
        axes = 4 if frames else dims
        all_axes = len(self.spacing)
        turn = np.array(self.direction).reshape(all_axes, all_axes)[:axes, :axes]
        image.SetSpacing(self.spacing[:axes])
        image.SetOrigin(self.origin[:axes])
        image.SetDirection(turn.reshape(-1).tolist())
        suffix = ".nrrd" if self.form == "nrrd" else ".mha"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{suffix}"
            SimpleITK.WriteImage(image, str(path), useCompression=self.packed)
            content = path.read_bytes()
        return suffix, _coloured(content) if self.colour and len(numbers) == 3 else content

    def at(self, affine: np.ndarray) -> ItkForm:
        dims, axes = min(len(self.spacing), 3), len(self.spacing)
        own = np.eye(4)
        turn = np.array(self.direction).reshape(axes, axes)
        own[:dims, :dims] = turn[:dims, :dims] * self.spacing[:dims]
        own[:dims, 3] = self.origin[:dims]
        place = RAS @ affine
        if alike(place, own):
            return self
        step = np.linalg.norm(place[:dims, :dims], axis=0)
        turn[:dims, :dims] = place[:dims, :dims] / step
        return replace(
            self,
            spacing=(*(float(v) for v in step), *self.spacing[dims:]),
            origin=(*(float(v) for v in place[:dims, 3]), *self.origin[dims:]),
            direction=tuple(float(v) for v in turn.reshape(-1)),
        )


def itk_form(path: Path, form: str) -> ItkForm:
    """Return the form of a MetaImage or NRRD file, from its header."""
    reader, header, factor, apart = information(path, form)
    dims = reader.GetDimension()
    keys = reader.GetMetaDataKeys()
    colour = "NRRD_kinds[pixel]" in keys and reader.GetMetaData("NRRD_kinds[pixel]").startswith("RGB")
    lower = header.lower()
    scale = np.array([factor] * min(dims, 3) + [1.0] * (dims - min(dims, 3)))
    return ItkForm(
        form,
        tuple(float(v) for v in np.array(reader.GetSpacing()) * scale),
        tuple(float(v) for v in np.array(reader.GetOrigin()) * scale),
        tuple(float(v) for v in reader.GetDirection()),
        _dtype(reader.GetPixelID()),
        dims == 4,
        colour,
        b"compresseddata = true" in lower or b"encoding: gz" in lower or b"encoding: bz" in lower,
        apart,
    )


def _dtype(pixel: int) -> np.dtype[Any]:
    """Return the NumPy type of a pixel of SimpleITK."""
    import SimpleITK as sitk

    SimpleITK: Any = sitk
    words = SimpleITK.GetPixelIDValueAsString(pixel).replace("vector of ", "")
    floats = {"32-bit float": "f4", "64-bit float": "f8"}
    bits = words.partition("-bit")[0]
    kind = f"{'u' if 'unsigned' in words else 'i'}{int(bits) // 8}"
    return np.dtype(floats.get(words, kind))


def _storable(array: np.ndarray, before: np.dtype[Any]) -> np.ndarray:
    """Return numbers in a type that ITK has; what was read from float64 goes back to it."""
    if array.dtype == np.float32 and before == np.float64:
        return array.astype(np.float64)
    other = {"float16": np.float32, "bool": np.uint8}.get(array.dtype.name)
    return array if other is None else array.astype(other)


def _coloured(content: bytes) -> bytes:
    """Return an NRRD file whose vectors are declared as colours, which SimpleITK cannot."""
    head, end, body = content.partition(b"\n\n")
    lines = [
        line.replace(b" vector ", RGB) if line.startswith(b"kinds:") else line for line in head.split(b"\n")
    ]
    return b"\n".join(lines) + end + body
