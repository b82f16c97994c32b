"""Accelerated MR scans: fewer lines of k-space."""

from __future__ import annotations

import numpy as np

from ganatomy.degradations.base import Degradation
from ganatomy.errors import UserError


def cartesian_mask(lines: int, acceleration: float, centre: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the phase-encoding lines that are measured: round(lines / acceleration) of them.

    The fraction `centre` of all lines lies around the middle, the others anywhere else with equal
    probability. Zbontar et al. (fastMRI), arXiv 1811.08839, section 4.3.

    Args:
        lines: Number of lines.
        acceleration: Lines per measured line.
        centre: Fraction of all lines that is measured around frequency 0.
        rng: Source of randomness.

    Returns:
        bool [lines], frequency 0 in the middle (at lines // 2).
    """
    measured = max(1, round(lines / acceleration))
    middle = min(measured, max(1, round(lines * centre)))
    start = lines // 2 - middle // 2
    mask = np.zeros(lines, bool)
    mask[start : start + middle] = True
    mask[rng.choice(np.flatnonzero(~mask), measured - middle, replace=False)] = True
    return mask


def zero_filled(signal: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the complex image [C, *spatial] of the measured lines along the first spatial axis."""
    lines = np.fft.ifftshift(mask).reshape(-1, *[1] * (signal.ndim - 2))
    image: np.ndarray = np.fft.ifft(np.fft.fft(signal, axis=1) * lines, axis=1)
    return image


class Undersample(Degradation):
    """A scan `acceleration` times as fast: the magnitude of the zero-filled image under a Cartesian mask.

    Args:
        acceleration: Lines per measured line, 1 or more.
        centre: Fraction of all lines that is measured around frequency 0.
        zero: Where a signal is 0, in the image's own units.

    Raises:
        UserError: If `acceleration` or `centre` is out of range.
    """

    def __init__(self, acceleration: float = 4.0, centre: float = 0.08, zero: float = 0.0) -> None:
        if acceleration < 1:
            raise UserError(f"acceleration: {acceleration} must be 1 or more")
        if not 0 <= centre <= 1:
            raise UserError(f"centre: {centre} must be a fraction of the lines, 0 to 1")
        self.acceleration, self.centre, self.zero = acceleration, centre, zero

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        mask = cartesian_mask(signal.shape[1], self.acceleration, self.centre, rng)
        magnitude: np.ndarray = np.abs(zero_filled(signal, mask))
        return magnitude
