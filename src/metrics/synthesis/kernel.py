"""Kernel distance between two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

from ganatomy.metrics.finite import refuse_not_finite

ROWS = 512


def kernel_distance(fake: Tensor, real: Tensor) -> float:
    """Return the unbiased squared maximum mean discrepancy of features [n, d] and [m, d]; may be below 0.

    Kernel (x·y / d + 1)³, Bińkowski et al., arXiv 1801.01401, in float64. Whole sets in place of random
    subsets. NaN for fewer than two images; ValueError for a feature that is not finite.
    """
    refuse_not_finite("kernel distance", fake, real)
    n, m = len(fake), len(real)
    if min(n, m) < 2:
        return float("nan")
    fake, real = fake.double(), real.double()
    within_fake = (_kernel_sum(fake, fake) - _kernel_diagonal(fake)) / (n * (n - 1))
    within_real = (_kernel_sum(real, real) - _kernel_diagonal(real)) / (m * (m - 1))
    return within_fake + within_real - 2 * _kernel_sum(fake, real) / (n * m)


def _kernel_sum(a: Tensor, b: Tensor) -> float:
    return sum(float((part @ b.T / b.shape[1] + 1).pow(3).sum()) for part in torch.split(a, ROWS))


def _kernel_diagonal(a: Tensor) -> float:
    return float((a.square().sum(1) / a.shape[1] + 1).pow(3).sum())
