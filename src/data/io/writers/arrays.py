"""NumPy's .npy and .npz, with the axes, the type and the byte order of the input."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.readers.arrays import plain_array, with_axes
from ganatomy.data.io.writers.form import UNSCALED, Scaling


@dataclass(frozen=True)
class ArrayForm:
    """A bare array.

    Attributes:
        shape: Shape of the input's array.
        order: Its axes without those that are dropped, such as HWC.
        dtype: Its type.
        name: Name of the array in a .npz; empty for a .npy.
    """

    shape: tuple[int, ...]
    order: str
    dtype: np.dtype[Any]
    name: str = ""

    @property
    def note(self) -> str:
        return ""

    def encoded(self, numbers: np.ndarray, scaling: Scaling = UNSCALED) -> tuple[str, bytes]:
        order = self.order if "C" in self.order else ("C" if len(numbers) > 1 else "") + self.order
        array = numbers if "C" in order else numbers[0]
        have = ("CHWD" if "C" in order else "HWD")[: array.ndim]
        array = np.transpose(array, [have.index(axis) for axis in order])
        if array.size == np.prod(self.shape) and array.ndim < len(self.shape):
            array = array.reshape(self.shape)
        if array.dtype.newbyteorder("=") == self.dtype.newbyteorder("="):
            array = array.astype(self.dtype)
        content = io.BytesIO()
        if not self.name:
            np.save(content, np.ascontiguousarray(array), allow_pickle=False)
            return ".npy", content.getvalue()
        arrays: dict[str, Any] = {self.name: np.ascontiguousarray(array)}
        np.savez_compressed(content, **arrays)
        return ".npz", content.getvalue()

    def at(self, affine: np.ndarray) -> ArrayForm:
        return self


def array_form(path: Path, axes: str | None, dims: int | None) -> ArrayForm:
    """Return the form of a .npy or .npz file.

    Args:
        path: the file.
        axes: axis order, see `readers.arrays.bare`.
        dims: spatial dimensions, see `readers.arrays.bare`.
    """
    array, name = plain_array(path)
    _, order = with_axes(array, axes, dims)
    return ArrayForm(array.shape, order, array.dtype, "arr_0" if name in ("file", "allow_pickle") else name)
