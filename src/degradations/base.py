"""Base class of degradations."""

from __future__ import annotations

import numpy as np

Number = float | np.ndarray
"""A number, or an array that broadcasts against an image."""


class Degradation:
    """Degradation of clean images.

    Signals are [C, *spatial] float64 in units of `data.intensity`: 1 is the width of a window, or one
    standard deviation for zscore. They are 0 where the image's own units are `zero`: 0 for magnitude images
    and counts, -1000 for Hounsfield units.
    """

    zero: float = 0.0

    def __call__(
        self, image: np.ndarray, offset: Number, scale: Number, rng: np.random.Generator
    ) -> np.ndarray:
        """Degrade a normalised image, whose own units are image * scale + offset.

        Args:
            image: Normalised image [C, *spatial].
            offset: Offset of the normalisation: a number, or [C, 1, ...] where each channel has its own.
            scale: Scale of the normalisation, likewise.
            rng: Source of randomness.

        Returns:
            Degraded image [C, *spatial], normalised, float32.
        """
        shift = self.shift(offset, scale)
        degraded: np.ndarray = self.apply(image.astype(np.float64) + shift, rng) - shift
        return degraded.astype(np.float32)

    def shift(self, offset: Number, scale: Number) -> Number:
        """Return what is added to a normalised image to make it a signal."""
        return (offset - self.zero) / scale

    def unbias(self, signal: np.ndarray) -> np.ndarray:
        """Remove the bias that the noise added to the mean from a smoothed degraded signal."""
        return signal

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the degraded signal, of the same shape."""
        raise NotImplementedError
