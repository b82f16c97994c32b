"""The contract of a file format that predictions are returned in."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Form(Protocol):
    """Format of an input file, with the properties that a file of it needs beside its numbers.

    Nothing else of the header is kept, as it may identify the patient.

    Attributes:
        note: why predictions are written in another format, as a sentence for the user; empty: they are not.
    """

    @property
    def note(self) -> str: ...

    def encoded(
        self, numbers: np.ndarray, affine: np.ndarray, slope: float, inter: float
    ) -> tuple[str, bytes]:
        """Return suffix and content of a file.

        Args:
            numbers: Stored numbers [C,*spatial], with the axes as the reader returns them.
            affine: [4,4], voxel index to mm, for formats that cannot keep the position of the input.
            slope: value = number * slope + inter.
            inter: see `slope`.
        """
        ...
