"""The contract of a file format that predictions are returned in."""

from __future__ import annotations

from typing import Protocol

import numpy as np

Scaling = tuple[float, float]
UNSCALED: Scaling = (1.0, 0.0)


class Form(Protocol):
    """Format of an input file, with the properties that a file of it needs beside its numbers.

    Nothing else of the header is kept, as it may identify the patient.

    Attributes:
        note: why predictions are written in another format, as a sentence for the user; empty: they are not.
    """

    @property
    def note(self) -> str: ...

    def encoded(self, numbers: np.ndarray, scaling: Scaling = UNSCALED) -> tuple[str, bytes]:
        """Return suffix and content of a file.

        Args:
            numbers: Stored numbers [C,*spatial], with the axes as the reader returns them.
            scaling: Slope and intercept: value = number * slope + intercept.
        """
        ...

    def at(self, affine: np.ndarray) -> Form:
        """Return the form for an array whose affine (mm) this is; itself if that is the input's own grid."""
        ...


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Return True if two affines are the same, as far as 32-bit headers tell."""
    return bool(np.allclose(one, other, rtol=1e-5, atol=1e-4 * np.abs(other[:3, :3]).max()))
