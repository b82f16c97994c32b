"""Edge loss."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_difference(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean |∇prediction - ∇target| of images [B, C, *spatial], 0-dim.

    Gradients are forward differences along every axis. After the edge term of DU-GAN, Huang et al., arXiv
    2108.10772, which compares magnitudes of Sobel gradients instead.
    """
    difference = prediction - target
    gradients = [difference.diff(dim=axis).abs().mean() for axis in range(2, difference.dim())]
    return torch.stack(gradients).mean()
