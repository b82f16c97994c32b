"""Bare arrays, .npy and .npz: nothing in them says what their axes are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from src.data.readers.stored import PLANE, Refused, Stored
from src.data.regrid import PAGES
from src.errors import UserError

COLOURS = (3, 4)
"""Lengths of an axis at either end that may be red, green, blue (and alpha)."""


def bare(path: Path, axes: str | None, dims: int | None) -> Stored:
    """An array whose axes are those of `axes`, H rows, W columns, D pages (the axis that is sliced) and C
    channels, e.g. HWC, DHW; one axis less, and it has no channels (a mask beside colour pictures).

    None reads what has only one meaning: two axes as a picture [H,W], a third of length 1 as nothing, three
    as pages [H,W,D] unless the first or last is 3 or 4 long, four as [C,H,W,D]. With dims=3 (the user wants
    volumes) three axes are [H,W,D] whatever their lengths.

    Raises:
        Refused: the array could be a colour picture as well as a volume, or holds no plain numbers.
        UserError: `axes` does not fit the array, or is no order of axes.
    """
    array = _array(path)
    if axes is not None:
        order = axes.upper()
        if sorted(order) not in [sorted(known) for known in ("HW", "HWC", "HWD", "HWCD")]:
            raise UserError(
                f"data.axes={axes}: give an order of H, W and, if there are such, D and C; e.g. HWC, DHW"
            )
        order = order.replace("C", "") if len(order) == array.ndim + 1 else order
        if len(order) != array.ndim:
            raise Refused(
                f"has {array.ndim} axes (shape {_shown(array)}), and data.axes={axes} names {len(order)}"
            )
    else:
        array, order = _meant(array, dims)
    if "C" not in order:
        array, order = array[None], f"C{order}"
    array = np.transpose(array, [order.index(axis) for axis in "CHWD" if axis in order])
    return Stored(array, PAGES if "D" in order else PLANE)


def _meant(array: np.ndarray, dims: int | None) -> tuple[np.ndarray, str]:
    """Without axes that say nothing, the order of the others."""
    if array.ndim == 3 and dims != 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim == 2:
        return array, "HW"
    if array.ndim == 3 and dims != 3 and {array.shape[0], array.shape[-1]} & set(COLOURS):
        raise Refused(
            f"shape {_shown(array)}: colours or a volume? say data.axes=HWC or CHW (channels), HWD or DHW "
            "(pages)"
        )
    if array.ndim == 4 and array.shape[0] not in (1, *COLOURS) and array.shape[-1] in (1, *COLOURS):
        raise Refused(
            f"shape {_shown(array)}: which axis holds channels? say data.axes=CHWD, HWDC or the like"
        )
    if array.ndim not in (3, 4):
        raise Refused(f"has {array.ndim} axes (shape {_shown(array)}); a picture has 2 or 3, a volume 3 or 4")
    return array, "HWD" if array.ndim == 3 else "CHWD"


def _array(path: Path) -> np.ndarray:
    try:
        content: Any = np.load(path, allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise Refused("holds Python objects, which may run code; save plain numbers") from error
        raise
    if not isinstance(content, np.ndarray):
        with content:
            if len(content.files) != 1:
                names = ", ".join(content.files[:5])
                raise Refused(f"holds {len(content.files)} arrays ({names}); save each in a file of its own")
            content = content[content.files[0]]
            if not isinstance(content, np.ndarray):
                raise Refused("is a ZIP archive; unpack it")
    if content.dtype.names:
        raise Refused("holds named fields; save each as an array of its own")
    array: np.ndarray = content
    return array


def _shown(array: np.ndarray) -> str:
    return "x".join(map(str, array.shape))
