"""From a map of how unlike the healthy each pixel is to a score of the image and to boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import find_objects, gaussian_filter, maximum
from scipy.ndimage import label as components
from torch import Tensor

SHARE = 0.01
"""Of an image's pixels, the highest ones, whose mean is the score of a map."""


class Findings(NamedTuple):
    """What a model of the healthy says of images: what it made of them [B, C, *spatial], map [B, *spatial],
    score [B]."""

    made: Tensor
    map: Tensor
    score: Tensor


def smoothed(values: Tensor, sigma: float) -> Tensor:
    """Channels averaged, [B, C, *spatial] to [B, *spatial], then a Gaussian of `sigma` pixels."""
    mean = values.float().mean(1)
    if sigma == 0:
        return mean
    blurred = gaussian_filter(mean.cpu().numpy(), sigma, axes=tuple(range(1, mean.dim())))
    return torch.from_numpy(blurred).to(mean)


def highest(maps: Tensor) -> Tensor:
    """[B]: the mean of the highest hundredth of each map's pixels."""
    flat = maps.flatten(1)
    return flat.topk(max(1, round(SHARE * flat.shape[1])), dim=1).values.mean(1)


def boxes_of(values: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [N, 2*dims] around the connected parts of a map above the threshold, and the highest in each.

    Corners as in a case: voxel i covers i to i + 1. Diagonals connect.
    """
    dims = values.ndim
    regions, count = components(values > threshold, np.ones((3,) * dims))
    corners = [[s.start for s in part] + [s.stop for s in part] for part in find_objects(regions)]
    peaks = maximum(values, regions, np.arange(1, count + 1))
    return np.array(corners, np.float32).reshape(-1, 2 * dims), np.asarray(peaks, np.float32).reshape(-1)
