"""AnoGAN: search for the latent vector whose image is nearest to a given one, by gradient descent."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

FEATURES = 0.1
"""Weight of the error in features, the paper's λ; the error in pixels has 1 - λ."""
RATE = 0.05


def search(
    decoder: Callable[[Tensor], Tensor],
    features: Callable[[Tensor], Tensor],
    latent: int,
    images: Tensor,
    steps: int,
    seed: int = 0,
) -> Tensor:
    """Return the anomaly scores [B] of images after gradient descent on their latent vectors.

    The loss, and after the last step the score, is (1 - λ) mean |x - G(z)| + λ mean |f(x) - f(G(z))|.
    Schlegl et al., arXiv 1703.05921, eqs. 1 to 6, with means for their sums; they take 500 steps.

    Args:
        decoder: G, from [B, latent] to images.
        features: f, from images to features [B, ...].
        latent: Length of z.
        images: x, [B, C, *spatial].
        steps: Steps of Adam on z.
        seed: Seed of the normal noise that z starts from.
    """
    draw = torch.Generator().manual_seed(seed)
    z = torch.randn(len(images), latent, generator=draw).to(images).requires_grad_()
    optimizer = torch.optim.Adam([z], RATE)
    with torch.no_grad():
        target = features(images)

    def loss() -> Tensor:
        fake = decoder(z)
        parts = ((fake - images).abs(), (features(fake) - target).abs())
        pixel_error, feature_error = (part.float().flatten(1).mean(1) for part in parts)
        return (1 - FEATURES) * pixel_error + FEATURES * feature_error

    with torch.enable_grad():
        for _ in range(steps):
            (z.grad,) = torch.autograd.grad(loss().sum(), [z])
            optimizer.step()
    with torch.no_grad():
        return loss()
