"""Noise of receivers, of magnitude images and of counted photons."""

from __future__ import annotations

import numpy as np

from ganatomy.degradations.base import Degradation
from ganatomy.errors import UserError


def gaussian(signal: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add white noise: s + σn.

    Args:
        signal: Signal of any shape.
        sigma: Standard deviation of the noise, in the signal's units.
        rng: Source of randomness.
    """
    noisy: np.ndarray = signal + sigma * rng.standard_normal(signal.shape)
    return noisy


def rician(signal: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return the magnitude of a complex MR signal with Gaussian noise in both parts: |s + σ(n + in')|.

    Second moment s² + 2σ²; without signal a Rayleigh distribution of mean σ√(π/2). Gudbjartsson and Patz,
    Magn. Reson. Med. 34 (1995) 910.

    Args:
        signal: Signal of any shape.
        sigma: Standard deviation of the noise of each part, in the signal's units.
        rng: Source of randomness.
    """
    real, imaginary = sigma * rng.standard_normal((2, *signal.shape))
    magnitude: np.ndarray = np.hypot(signal + real, imaginary)
    return magnitude


def poisson(signal: np.ndarray, photons: float, rng: np.random.Generator) -> np.ndarray:
    """Count photons: P(N·s) / N. Mean s, variance s / N; s < 0 counts as 0.

    Args:
        signal: Signal of any shape.
        photons: N, the mean count in a pixel of signal 1.
        rng: Source of randomness.
    """
    noisy: np.ndarray = rng.poisson(photons * np.maximum(signal, 0)) / photons
    return noisy


class Gaussian(Degradation):
    """White noise of the standard deviation `sigma`."""

    def __init__(self, sigma: float = 0.1) -> None:
        self.sigma = positive("sigma", sigma)

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return gaussian(signal, self.sigma, rng)


class Rician(Degradation):
    """Noise of MR magnitude images; `sigma` is the standard deviation of each of the two receivers."""

    def __init__(self, sigma: float = 0.1, zero: float = 0.0) -> None:
        self.sigma, self.zero = positive("sigma", sigma), zero

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rician(signal, self.sigma, rng)

    def unbias(self, signal: np.ndarray) -> np.ndarray:
        """Return √(m² - 2σ²), or 0 where that is not real. Gudbjartsson and Patz."""
        unbiased: np.ndarray = np.sqrt(np.maximum(signal**2 - 2 * self.sigma**2, 0))
        return unbiased


class Poisson(Degradation):
    """Low dose: `photons` is the mean count in a pixel of signal 1."""

    def __init__(self, photons: float = 100.0, zero: float = 0.0) -> None:
        self.photons, self.zero = positive("photons", photons), zero

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return poisson(signal, self.photons, rng)


def positive(key: str, value: float) -> float:
    """Return the value; UserError unless it is above 0."""
    if not value > 0:
        raise UserError(f"{key}: {value} must be above 0")
    return value
