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
