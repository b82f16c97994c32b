"""FastGAN's reconstruction: D must be able to decode real images from its features."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ganatomy.adversarial.discriminator import DiscriminatorPass, run_discriminator
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.errors import UserError

WINDOW = 7


class Reconstruction(Penalty):
    """weight · Σ (mean |x̂ - x| + 1 - SSIM(x̂, x)) over what D's decoders make of the real images.

    Liu et al., arXiv 2101.04775, eq. 4, with L1 and SSIM in place of a perceptual distance. x is D's
    input; the quarter that is decoded from finer features cycles with the steps.
    """

    name = "reconstruction"
    on_first_input = True
    cost = 1

    def __init__(self, weight: float = 1.0, every: int = 1) -> None:
        super().__init__(every)
        self.weight = self._at_least_zero("weight", weight)

    def prepare(self, discriminator: nn.Module) -> None:
        if not hasattr(discriminator, "rebuild"):
            raise UserError(
                f"penalties.reconstruction: {type(discriminator).__name__} has no decoders; take it out, or "
                "choose model=fastgan"
            )

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor:
        features = real.output.features
        if not features or not features[0]:  # rerun in float32 for the logits alone
            features = run_discriminator(discriminator, real.inputs).output.features
        wide = [_at_least_float32(one) for one in features[0]]
        image = _at_least_float32(real.inputs[0].detach())
        pairs = cast(Any, discriminator).rebuild(wide, image, (step // self.every) % 4)
        terms = [(made - x).abs().mean() + 1 - similarity(made, x).mean() for made, x in pairs]
        return self.weight * torch.stack(terms).sum()


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Return [B]: SSIM of images [B, C, H, W] in windows of 7x7, its range that of each image of b.

    Wang et al., IEEE Trans. Image Processing 13 (2004) 600, eq. 13, with means over the window.
    """
    size = min(WINDOW, *a.shape[2:])

    def mean(x: Tensor) -> Tensor:
        return avg_pool2d(x, size, 1)

    span = (b.flatten(1).amax(1) - b.flatten(1).amin(1)).clamp_min(1e-6).reshape(-1, 1, 1, 1)
    first, second = (0.01 * span) ** 2, (0.03 * span) ** 2
    mean_a, mean_b = mean(a), mean(b)
    variance = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + first) / (mean_a**2 + mean_b**2 + first)
    return (light * (2 * covariance + second) / (variance + second)).flatten(1).mean(1)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
