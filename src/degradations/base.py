"""What a degradation is."""

from __future__ import annotations

import numpy as np

Number = float | np.ndarray


class Degradation:
    """Makes the degraded image of a clean one.

    Signals are [C, *spatial] float64 in units of `data.intensity`: 1 is the width of a window, or one
    standard deviation for zscore. They are 0 where the image's own units are `zero`: 0 for magnitude images
    and counts, -1000 for Hounsfield units.
    """

    zero: float = 0.0

    def __call__(
        self, image: np.ndarray, offset: Number, scale: Number, rng: np.random.Generator
    ) -> np.ndarray:
        """A normalised image [C, *spatial], its own units being image * scale + offset, degraded; float32.

        offset, scale: numbers, or [C, 1, ...] where each channel has its own.
        """
        shift = self.shift(offset, scale)
        degraded: np.ndarray = self.apply(image.astype(np.float64) + shift, rng) - shift
        return degraded.astype(np.float32)

    def shift(self, offset: Number, scale: Number) -> Number:
        """What is added to a normalised image to make it a signal."""
        return (offset - self.zero) / scale

    def unbias(self, signal: np.ndarray) -> np.ndarray:
        """A smoothed degraded signal without what the noise added to its mean."""
        return signal

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The degraded signal, of the same shape."""
        raise NotImplementedError
