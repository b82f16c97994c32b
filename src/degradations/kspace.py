"""Fewer lines of k-space: faster MR scans."""

from __future__ import annotations

import numpy as np

from src.degradations.base import Degradation
from src.errors import UserError


def cartesian_mask(lines: int, acceleration: float, centre: float, rng: np.random.Generator) -> np.ndarray:
    """Which phase-encoding lines are measured, bool [lines], frequency 0 in the middle (at lines // 2).

    round(lines / acceleration) of them: the share `centre` of all lines lies around the middle, the others
    anywhere else, each as likely. Zbontar et al. (fastMRI), arXiv 1811.08839, section 4.3.
    """
    measured = max(1, round(lines / acceleration))
    middle = min(measured, max(1, round(lines * centre)))
    start = lines // 2 - middle // 2
    mask = np.zeros(lines, bool)
    mask[start : start + middle] = True
    mask[rng.choice(np.flatnonzero(~mask), measured - middle, replace=False)] = True
    return mask


def zero_filled(signal: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[C, *spatial] complex: what the measured lines along the first spatial axis tell."""
    lines = np.fft.ifftshift(mask).reshape(-1, *[1] * (signal.ndim - 2))
    rebuilt: np.ndarray = np.fft.ifft(np.fft.fft(signal, axis=1) * lines, axis=1)
    return rebuilt


class Undersample(Degradation):
    """A scan `acceleration` times as fast: the magnitude of the zero-filled image under a Cartesian mask."""

    def __init__(self, acceleration: float = 4.0, centre: float = 0.08, zero: float = 0.0) -> None:
        if acceleration < 1:
            raise UserError(f"acceleration: {acceleration} must be 1 or more")
        if not 0 <= centre <= 1:
            raise UserError(f"centre: {centre} is a share of the lines, 0 to 1")
        self.acceleration, self.centre, self.zero = acceleration, centre, zero

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        mask = cartesian_mask(signal.shape[1], self.acceleration, self.centre, rng)
        magnitude: np.ndarray = np.abs(zero_filled(signal, mask))
        return magnitude
