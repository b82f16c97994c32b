"""Scores of texture, which pixel-wise errors miss: noise, fine detail, edges.

Arrays are [N, C, *spatial]. The ratios are 1 for the truth itself: below it is smoother, above it rougher.
"""

from __future__ import annotations

import math
from itertools import chain

import numpy as np
from scipy.ndimage import gaussian_filter

TILE = 8
"""Side of the tiles in which noise is measured, in pixels."""


def flat_deviation_ratio(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the standard deviation within the truth's flat tiles (RMS over tiles) over the truth's own.

    NaN without flat tiles, or if the truth's is 0.
    """
    flat = flat_tiles(truth)
    ours, theirs = (tiles(image)[flat] for image in (prediction, truth))
    return _ratio(_within(ours).mean() ** 0.5, _within(theirs).mean() ** 0.5) if flat.any() else np.nan


def noise_power_distance(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the distance of two noise power spectra in dB: RMS over the frequencies of 10 log₁₀(P / P').

    Spectra are periodograms of the truth's flat tiles, their means subtracted, averaged over the tiles and
    over directions, as in IEC 62220-1. NaN without flat tiles.
    """
    flat = flat_tiles(truth)
    if not flat.any():
        return np.nan
    ours, theirs = (radial_spectrum(tiles(image)[flat]) for image in (prediction, truth))
    floor = 1e-12 * max(ours.max(), theirs.max()) + np.finfo(float).tiny
    decibels = 10 * np.log10((ours + floor) / (theirs + floor))
    return float(np.sqrt((decibels**2).mean()))


def high_frequency_ratio(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the energy above a quarter of a cycle per pixel (half of the maximum), over the truth's."""
    return _ratio(_fine_energy(prediction), _fine_energy(truth))


def edge_gradient_ratio(prediction: np.ndarray, truth: np.ndarray, share: float = 0.05) -> float:
    """Return the slope across the truth's edges in the prediction, over the truth's.

    Only the slope in the truth's own direction counts, so that noise makes no edge.

    Args:
        prediction: Images [N, C, *spatial].
        truth: Images of the same shape.
        share: Fraction of pixels that are edges: those where the truth, smoothed by 1 pixel, is steepest.
    """
    direction = _slopes(_smooth(truth, 1.0))
    steepness = np.sqrt((direction**2).sum(0))
    steep = steepness >= np.quantile(steepness, 1 - share)
    across = direction[:, steep] / np.maximum(steepness[steep], np.finfo(float).tiny)
    ours, theirs = ((_slopes(image)[:, steep] * across).sum() for image in (prediction, truth))
    return _ratio(ours, theirs)


def flat_tiles(truth: np.ndarray, share: float = 0.25) -> np.ndarray:
    """Find the truth's flat `tiles`, bool [T]: of those with signal, the fraction `share` that varies least.

    Both are measured after smoothing by 2 pixels, so that a tile is not chosen for its noise. Signal is a
    mean above the darkest tenth of the range.
    """
    smooth = tiles(_smooth(truth, 2.0))
    if not len(smooth):
        return np.zeros(0, bool)
    low, high = np.quantile(smooth, (0.01, 0.99))
    lit: np.ndarray = smooth.reshape(len(smooth), -1).mean(1) > low + 0.1 * (high - low)
    spread = _within(smooth)
    return lit & (spread <= np.quantile(spread[lit], share)) if lit.any() else lit


def tiles(image: np.ndarray) -> np.ndarray:
    """Cut [N, C, *spatial] into [T, *TILEs] float64; the rest at the end of an axis is dropped."""
    counts = [side // TILE for side in image.shape[2:]]
    dims = len(counts)
    whole = image[(slice(None), slice(None), *(slice(count * TILE) for count in counts))].astype(np.float64)
    rows = len(image) * image.shape[1]
    cut = whole.reshape(rows, *chain.from_iterable((count, TILE) for count in counts))
    order = [0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2)]
    together: np.ndarray = cut.transpose(order).reshape(rows * math.prod(counts), *[TILE] * dims)
    return together


def radial_spectrum(cut: np.ndarray) -> np.ndarray:
    """Return the mean power of tiles [T, *TILEs] at 1, 2, ... cycles per tile, to the highest of an axis."""
    axes = tuple(range(1, cut.ndim))
    power = (
        np.abs(np.fft.fftn((cut - cut.mean(axes, keepdims=True)) * _hann(cut.shape[1:]), axes=axes)) ** 2
    ).mean(0)
    cycles = np.rint(_frequencies(cut.shape[1:]) * TILE).astype(int)
    return np.array([power[cycles == cycle].mean() for cycle in range(1, TILE // 2 + 1)])


def _fine_energy(image: np.ndarray) -> float:
    axes = tuple(range(2, image.ndim))
    centred = image - image.mean(axes, keepdims=True, dtype=np.float64)
    power = np.abs(np.fft.fftn(centred * _hann(image.shape[2:]), axes=axes)) ** 2
    return float(power[..., _frequencies(image.shape[2:]) > 0.25].sum())


def _frequencies(sides: tuple[int, ...]) -> np.ndarray:
    """Return the length of the frequency vector of each Fourier coefficient, in cycles per pixel."""
    axes = np.meshgrid(*(np.fft.fftfreq(side) for side in sides), indexing="ij")
    length: np.ndarray = np.sqrt(sum(axis**2 for axis in axes))
    return length


def _hann(sides: tuple[int, ...]) -> np.ndarray:
    window = np.ones(())
    for side in sides:
        window = window[..., None] * np.hanning(side + 2)[1:-1]
    return window


def _within(cut: np.ndarray) -> np.ndarray:
    """Return the variance of each tile."""
    variance: np.ndarray = cut.reshape(len(cut), -1).var(1)
    return variance


def _smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    smooth: np.ndarray = gaussian_filter(image.astype(np.float64), sigma, axes=tuple(range(2, image.ndim)))
    return smooth


def _slopes(image: np.ndarray) -> np.ndarray:
    """Return central differences [dims, N, C, *spatial]; 0 along an axis of one pixel."""
    values = image.astype(np.float64)
    return np.stack(
        [
            np.gradient(values, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values)
            for axis in range(2, image.ndim)
        ]
    )


def _ratio(ours: float, theirs: float) -> float:
    return float(ours / theirs) if theirs > 0 else np.nan
