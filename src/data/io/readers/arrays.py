"""Bare arrays (.npy, .npz), which carry no information about their axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.io.readers.stored import PLANE, Refused, Stored
from ganatomy.data.regrid import PAGES
from ganatomy.errors import UserError

COLOURS = (3, 4)
"""Lengths of a first or last axis that may hold RGB or RGBA."""


def bare(path: Path, axes: str | None, dims: int | None) -> Stored:
    """Read a bare array and bring its axes into the order [C,H,W] or [C,H,W,D].

    Without `axes`, only unambiguous shapes are read: two axes are [H,W]; a third axis of length 1 is dropped;
    three axes are slices [H,W,D] unless the first or last has length 3 or 4; four axes are [C,H,W,D]. With
    dims=3, three axes are always [H,W,D].

    Args:
        path: the .npy or .npz file.
        axes: order of the axes: H rows, W columns, D slices, C channels, e.g. HWC or DHW. The array may have
            one axis less than named; it then has no channels (a mask that belongs to colour images).
        dims: number of spatial dimensions the user asked for, or None.

    Returns:
        The array [C,H,W] or [C,H,W,D] without spacing or orientation.

    Raises:
        Refused: the array could be a colour picture as well as a volume, or holds no plain numbers.
        UserError: `axes` does not fit the array, or is not an order of axes.
    """
    array, order = with_axes(plain_array(path)[0], axes, dims)
    if "C" not in order:
        array, order = array[None], f"C{order}"
    array = np.transpose(array, [order.index(axis) for axis in "CHWD" if axis in order])
    return Stored(array, PAGES if "D" in order else PLANE)


def with_axes(array: np.ndarray, axes: str | None, dims: int | None) -> tuple[np.ndarray, str]:
    """Return an array without axes that are dropped, and the order of those that stay.

    Args:
        array: the array of a file.
        axes: axis order, see `bare`.
        dims: spatial dimensions, see `bare`.
    """
    if axes is None:
        return _meant(array, dims)
    order = axes.upper()
    if sorted(order) not in [sorted(known) for known in ("HW", "HWC", "HWD", "HWCD")]:
        raise UserError(f"data.axes={axes}: give an order of H, W and, if present, D and C; e.g. HWC, DHW")
    order = order.replace("C", "") if len(order) == array.ndim + 1 else order
    if len(order) != array.ndim:
        raise Refused(
            f"has {array.ndim} axes (shape {_shown(array)}), but data.axes={axes} names {len(order)}"
        )
    return array, order


def _meant(array: np.ndarray, dims: int | None) -> tuple[np.ndarray, str]:
    """Drop a channel axis of length 1 and infer the order of the remaining axes."""
    if array.ndim == 3 and dims != 3 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim == 2:
        return array, "HW"
    if array.ndim == 3 and dims != 3 and {array.shape[0], array.shape[-1]} & set(COLOURS):
        raise Refused(
            f"shape {_shown(array)}: colours or a volume? set data.axes=HWC or CHW (channels), HWD or DHW "
            "(pages)"
        )
    if array.ndim == 4 and array.shape[0] not in (1, *COLOURS) and array.shape[-1] in (1, *COLOURS):
        raise Refused(
            f"shape {_shown(array)}: which axis holds channels? set data.axes=CHWD, HWDC or similar"
        )
    if array.ndim not in (3, 4):
        raise Refused(f"has {array.ndim} axes (shape {_shown(array)}); a picture has 2 or 3, a volume 3 or 4")
    return array, "HWD" if array.ndim == 3 else "CHWD"


def plain_array(path: Path) -> tuple[np.ndarray, str]:
    """Return the array of a file, and its name in a .npz (empty in a .npy).

    Raises Refused for anything but one array of plain numbers.
    """
    name = ""
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
                raise Refused(f"holds {len(content.files)} arrays ({names}); save each in its own file")
            name = content.files[0]
            content = content[name]
            if not isinstance(content, np.ndarray):
                raise Refused("is a ZIP archive; unpack it")
    if content.dtype.names:
        raise Refused("holds named fields; save each as a separate array")
    array: np.ndarray = content
    return array, name


def _shown(array: np.ndarray) -> str:
    return "x".join(map(str, array.shape))
