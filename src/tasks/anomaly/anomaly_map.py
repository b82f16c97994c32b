"""Anomaly maps: their smoothing, the score of an image, and boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import find_objects, gaussian_filter, maximum
from scipy.ndimage import label as components
from torch import Tensor

TOP_FRACTION = 0.01
"""Fraction of pixels, the highest ones, whose mean is the score of a map."""


class Findings(NamedTuple):
    """Anomaly detection in images.

    Attributes:
        reconstruction: What the model of healthy images makes of them, [B, C, *spatial].
        map: Anomaly of each pixel, [B, *spatial].
        score: Anomaly of each image, [B].
    """

    reconstruction: Tensor
    map: Tensor
    score: Tensor


def smoothed(values: Tensor, sigma: float) -> Tensor:
    """Average channels, [B, C, *spatial] to [B, *spatial], and smooth by a Gaussian of `sigma` pixels."""
    mean = values.float().mean(1)
    if sigma == 0:
        return mean
    blurred = gaussian_filter(mean.cpu().numpy(), sigma, axes=tuple(range(1, mean.dim())))
    return torch.from_numpy(blurred).to(mean)


def middle_planes(*images: Tensor) -> list[Tensor]:
    """Return images [n, C, H, W] as they are; of volumes the middle plane along the last axis."""
    return [each if each.dim() == 4 else each[..., each.shape[-1] // 2] for each in images]


def highest(maps: Tensor) -> Tensor:
    """Return the mean of the highest hundredth of each map's pixels, [B]."""
    flat = maps.flatten(1)
    return flat.topk(max(1, round(TOP_FRACTION * flat.shape[1])), dim=1).values.mean(1)


def boxes_of(values: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes [N, 2*dims] around the connected parts of a map above the threshold, and their peaks [N].

    Corners as in a case: voxel i covers i to i + 1. Diagonal neighbours are connected.
    """
    dims = values.ndim
    regions, count = components(values > threshold, np.ones((3,) * dims))
    corners = [[s.start for s in part] + [s.stop for s in part] for part in find_objects(regions)]
    peaks = maximum(values, regions, np.arange(1, count + 1))
    return np.array(corners, np.float32).reshape(-1, 2 * dims), np.asarray(peaks, np.float32).reshape(-1)
