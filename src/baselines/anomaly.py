"""What a model of the healthy has to beat: maps that cost next to nothing, and two plain reconstructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F

Map = Callable[[Tensor], Tensor]
"""Images [B, C, *spatial] to how unlike the healthy each value is, of the same shape."""

BLUR = 1 / 16
"""Deviation of the Gaussian of `blurred_residual`, as a share of the shortest side."""
NOISE = 0.2
"""Deviation of the coarse noise, as a share of the range between training images' percentiles 1 and 99."""
CELLS = 16
"""Of the coarse noise, along each side of an image."""


def intensity(images: Tensor) -> Tensor:
    """Bright is suspicious."""
    return images


def blurred_residual(images: Tensor) -> Tensor:
    """|x - blur(x)|: what stands out from its surroundings."""
    sigma = BLUR * min(images.shape[2:])
    blurred = gaussian_filter(images.cpu().numpy(), sigma, axes=tuple(range(2, images.dim())))
    smooth: Tensor = torch.from_numpy(blurred)
    return (images - smooth.to(images)).abs()


def principal_components(training: Tensor, count: int) -> Map:
    """|x - its projection on the first `count` principal components of the training images|."""
    rows = training.flatten(1)
    centre = rows.mean(0)
    _, _, axes = torch.linalg.svd(rows - centre, full_matrices=False)
    kept = axes[:count]

    def apart(images: Tensor) -> Tensor:
        flat = images.flatten(1).to(centre) - centre
        missed: Tensor = flat - flat @ kept.T @ kept
        return missed.abs().reshape(images.shape).to(images)

    return apart


def denoising_autoencoder(network: nn.Module, training: Tensor, steps: int, batch: int, seed: int) -> Map:
    """|x - network(x)| of a network trained here for so many steps to take away coarse noise.

    Kascenas et al., MIDL 2022, in small: Adam, its rate going down to 0 as half a cosine, squared error.
    """
    sigma = NOISE * spread(training)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    cells = coarse(training.shape[2:])
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network.train()
        for _ in range(steps):
            clean = training[torch.randint(len(training), (batch,)).to(training.device)]
            noise = sigma * torch.randn(batch, clean.shape[1], *cells).to(clean)
            optimizer.zero_grad()
            F.mse_loss(network(coarse_noise(clean, noise)), clean).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    network.eval()

    @torch.no_grad()
    def apart(images: Tensor) -> Tensor:
        parts = [network(part.to(training)) for part in torch.split(images, 64)]
        return (images - torch.cat(parts).to(images)).abs()

    return apart


def coarse_noise(images: Tensor, noise: Tensor) -> Tensor:
    """The images [B, C, *spatial] plus coarse noise [B, C, *cells], enlarged linearly and shifted at random.

    Unlike in the paper outside the body too, as what lies there is not known.
    """
    sides = images.shape[2:]
    mode = "trilinear" if len(sides) == 3 else "bilinear"
    large = F.interpolate(noise, size=sides, mode=mode, align_corners=False)
    shift = [int(torch.randint(side, ())) for side in sides]
    return images + large.roll(shift, tuple(range(2, images.dim())))


def coarse(sides: Sequence[int], cells: int = CELLS) -> list[int]:
    """The sides of the coarse noise's grid for images of these sides: a cell holds two pixels or more."""
    return [max(1, min(cells, side // 2)) for side in sides]


def spread(images: Tensor, most: int = 1_000_000) -> float:
    """The range between the percentiles 1 and 99 of all values."""
    values = images.flatten()
    values = values[:: max(1, len(values) // most)].float()
    low, high = torch.quantile(values, torch.tensor([0.01, 0.99]).to(values))
    return float(high - low)
