"""Loss of resolution: blur and larger pixels."""

from __future__ import annotations

from itertools import chain

import numpy as np
from scipy.ndimage import gaussian_filter

from ganatomy.degradations.base import Degradation
from ganatomy.degradations.noise import positive
from ganatomy.errors import UserError


def blur(signal: np.ndarray, sigma: float) -> np.ndarray:
    """Convolve [C, *spatial] with a Gaussian point spread of deviation `sigma` voxels, mirrored at the edges.

    Self-adjoint; keeps constant images and the sum of any image.
    """
    axes = tuple(range(1, signal.ndim))
    blurred: np.ndarray = gaussian_filter(signal, sigma, mode="reflect", axes=axes)
    return blurred


def downsample(signal: np.ndarray, factor: int) -> np.ndarray:
    """Return [C, *spatial / factor]: each large pixel is the mean of the small ones that it covers.

    Raises UserError if `factor` does not divide the sides.
    """
    sides = signal.shape[1:]
    if any(side % factor for side in sides):
        shape = "x".join(map(str, sides))
        raise UserError(f"degradation.factor: {factor} does not divide images of {shape}; set data.size")
    split = chain.from_iterable((side // factor, factor) for side in sides)
    blocks = signal.reshape(len(signal), *split)
    large: np.ndarray = blocks.mean(axis=tuple(range(2, blocks.ndim, 2)))
    return large


def enlarge(signal: np.ndarray, factor: int) -> np.ndarray:
    """Return [C, *spatial * factor]: each large pixel repeated over the small ones that it covers.

    factorᵈ times the adjoint of `downsample`, and its right inverse: downsample(enlarge(x)) = x.
    """
    for axis in range(1, signal.ndim):
        signal = signal.repeat(factor, axis)
    return signal


class Blur(Degradation):
    """A Gaussian point spread of `sigma` voxels."""

    def __init__(self, sigma: float = 1.5) -> None:
        self.sigma = positive("sigma", sigma)

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return blur(signal, self.sigma)


class Downsample(Degradation):
    """Pixels `factor` times as large along every axis, given on the grid of the small ones.

    Nothing is interpolated: every factor-th value is what was measured, so a network for super-resolution can
    recover the small image and enlarge it itself.
    """

    def __init__(self, factor: int = 2) -> None:
        if factor < 2:
            raise UserError(f"factor: {factor} must be 2 or more")
        self.factor = factor

    def apply(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return enlarge(downsample(signal, self.factor), self.factor)
