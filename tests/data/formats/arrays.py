"""NumPy's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganatomy.data.regrid import PAGES
from tests.data.formats.rows import COLOUR, GREY, VOLUME, Row, last, written

BOTH = np.stack([VOLUME, VOLUME + 1])


def npy(array: Any) -> Callable[[Path], Path]:
    return written("a.npy", lambda path: np.save(path, array, allow_pickle=True))


def npz(**arrays: np.ndarray) -> Callable[[Path], Path]:
    return written("a.npz", lambda path: np.savez(path, **arrays))


NAMED = np.zeros((5, 7), [("a", "u1"), ("b", "u1")])
PAGES_FIRST = np.ascontiguousarray(VOLUME.transpose(2, 0, 1))
ROWS = (
    Row("[H,W]", npy(GREY), GREY[None]),
    Row("[H,W], Fortran order", npy(np.asfortranarray(GREY)), GREY[None]),
    Row("[H,W], big-endian", npy(VOLUME[..., 0].astype(">i2")), VOLUME[None, ..., 0]),
    Row("[H,W], bool", npy(GREY > 99), GREY[None] > 99),
    Row("[H,W], float16", npy(GREY.astype(np.float16)), GREY[None].astype(np.float16)),
    Row("[H,W], float64", npy(GREY / 3), GREY[None] / 3),
    Row("[H,W,1]", npy(GREY[..., None]), GREY[None]),
    Row("[1,H,W]", npy(GREY[None]), GREY[None]),
    Row("[H,W,D], pages last", npy(VOLUME), VOLUME[None], affine=PAGES),
    Row("[D,H,W] with data.axes=DHW", npy(PAGES_FIRST), VOLUME[None], affine=PAGES, axes="DHW"),
    Row("[C,H,W,D]", npy(BOTH[:1]), VOLUME[None], affine=PAGES),
    Row("[H,W,D,C] with data.axes=HWDC", npy(last(BOTH)), BOTH, affine=PAGES, axes="HWDC"),
    Row("[H,W,3]", npy(last(COLOUR)), "colours or a volume?"),
    Row("[3,H,W]", npy(COLOUR), "colours or a volume?"),
    Row("[H,W,3] with data.axes=HWC", npy(last(COLOUR)), COLOUR, axes="HWC"),
    Row("[3,H,W] with data.axes=CHW", npy(COLOUR), COLOUR, axes="CHW"),
    Row("[H,W] with data.axes=HWC (a mask)", npy(GREY), GREY[None], axes="HWC", label=True),
    Row("[H,W,3] with data.axes=HWD", npy(last(COLOUR)), last(COLOUR)[None], affine=PAGES, axes="HWD"),
    Row("[H,W,3] with data.spatial_dims=3", npy(last(COLOUR)), last(COLOUR)[None], affine=PAGES, dims=3),
    Row("[H,W,D,3]", npy(last(np.concatenate([BOTH, BOTH[:1]]))), "which axis holds channels?"),
    Row("[H,W] with data.axes=CHWD", npy(GREY), "has 2 axes", axes="CHWD"),
    Row("five axes", npy(VOLUME[None, None]), "has 5 axes"),
    Row("complex", npy(GREY * 1j), "complex"),
    Row("named fields", npy(NAMED), "named fields"),
    Row("Python objects", npy(np.array([{}, {}])), "Python objects"),
    Row(".npz of one array", npz(a=GREY), GREY[None]),
    Row(".npz of several arrays", npz(a=GREY, b=GREY), "holds 2 arrays"),
)
