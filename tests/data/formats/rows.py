"""One line of the table of formats: a file that an outside library writes, and what must be read of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

GREY = (np.arange(35).reshape(5, 7) * 7 + np.arange(5)[:, None] ** 2).astype(np.uint8)
"""[5,7]: all numbers differ, so no turn, mirror or exchange of axes goes unseen."""
COLOUR = np.stack([GREY, GREY // 2 + 3, 255 - GREY])
DEEP = GREY.astype(np.uint16) * 250 + 11
DEEP_COLOUR = COLOUR.astype(np.uint16) * 250 + np.array([1, 2, 3], np.uint16)[:, None, None]
VOLUME = (np.arange(210).reshape(5, 7, 6) * 37 % 211 - 100).astype(np.int16)
SMOOTH = (np.arange(24)[:, None] * 6 + np.arange(40) * 2).astype(np.uint8)
"""[24,40]: rises so slowly that lossy compression keeps it to a few units."""
SMOOTH_COLOUR = np.stack([SMOOTH, SMOOTH // 2, 220 - SMOOTH])
CLASSES = (np.arange(35).reshape(5, 7) % 4).astype(np.uint8)
OBLIQUE = np.array([[1.5, 0, 0.2, -30], [0, -0.7, 0, 12], [0.3, 0, 2.5, 7], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Row:
    """form: what is stored. write: makes the file in a folder and returns its path. right: the array
    [C,*spatial], or words of the reason why it is refused. values: the row is read as a label map that may
    hold these. near: what lossy compression may change."""

    form: str
    write: Callable[[Path], Path]
    right: np.ndarray | str
    colour: bool = False
    affine: np.ndarray | None = None
    axes: str | None = None
    dims: int | None = None
    label: bool = False
    values: Sequence[int] | None = None
    near: float = 0.0


def last(array: np.ndarray) -> np.ndarray:
    """Channels last."""
    return np.ascontiguousarray(np.moveaxis(array, 0, -1))


def written(name: str, save: Callable[[Path], Any]) -> Callable[[Path], Path]:
    """A writer that lets `save` make the file `name`."""

    def write(folder: Path) -> Path:
        save(folder / name)
        return folder / name

    return write


def holding(name: str, content: bytes) -> Callable[[Path], Path]:
    return written(name, lambda path: path.write_bytes(content))
