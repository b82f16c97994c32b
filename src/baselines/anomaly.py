"""Baselines of anomaly detection: trivial anomaly maps, and two simple reconstructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F

Map = Callable[[Tensor], Tensor]
"""From images [B, C, *spatial] to an anomaly map of the same shape."""

BLUR = 1 / 16
"""Deviation of the Gaussian of `blurred_residual`, as a fraction of the shortest side."""
NOISE = 0.2
"""Deviation of the coarse noise, as a fraction of the range between training images' percentiles 1 and 99."""
CELLS = 16
"""Cells of the coarse noise along each side of an image."""


def intensity(images: Tensor) -> Tensor:
    """Return the images as anomaly maps: bright is anomalous."""
    return images


def blurred_residual(images: Tensor) -> Tensor:
    """Return |x - blur(x)|: the local contrast."""
    sigma = BLUR * min(images.shape[2:])
    blurred = gaussian_filter(images.cpu().numpy(), sigma, axes=tuple(range(2, images.dim())))
    smooth: Tensor = torch.from_numpy(blurred)
    return (images - smooth.to(images)).abs()


@dataclass(frozen=True)
class PrincipalComponents:
    """The map |x - its projection on principal components of training images|.

    Attributes:
        centre: Mean training image [N] for N values of an image.
        axes: Components [N, count], one a column.
    """

    centre: Tensor
    axes: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return the map of images [B, C, *spatial], of the same shape."""
        flat = images.flatten(1).to(self.centre) - self.centre
        residual: Tensor = flat - flat @ self.axes @ self.axes.T
        return residual.abs().reshape(images.shape).to(images)

    def state(self) -> dict[str, np.ndarray]:
        """Return arrays from which `from_state` makes the same map."""
        return {"centre": self.centre.cpu().numpy(), "axes": self.axes.cpu().numpy()}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray], device: torch.device) -> PrincipalComponents:
        """Return the map that gave these arrays."""
        return cls(*(torch.from_numpy(state[name]).to(device) for name in ("centre", "axes")))


def principal_components(training: Tensor, count: int) -> PrincipalComponents:
    """Return the map of the first `count` principal components of training images [n, C, *spatial]."""
    rows = training.flatten(1)
    centre = rows.mean(0)
    _, _, axes = torch.linalg.svd(rows - centre, full_matrices=False)
    return PrincipalComponents(centre, axes[:count].T.contiguous())


@dataclass(frozen=True)
class Denoising:
    """The map |x - network(x)| of a network that removes noise.

    Attributes:
        network: Network, [B, C, *spatial] in and out.
        like: A tensor of the device and type that the network takes.
    """

    network: nn.Module
    like: Tensor

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return the map of images [B, C, *spatial], of the same shape."""
        parts = [self.network(part.to(self.like)) for part in torch.split(images, 64)]
        return (images - torch.cat(parts).to(images)).abs()

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights of the network, with which it is the same map again."""
        return {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}


def denoising_autoencoder(
    network: nn.Module, training: Tensor, steps: int, batch: int, seed: int
) -> Denoising:
    """Train a network to remove coarse noise; return the map |x - network(x)|.

    Kascenas et al., MIDL 2022, in small: Adam, cosine decay of the learning rate to 0, squared error.

    Args:
        network: Network to train in place, [B, C, *spatial] in and out.
        training: Training images [n, C, *spatial].
        steps: Training steps.
        batch: Images per step.
        seed: Seed of the noise and of the order of images.

    Returns:
        Function from images [B, C, *spatial] to maps of the same shape.
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
    return Denoising(network.eval(), training.new_empty(0))


def coarse_noise(images: Tensor, noise: Tensor) -> Tensor:
    """Add coarse noise [B, C, *cells] to images [B, C, *spatial], interpolated and shifted at random.

    Unlike in the paper the noise also covers what lies outside the body, since no mask of it is given.
    """
    sides = images.shape[2:]
    mode = "trilinear" if len(sides) == 3 else "bilinear"
    large = F.interpolate(noise, size=sides, mode=mode, align_corners=False)
    shift = [int(torch.randint(side, ())) for side in sides]
    return images + large.roll(shift, tuple(range(2, images.dim())))


def coarse(sides: Sequence[int], cells: int = CELLS) -> list[int]:
    """Return the sides of the coarse noise's grid for images of these sides: two pixels or more per cell."""
    return [max(1, min(cells, side // 2)) for side in sides]


def spread(images: Tensor, max_values: int = 1_000_000) -> float:
    """Return the range between the percentiles 1 and 99 of the values; about `max_values` of them count."""
    values = images.flatten()
    values = values[:: max(1, len(values) // max_values)].float()
    low, high = torch.quantile(values, torch.tensor([0.01, 0.99]).to(values))
    return float(high - low)
