"""Similarity of a translated image to its target inside a region, on a fixed range, as SynthRAD scores it.

Equal to the evaluation of the challenge SynthRAD2025 (MAE, PSNR, MS-SSIM; range -1024 to 3071 HU) and, in
SSIM, to that of SynthRAD2023 (range -1024 to 3000 HU) on the same arrays and range. Thummerer et al., Med.
Phys. 50 (2023) 4664; arXiv 2502.17609.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from ganatomy.metrics.similarity import HIGHEST_PSNR

SIDE = 7
"""Side of the uniform window of the structural similarity, in pixels."""
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, the finest first. Wang, Simoncelli and Bovik, Asilomar (2003), section 3.2."""
SMALLEST = 97
"""Side to which shorter ones are padded for five scales: the coarsest then has one position of the window."""
AT_ONCE = 2**22
"""Voxels that are compared at a time."""

Range = tuple[float, float] | float | None
"""Ends of a window; or its width alone; or None for the ends of each truth inside its region."""


@dataclass(frozen=True)
class Span:
    """Range that errors are related to.

    Attributes:
        low: Its lower end, which both images also have outside the region.
        width: Its width, above 0.
        clips: True if values beyond its ends count as the ends.
    """

    low: float
    width: float
    clips: bool

    @classmethod
    def of(cls, given: Range, truth: np.ndarray, inside: np.ndarray | None) -> Span:
        """Return the range of one image.

        Args:
            given: Window, width or None.
            truth: Values of the truth.
            inside: True in the region; None for all of the image.

        Raises:
            ValueError: The range has no width, as that of a constant truth.
        """
        if isinstance(given, tuple):
            return cls(given[0], _positive(given[1] - given[0]), True)
        values = truth if inside is None else truth[inside]
        low = float(values.min())
        if given is not None:
            return cls(low, _positive(given), False)
        return cls(low, _positive(float(values.max()) - low), True)

    def clipped(self, image: np.ndarray) -> np.ndarray:
        """Return the image with values beyond the ends set to the ends, if they clip."""
        return np.clip(image, self.low, self.low + self.width) if self.clips else image

    def from_zero(self, image: np.ndarray, inside: np.ndarray | None) -> np.ndarray:
        """Return the clipped image, with the low end outside the region, shifted to begin at 0."""
        clipped = self.clipped(image)
        masked = clipped if inside is None else np.where(inside, clipped, self.low)
        return np.asarray(masked - self.low)


def mae(prediction: np.ndarray, truth: np.ndarray, inside: np.ndarray | None = None) -> float:
    """Return the mean absolute error in the region, in the images' units, without clipping.

    Args:
        prediction: Image of any shape.
        truth: Image of the same shape.
        inside: True in the region, of the same shape; None for all of the image.
    """
    error = np.abs(prediction - truth)
    return float(error.mean() if inside is None else error[inside].mean())


def psnr(prediction: np.ndarray, truth: np.ndarray, span: Span, inside: np.ndarray | None = None) -> float:
    """Return 10 log₁₀(width² / mean squared error in the region) of the clipped images, dB; at most 120.

    Args:
        prediction: Image of any shape.
        truth: Image of the same shape.
        span: Range of the values.
        inside: True in the region, of the same shape; None for all of the image.
    """
    error = (span.clipped(prediction) - span.clipped(truth)) ** 2
    squared = float(error.mean() if inside is None else error[inside].mean())
    return min(HIGHEST_PSNR, 10 * np.log10(span.width**2 / squared)) if squared else HIGHEST_PSNR


def ssim(prediction: np.ndarray, truth: np.ndarray, span: Span, inside: np.ndarray | None = None) -> float:
    """Return the structural similarity: the mean of its map over the positions in the region.

    Uniform window of 7 pixels a side (fewer where a side is shorter) and sample covariance, as
    scikit-image's default, where the window lies wholly inside the image.

    Args:
        prediction: Images [N, C, *spatial].
        truth: Images of the same shape.
        span: Range of the values.
        inside: True in the region, of the same shape; None for all of the image.

    Returns:
        The mean; NaN if no position of the window is centred in the region.
    """
    ours, theirs = span.from_zero(prediction, inside), span.from_zero(truth, inside)
    size = min(SIDE, *(side - 1 + side % 2 for side in ours.shape[2:]))
    return _mean(_maps(ours, theirs, inside, span.width, size, None))


