"""Similarity of an image to the truth, with an explicit data range."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

HIGHEST_PSNR = 120.0
"""PSNR of identical images, in dB."""
WINDOW, SIGMA = 11, 1.5
"""Side and deviation of the window of the structural similarity, in pixels."""
AT_ONCE = 2**17
"""Voxels that are compared at a time: what is made of them stays in the processor's cache."""


def mae(prediction: Tensor, truth: Tensor) -> Tensor:
    """Return the mean absolute error, 0-dim, in the images' units."""
    return (prediction.double() - truth.double()).abs().mean()


def psnr(prediction: Tensor, truth: Tensor, data_range: float) -> Tensor:
    """Return 10 log₁₀(range² / mean squared error) over all elements, 0-dim, in dB.

    Args:
        prediction: Images of any shape.
        truth: Images of the same shape.
        data_range: Range of the truth's values, above 0.

    Raises:
        ValueError: If `data_range` is not above 0.
    """
    error = (prediction.double() - truth.double()).square().mean()
    return (10 * torch.log10(_checked(data_range) ** 2 / error)).clamp_max(HIGHEST_PSNR)


def ssim(prediction: Tensor, truth: Tensor, data_range: float) -> Tensor:
    """Return the structural similarity, 0-dim: the mean over images, channels and positions.

    Gaussian window of sigma 1.5 and 11 pixels (fewer where a side is shorter), at positions where it lies
    wholly inside. Wang et al., IEEE TIP 13 (2004) 600.

    Args:
        prediction: Images [N, C, *spatial].
        truth: Images of the same shape.
        data_range: Range of the truth's values, above 0.

    Raises:
        ValueError: If `data_range` is not above 0.
    """
    size, count = window_side(prediction.shape[2:]), 0
    total = torch.zeros((), dtype=torch.float64, device=prediction.device)
    plane = max(1, prediction[:1, :, :1].numel())
    rows = max(2 * size, AT_ONCE // plane)  # of one image: slabs overlap by size - 1
    images = max(1, AT_ONCE // (plane * prediction.shape[2]))
    pairs = zip(torch.split(prediction, images), torch.split(truth, images), strict=True)
    for one, other in pairs:
        for first in range(0, prediction.shape[2] - size + 1, rows):
            slab = slice(first, first + rows + size - 1)
            values, _ = structure(one[:, :, slab], other[:, :, slab], data_range, size)
            total, count = total + values.sum(), count + values.numel()
    return total / count


def structure(one: Tensor, other: Tensor, data_range: float, size: int) -> tuple[Tensor, Tensor]:
    """Compute the structural similarity and its contrast-structure term at every position.

    The mean of each image is subtracted before anything is squared, so that no digits are lost where it is
    large.

    Args:
        one: Images [N, C, *spatial].
        other: Images of the same shape.
        data_range: Range of the values, above 0.
        size: Side of the Gaussian window in pixels.

    Returns:
        (similarity, contrast-structure term), each [N, C, *positions], float64.

    Raises:
        ValueError: If `data_range` is not above 0.
    """
    c1, c2 = (0.01 * _checked(data_range)) ** 2, (0.03 * data_range) ** 2
    axes = tuple(range(2, one.dim()))
    one, other = one.double(), other.double()
    levels = [image.mean(axes, keepdim=True) for image in (one, other)]
    a, b = one - levels[0], other - levels[1]
    mean_a, mean_b = _blurred(a, size), _blurred(b, size)
    variances = _blurred((a * a).addcmul_(b, b), size).sub_(mean_a**2).sub_(mean_b**2)
    covariance = _blurred(a * b, size).addcmul_(mean_a, mean_b, value=-1)
    contrast = covariance.mul_(2).add_(c2).div_(variances.add_(c2))
    mean_a.add_(levels[0])
    mean_b.add_(levels[1])
    squares = (mean_a**2).addcmul_(mean_b, mean_b).add_(c1)
    return mean_a.mul_(mean_b).mul_(2).add_(c1).div_(squares).mul_(contrast), contrast


def window_side(sides: Sequence[int]) -> int:
    """Return the side of the window for images of these sides: 11, or the largest odd number that fits."""
    shortest = min(sides)
    return min(WINDOW, shortest - 1 + shortest % 2)


def _blurred(image: Tensor, size: int) -> Tensor:
    """Blur by a Gaussian of sigma 1.5 along each spatial axis, where the window lies wholly inside."""
    weights = torch.exp(-((torch.arange(size, dtype=torch.float64) - size // 2) ** 2) / (2 * SIGMA**2))
    near = (weights / weights.sum()).tolist()
    for axis in range(2, image.dim()):
        length = image.shape[axis] - size + 1
        total = image.narrow(axis, size // 2, length) * near[size // 2]
        for place in range(size // 2):
            pair = image.narrow(axis, place, length) + image.narrow(axis, size - 1 - place, length)
            total.add_(pair, alpha=near[place])
        image = total
    return image


def _checked(data_range: float) -> float:
    if not data_range > 0:
        raise ValueError(f"data_range: {data_range} must be above 0; the truth is a constant image")
    return data_range
