"""Exponential moving average of the generator, by half-life in images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ganatomy.adversarial.schedule import Cosine
from ganatomy.errors import UserError


class Ema(AveragedModel):
    """Average with decay β = 0.5^(batch / half-life).

    After Karras et al., arXiv 1912.04958 and 2006.06676. A frozen copy: `ema.module` is the averaged
    generator. Parameters are averaged, buffers copied. Its state includes the count of images, so a
    checkpoint of the module that holds it resumes exactly.

    Args:
        generator: The network to average.
        half_life: Half-life in images.
        warm_up: The half-life is at most this times the number of images so far; inf for no warm-up.
        burn_in: Images; if 1 or more, the half-life rises from 0 along half a cosine over so many images in
            place of `warm_up` (R3GAN, Huang et al., arXiv 2501.05441).

    Raises:
        UserError: `half_life` or `warm_up` is not above 0.

    Example:
        >>> generator = nn.Linear(1, 1)
        >>> ema = Ema(generator, half_life=10_000)
        >>> ema.update(images=8)  # after each step of the generator; the first update copies
        >>> torch.equal(ema.module.weight, generator.weight), ema.images
        (True, 8)
    """

    def __init__(
        self, generator: nn.Module, half_life: float = 10_000, warm_up: float = 0.05, burn_in: float = 0.0
    ) -> None:
        if half_life <= 0:
            raise UserError(f"ema.half_life: {half_life} must be above 0 images")
        if warm_up <= 0:
            raise UserError(f"ema.warm_up: {warm_up} must be above 0; give inf for none")
        super().__init__(generator, use_buffers=True)
        self.requires_grad_(False).eval()
        self.half_life = half_life
        self.warm_up = warm_up
        self.rise = Cosine(0.0, half_life, int(burn_in)) if burn_in >= 1 else None
        self.images = 0
        self.__dict__["_source"] = generator

    def decay(self, images: int) -> float:
        """Return β for an update by `images` more images; 0 at the first."""
        half_life = min(self.half_life, self.warm_up * self.images) if self.images else 0.0
        if self.rise is not None:
            half_life = self.rise(self.images)
        return float(0.5 ** (images / half_life)) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, images: int) -> None:
        """Average in the present generator after `images` more images (over all processes)."""
        source: nn.Module = self.__dict__["_source"]
        averages: list[Tensor] = list(self.module.parameters())
        torch._foreach_lerp_(averages, [p.detach() for p in source.parameters()], 1.0 - self.decay(images))
        for average, buffer in zip(self.module.buffers(), source.buffers(), strict=True):
            average.copy_(buffer)
        self.images += images
        self.n_averaged += 1

    def train(self, mode: bool = True) -> Ema:
        """Stay in evaluation mode: an average is not trained."""
        return super().train(False)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.images)

    def set_extra_state(self, state: Any) -> None:
        self.images = int(state)
