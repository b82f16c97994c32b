"""Kernel distance between two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

from ganatomy.metrics.finite import refuse_not_finite

ROWS = 512


class KernelDistance:
    """Unbiased squared maximum mean discrepancy to one real set of features.

    Kernel (x·y / d + 1)³, Bińkowski et al., arXiv 1801.01401, in float64. Whole sets in place of random
    subsets. ValueError for a feature that is not finite.

    Args:
        real: Features [m, d].
    """

    def __init__(self, real: Tensor) -> None:
        refuse_not_finite("kernel distance", real)
        self.real = real.double()
        self.within = _within(self.real)

    def __call__(self, fake: Tensor) -> float:
        """Return the distance of features [n, d]; may be below 0, NaN if either set has less than two."""
        refuse_not_finite("kernel distance", fake)
        fake = fake.double()
        across = sum(_kernel_sum(part, self.real) for part in torch.split(fake, ROWS))
        pairs = len(fake) * len(self.real)
        return _within(fake) + self.within - (2 * across / pairs if pairs else float("nan"))


def kernel_distance(fake: Tensor, real: Tensor) -> float:
    """Return the distance of features [n, d] to [m, d] as `KernelDistance` does."""
    refuse_not_finite("kernel distance", fake, real)
    return KernelDistance(real)(fake)


def _within(features: Tensor) -> float:
    """Return the mean kernel of two different rows; NaN for fewer than two. The kernel is symmetric."""
    n, total = len(features), 0.0
    if n < 2:
        return float("nan")
    for first in range(0, n, ROWS):
        part, later = features[first : first + ROWS], features[first + ROWS :]
        total += _kernel_sum(part, part) + 2 * _kernel_sum(part, later)
    diagonal = float((features.square().sum(1) / features.shape[1] + 1).pow(3).sum())
    return (total - diagonal) / (n * (n - 1))


def _kernel_sum(a: Tensor, b: Tensor) -> float:
    return float((a @ b.T).div_(b.shape[1]).add_(1).pow_(3).sum())
