"""How near an image is to the truth, with a data range that is given, never guessed."""

from __future__ import annotations

import torch
from monai.metrics.regression import compute_ssim_and_cs
from torch import Tensor

HIGHEST_PSNR = 120.0
"""What identical images get, in dB."""


def mae(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error, 0-dim, in the images' units."""
    return (prediction.double() - truth.double()).abs().mean()


def psnr(prediction: Tensor, truth: Tensor, data_range: float) -> Tensor:
    """10 log₁₀(range² / mean squared error), 0-dim, in dB; over all the elements at once."""
    error = (prediction.double() - truth.double()).square().mean()
    return (10 * torch.log10(_checked(data_range) ** 2 / error)).clamp_max(HIGHEST_PSNR)


def ssim(prediction: Tensor, truth: Tensor, data_range: float) -> Tensor:
    """Structural similarity of images [N, C, *spatial], 0-dim: the mean over images, channels and places.

    Gaussian window of sigma 1.5 and 11 pixels (fewer where a side is shorter), where it lies wholly inside.
    Wang et al., IEEE TIP 13 (2004) 600.
    """
    shortest = min(prediction.shape[2:])
    size = min(11, shortest - 1 + shortest % 2)
    dims = prediction.dim() - 2
    values, _ = compute_ssim_and_cs(
        prediction.double(),
        truth.double(),
        spatial_dims=dims,
        kernel_size=[size] * dims,
        kernel_sigma=[1.5] * dims,
        data_range=_checked(data_range),
    )
    mean: Tensor = values.mean()
    return mean


def _checked(data_range: float) -> float:
    if not data_range > 0:
        raise ValueError(f"data_range: {data_range} must be above 0; the truth is a constant image")
    return data_range