def ms_ssim(prediction: np.ndarray, truth: np.ndarray, span: Span, inside: np.ndarray | None = None) -> float:
    """Return the multi-scale structural similarity of five scales in the region.

    Sides below 97 are padded by their edge values. At each scale the mean in the region of
    (luminance · contrast · structure)^weight, cut to 0 to 1; all factors have the exponent of their scale, as
    in the published evaluation (in the paper luminance counts at the coarsest scale alone). Between scales
    the images are averaged over 2 pixels a side, and every other pixel is taken, of the region too. The
    challenge scores volumes; images of two axes are treated alike, with windows of 7x7.

    Args:
        prediction: Images [N, C, *spatial].
        truth: Images of the same shape.
        span: Range of the values.
        inside: True in the region, of the same shape; None for all of the image.

    Returns:
        The product over the scales; NaN if the region has no position left at a scale.
    """
    pads = [(0, 0), (0, 0)]
    for side in prediction.shape[2:]:
        missing = max(SMALLEST - side, 0)
        pads.append((missing // 2, missing - missing // 2))
    ours, theirs = (np.pad(span.from_zero(image, inside), pads, "edge") for image in (prediction, truth))
    inside = None if inside is None else np.pad(inside, pads, "edge")
    steps = (slice(None), slice(None), *[slice(None, None, 2)] * (ours.ndim - 2))
    product = 1.0
    for number, weight in enumerate(WEIGHTS):
        if number:
            ours, theirs = (_halved(image) for image in (ours, theirs))
            inside = None if inside is None else inside[steps]
        product *= float(np.clip(_mean(_maps(ours, theirs, inside, span.width, SIDE, weight)), 0, 1))
    return product


def _halved(image: np.ndarray) -> np.ndarray:
    """Return the mean of every other pixel with the one before it, along each axis; 0 before the first."""
    for axis in range(2, image.ndim):
        even = np.moveaxis(image, axis, 0)[::2].copy()
        even[1:] += np.moveaxis(image, axis, 0)[1:-1:2][: len(even) - 1]
        image = np.moveaxis(even / 2, 0, axis)
    return image


def _maps(
    ours: np.ndarray,
    theirs: np.ndarray,
    inside: np.ndarray | None,
    width: float,
    size: int,
    weight: float | None,
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield the similarity at whole positions of the window, and where these lie in the region, in slabs."""
    edge, rows = size // 2, max(1, AT_ONCE // max(1, ours[:, :, :1].size))
    whole = (slice(None), slice(None), *[slice(edge, side - edge) for side in ours.shape[2:]])
    for first in range(0, ours.shape[2] - 2 * edge, rows):
        slab = (slice(None), slice(None), slice(first, first + rows + 2 * edge))
        found = _similarity(ours[slab], theirs[slab], width, size, weight)
        kept = (*whole[:2], slice(edge, found.shape[2] - edge), *whole[3:])
        yield found[kept], None if inside is None else inside[slab][kept]


def _similarity(
    ours: np.ndarray, theirs: np.ndarray, width: float, size: int, weight: float | None
) -> np.ndarray:
    """Return the similarity at every pixel; with a weight the product of its three parts to that power."""
    c1, c2 = (0.01 * width) ** 2, (0.03 * width) ** 2
    window = (1, 1, *[size] * (ours.ndim - 2))
    sample = (size ** (ours.ndim - 2)) / max(size ** (ours.ndim - 2) - 1, 1)
    mean_a, mean_b = (uniform_filter(image, window) for image in (ours, theirs))
    both = [(ours, ours, mean_a, mean_a), (theirs, theirs, mean_b, mean_b), (ours, theirs, mean_a, mean_b)]
    var_a, var_b, shared = (sample * (uniform_filter(a * b, window) - m * n) for a, b, m, n in both)
    light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    if weight is None:
        return np.asarray(light * (2 * shared + c2) / (var_a + var_b + c2))
    deviations = np.sqrt(np.clip(var_a, 0, None)) * np.sqrt(np.clip(var_b, 0, None))
    contrast = (2 * deviations + c2) / (var_a + var_b + c2)
    structure = (shared + c2 / 2) / (deviations + c2 / 2)
    parts = (np.clip(part, 0, None) for part in (light, contrast, structure))
    return np.asarray(np.prod(list(parts), axis=0) ** weight)


def _mean(maps: Iterator[tuple[np.ndarray, np.ndarray | None]]) -> float:
    total, count = 0.0, 0
    for values, inside in maps:
        chosen = values if inside is None else values[inside]
        total, count = total + float(chosen.sum(dtype=np.float64)), count + chosen.size
    return total / count if count else float("nan")


def _positive(width: float) -> float:
    if not width > 0:
        raise ValueError(f"data_range: {width} must be above 0; the truth is constant there")
    return width


def per_channel(given: Range | list[Range], channels: int) -> list[tuple[slice, Range]]:
    """Return the channels that are scored together, and their range: all, or each one with its own."""
    if not isinstance(given, list):
        return [(slice(None), given)]
    if len(given) != channels:
        raise ValueError(f"data_range: {len(given)} ranges for {channels} channels")
    return [(slice(c, c + 1), own) for c, own in enumerate(given)]
