"""AnoGAN: the noise whose image is most like a given one, looked for by gradient descent."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

FEATURES = 0.1
"""Weight of the difference in features; that of the images has the rest. The paper's λ."""
RATE = 0.05


def search(
    decoder: Callable[[Tensor], Tensor],
    features: Callable[[Tensor], Tensor],
    latent: int,
    images: Tensor,
    steps: int,
    seed: int = 0,
) -> Tensor:
    """Scores [B] of images after so many steps of Adam on z, from normal noise of the seed.

    The loss, and after the last step the score, is (1 - λ) mean |x - G(z)| + λ mean |f(x) - f(G(z))|.
    Schlegl et al., arXiv 1703.05921, eqs. 1 to 6, with means for their sums; they take 500 steps.
    """
    draw = torch.Generator().manual_seed(seed)
    z = torch.randn(len(images), latent, generator=draw).to(images).requires_grad_()
    optimizer = torch.optim.Adam([z], RATE)
    with torch.no_grad():
        wanted = features(images)

    def loss() -> Tensor:
        made = decoder(z)
        parts = ((made - images).abs(), (features(made) - wanted).abs())
        pixels, seen = (part.float().flatten(1).mean(1) for part in parts)
        return (1 - FEATURES) * pixels + FEATURES * seen

    with torch.enable_grad():
        for _ in range(steps):
            (z.grad,) = torch.autograd.grad(loss().sum(), [z])
            optimizer.step()
    with torch.no_grad():
        return loss()
