"""Edge losses."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from ganatomy.networks.discriminators.unet import gradient_magnitude, sobel_kernels


def gradient_difference(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean |∇prediction - ∇target| of images [B, C, *spatial], 0-dim.

    Gradients are forward differences along every axis.
    """
    difference = prediction - target
    gradients = [difference.diff(dim=axis).abs().mean() for axis in range(2, difference.dim())]
    return torch.stack(gradients).mean()


def sobel_difference(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean difference of the lengths of Sobel gradients of images [B, C, *spatial], 0-dim.

    The gradient loss of DU-GAN, Huang et al., arXiv 2108.10772, of half their lengths: here a ramp of slope 1
    has a gradient of 1, with the kernels of the authors' code it has 2.
    """
    kernels = _kernels(prediction.dim() - 2, prediction.device)
    ours, theirs = (gradient_magnitude(image, kernels) for image in (prediction, target))
    return (ours - theirs).abs().mean()


@cache
def _kernels(dims: int, device: torch.device) -> Tensor:
    return sobel_kernels(dims).to(device)
