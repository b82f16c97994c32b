"""What every format's reader hands over, and the rules that hold for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import numpy as np

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
PLANE = np.eye(4)
"""Affine of a picture [H,W]: pixels of the file."""
TURNS = {2: (False, (2,)), 3: (False, (1, 2)), 4: (False, (1,))}
TURNS |= {5: (True, ()), 6: (True, (2,)), 7: (True, (1, 2)), 8: (True, (1,))}
"""Orientation tag of EXIF 2.32 and TIFF 6.0 -> rows and columns exchanged?, then axes turned about."""


class ReadError(ValueError):
    """A file that is not there, cut short, or cannot be read right. The message names it."""


class Refused(ValueError):
    """Why a sound file is not read, and what to do; `read` puts the file's name before it."""


@dataclass(frozen=True)
class Stored:
    """An array [C,*spatial], its affine [4,4], whether the channels are red, green and blue; and for label
    maps the numbers as stored where `array` holds them as shown (palette indices, bits). by_index: what
    counts where both could be meant are the numbers."""

    array: np.ndarray
    affine: np.ndarray
    colour: bool = False
    numbers: np.ndarray | None = None
    by_index: bool = False

    def upright(self, tag: int) -> Stored:
        """Rows and columns as the orientation tag wants them shown."""
        exchanged, flips = TURNS.get(tag, (False, ()))

        def turned(array: np.ndarray) -> np.ndarray:
            array = array.swapaxes(1, 2) if exchanged else array
            return np.ascontiguousarray(np.flip(array, flips))

        if tag not in TURNS:
            return self
        numbers = None if self.numbers is None else turned(self.numbers)
        return replace(self, array=turned(self.array), numbers=numbers)


def note(words: str) -> None:
    """Say how a file was taken that could be taken otherwise, to who is `listening`."""
    heard = _heard.get()
    if heard is not None:
        heard.append(words)


@contextmanager
def listening() -> Iterator[list[str]]:
    """What readers note of the files that are read within."""
    heard: list[str] = []
    before = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(before)


def constant(alpha: np.ndarray) -> bool:
    """Whether transparency is the same everywhere, so that nothing is lost without it."""
    return bool(alpha.size == 0 or (alpha == alpha.flat[0]).all())


def opaque(alpha: np.ndarray) -> None:
    """Raises Refused where transparency differs from pixel to pixel: it would be lost."""
    if not constant(alpha):
        raise Refused("its transparency differs from pixel to pixel; save it without an alpha channel")


def looked_up(index: np.ndarray, palette: np.ndarray, alpha: np.ndarray | None, label: bool) -> Stored:
    """A palette picture [H,W,...] by the colours [n,3] of its palette, grey where all that are used are grey;
    label maps keep their indices."""
    used = np.unique(index)
    if used.size and used[-1] >= len(palette):
        if label:
            return Stored(index[None], PLANE)
        raise Refused(f"its palette has {len(palette)} colours, and a pixel asks for number {used[-1]}")
    if label:
        shown = palette[:, 0][index][None] if (palette == palette[:, :1]).all() else index[None]
        return Stored(shown, PLANE, False, index[None], by_index=True)
    if alpha is not None:
        opaque(alpha[used])
    grey = bool((palette[used] == palette[used, :1]).all())
    array = palette[:, 0][index][None] if grey else np.moveaxis(palette[index], -1, 0)
    return Stored(np.ascontiguousarray(array), PLANE, not grey)


def label_map(stored: Stored, values: Collection[int] | None, lossy: bool) -> np.ndarray:
    """One number a voxel [1,*spatial]. Where a palette or few bits show another number than is stored: the
    one of the two that is among `values`, those that a label may have."""
    array, numbers = stored.array, stored.numbers
    if len(array) == 3 and (array[:1] == array).all():
        array = array[:1]
    if stored.colour and len(array) > 1:
        raise Refused(
            "a colour picture where a label map has one number a pixel; "
            "save class numbers, as grey or with a palette"
        )
    if len(array) > 1:
        raise Refused(f"has {len(array)} channels where a label map has one")
    if array.dtype == np.float64:
        whole = np.rint(array)
        with np.errstate(invalid="ignore"):  # infinite ones stay as they are, and are a fault later
            near = np.abs(array - whole) <= 2.0**-23 * np.abs(whole)
        array = whole if near.all() else array  # a slope of 32 bits makes 1.00000002 of 1
    if values is None or (numbers is None and not lossy):
        return numbers if numbers is not None and stored.by_index else array
    shown, wanted = set(np.unique(array).tolist()), set(values)
    if numbers is not None:
        kept = set(np.unique(numbers).tolist())
        if stored.by_index and kept <= wanted and shown <= wanted and (numbers != array).any():
            raise Refused(
                f"label values could be its indices {_some(kept)} or the greys they show {_some(shown)}; "
                "save it without a palette"
            )
        return array if shown <= wanted or not (kept <= wanted or stored.by_index) else numbers
    if shown - wanted:
        raise Refused(
            f"label values {_some(shown - wanted)}: lossy compression (JPEG) blurs label maps; "
            "write them again as PNG from the original"
        )
    return array


def _some(values: set[int]) -> str:
    return ", ".join(map(str, sorted(values)[:4])) + (", ..." if len(values) > 4 else "")
