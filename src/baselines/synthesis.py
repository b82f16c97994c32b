"""Baselines of synthesis: noise, the mean image, and a Gaussian along a few principal components."""

from __future__ import annotations

import torch
from torch import Tensor

COMPONENTS = 100
"""Principal components of `pca`, at most."""


def trivial_images(training: Tensor, count: int, seed: int = 0) -> dict[str, Tensor]:
    """Make images with almost no learning from training images [n, C, *spatial].

    noise: pixels drawn uniformly between the minimum and the maximum. pca: a normal distribution along the
    first 100 principal components, with their variances.

    Args:
        training: Training images [n, C, *spatial].
        count: Number of images of each kind.
        seed: Seed of the random numbers.

    Returns:
        `noise`, `mean` and `pca` to images [count, C, *spatial].
    """
    draw = torch.Generator().manual_seed(seed)
    shape = (count, *training.shape[1:])
    low, high = training.min(), training.max()
    rows = training.flatten(1)
    centre = rows.mean(0)
    _, lengths, axes = torch.linalg.svd(rows - centre, full_matrices=False)
    kept = min(COMPONENTS, len(lengths))
    weights = torch.randn(count, kept, generator=draw).to(rows) * lengths[:kept]
    drawn = centre + weights @ axes[:kept] / max(len(rows) - 1, 1) ** 0.5
    return {
        "noise": low + (high - low) * torch.rand(shape, generator=draw).to(rows),
        "mean": centre.reshape(1, *shape[1:]).expand(shape),
        "pca": drawn.reshape(shape),
    }
