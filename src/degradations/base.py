"""What a degradation is."""

from __future__ import annotations

from typing import Any

import numpy as np


class Degradation:
    """Makes the degraded image of a clean one.

    Signals are [C, *spatial] float64 in units of `data.intensity`: 1 is the width of a window, or one
    standard deviation for zscore. They are 0 where the image's own units are `zero`: 0 for magnitude images
    and counts, -1000 for Hounsfield units.
    """

    zero: float = 0.0

    def __call__(
        self, image: np.ndarray, offset: float, scale: float, rng: np.random.Generator
    ) -> np.ndarray:
        """A normalised image [C, *spatial], its own units being image * scale + offset, degraded; float32."""
        shift = (offset - self.zero) / scale
        degraded: np.ndarray = self.apply(image.astype(np.float64) + shift, rng) - shift
        return degraded.astype(np.float32)

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The degraded signal, of the same shape."""
        raise NotImplementedError

    def __repr__(self) -> str:
        values: dict[str, Any] = vars(self)
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in values.items())})"
