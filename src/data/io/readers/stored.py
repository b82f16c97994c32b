"""The result of every format's reader, and the rules common to all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)
PLANE = np.eye(4)
"""Affine of a picture [H,W]: pixel coordinates."""
APART = 16
"""Distance between label values from which on a blur shows by values between them."""
TURNS = {2: (False, (2,)), 3: (False, (1, 2)), 4: (False, (1,))}
TURNS |= {5: (True, ()), 6: (True, (2,)), 7: (True, (1, 2)), 8: (True, (1,))}
"""Orientation tag of EXIF 2.32 and TIFF 6.0 -> (rows and columns swapped, axes flipped after that)."""


class ReadError(ValueError):
    """A file that does not exist, is cut short, or cannot be read correctly. The message names it.

    Example:
        >>> read(Path("lost.png"))
        Traceback (most recent call last):
        ganatomy.data.io.readers.stored.ReadError: lost.png: is not there
    """


class Refused(ValueError):
    """The reason why an intact file is not read, and the remedy; `read` adds the file's name."""


@dataclass(frozen=True)
class Stored:
    """An image as its reader returns it.

    Attributes:
        array: [C,*spatial], the values as shown.
        affine: [4,4].
        colour: True if the channels are red, green and blue.
        numbers: for label maps, the stored values where they differ from the shown ones (palette indices,
            bits).
        by_index: True if `numbers` take precedence where both are possible.
    """

    array: np.ndarray
    affine: np.ndarray
    colour: bool = False
    numbers: np.ndarray | None = None
    by_index: bool = False

    def upright(self, tag: int) -> Stored:
        """Return the image with rows and columns as the orientation tag shows them."""
        exchanged, flips = TURNS.get(tag, (False, ()))

        def turned(array: np.ndarray) -> np.ndarray:
            array = array.swapaxes(1, 2) if exchanged else array
            return np.ascontiguousarray(np.flip(array, flips))

        if tag not in TURNS:
            return self
        numbers = None if self.numbers is None else turned(self.numbers)
        return replace(self, array=turned(self.array), numbers=numbers)


def note(message: str) -> None:
    """Record how an ambiguous file was read, for the active `listening` block."""
    notes = _notes.get()
    if notes is not None:
        notes.append(message)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect the notes of all files that are read inside the block.

    Example:
        >>> import nibabel
        >>> nibabel.save(nibabel.AnalyzeImage(np.zeros((4, 4, 4), np.int16), np.eye(4)), "old.img")
        >>> with listening() as notes:
        ...     image, grid = read(Path("old.img"))
        >>> notes
        ["old.img: Analyze does not define left and right; nibabel's convention is used"]
    """
    notes: list[str] = []
    before = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(before)


def constant(alpha: np.ndarray) -> bool:
    """Return True if an alpha channel is the same everywhere, so that dropping it loses nothing."""
    return bool(alpha.size == 0 or (alpha == alpha.flat[0]).all())


def opaque(alpha: np.ndarray) -> None:
    """Raise Refused if transparency varies between pixels, as it would be lost."""
    if not constant(alpha):
        raise Refused("its transparency varies between pixels; save it without an alpha channel")


def looked_up(index: np.ndarray, palette: np.ndarray, alpha: np.ndarray | None, label: bool) -> Stored:
    """Apply a palette to a picture, or keep the indices of a label map.

    Args:
        index: palette indices [H,W,...].
        palette: colours [n,3].
        alpha: transparency [n] of the colours, or None.
        label: True for a label map, which keeps its indices.

    Returns:
        Colours, or grey if all colours in use are grey.

    Raises:
        Refused: an index is beyond the palette, or transparency varies.
    """
    used = np.unique(index)
    if used.size and used[-1] >= len(palette):
        if label:
            return Stored(index[None], PLANE)
        raise Refused(f"its palette has {len(palette)} colours, but a pixel has index {used[-1]}")
    if label:
        shown = palette[:, 0][index][None] if (palette == palette[:, :1]).all() else index[None]
        return Stored(shown, PLANE, False, index[None], by_index=True)
    if alpha is not None:
        opaque(alpha[used])
    grey = bool((palette[used] == palette[used, :1]).all())
    array = palette[:, 0][index][None] if grey else np.moveaxis(palette[index], -1, 0)
    return Stored(np.ascontiguousarray(array), PLANE, not grey)


def label_map(stored: Stored, values: Collection[int] | None, lossy: bool) -> np.ndarray:
    """Return one number per voxel [1,*spatial].

    Args:
        stored: the mask as read. It may hold stored numbers that differ from the shown ones (palette, few
            bits).
        values: allowed label values, used to choose between shown and stored numbers; None for any.
        lossy: True if the file's compression is lossy.

    Returns:
        The label map [1,*spatial].

    Raises:
        Refused: the mask has colours or several channels, is ambiguous, or is blurred by lossy compression.
    """
    array, numbers = stored.array, stored.numbers
    if len(array) == 3 and (array[:1] == array).all():
        array = array[:1]
    if stored.colour and len(array) > 1:
        raise Refused(
            "a colour picture where a label map has one number per pixel; "
            "save class numbers, as grey or with a palette"
        )
    if len(array) > 1:
        raise Refused(f"has {len(array)} channels where a label map has one")
    if array.dtype == np.float64:
        whole = np.rint(array)
        with np.errstate(invalid="ignore"):  # infinite values are kept, and reported as a fault later
            near = np.abs(array - whole) <= 2.0**-23 * np.abs(whole)
        array = whole if near.all() else array  # a 32-bit slope turns 1 into 1.00000002
    if lossy:
        return _exact(array, values)
    if values is None or numbers is None:
        return numbers if numbers is not None and stored.by_index else array
    shown, wanted = set(np.unique(array).tolist()), set(values)
    kept = set(np.unique(numbers).tolist())
    if stored.by_index and kept <= wanted and shown <= wanted and (numbers != array).any():
        raise Refused(
            f"label values are ambiguous: its indices {_some(kept)} or their greys {_some(shown)}; "
            "save it without a palette"
        )
    return array if shown <= wanted or not (kept <= wanted or stored.by_index) else numbers


def _exact(array: np.ndarray, values: Collection[int] | None) -> np.ndarray:
    """Return a mask that lossy compression has left as it was.

    That shows only where the allowed values are far apart. Raises Refused where it does not, or is not so.
    """
    remedy = "lossy compression (JPEG) blurs label maps; export them again as PNG from the original"
    wanted = sorted(values or ())
    if values is not None and (strange := set(np.unique(array).tolist()) - set(wanted)):
        raise Refused(f"label values {_some(strange)}: {remedy}")
    if values is None or any(high - low < APART for low, high in pairwise(wanted)):
        raise Refused(f"numbers of classes or objects, which may have become others: {remedy}")
    return array


def _some(values: set[int]) -> str:
    return ", ".join(map(str, sorted(values)[:4])) + (", ..." if len(values) > 4 else "")
