"""LeCam regularisation: D's scores stay near their running means."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganatomy.adversarial.discriminator import DiscriminatorPass
from ganatomy.adversarial.distributed.collectives import batch_mean
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.errors import UserError


class LeCam(Penalty):
    """λ · (E(D(real) - α_fake)² + E(D(fake) - α_real)²), α the running means of D's scores.

    Tseng et al., arXiv 2104.03310, eq. 4. The means start with the first batch and are over all processes.

    Args:
        weight: λ, at least 0.
        decay: Decay of the running means per batch, in [0, 1).
        every: Apply the penalty every so many steps of D.

    Raises:
        UserError: If `weight` is negative or `decay` outside [0, 1).
    """

    name = "lecam"
    changes_fake_gradient = True
    needs_whole_batch = True
    real_mean: Tensor
    fake_mean: Tensor
    batches: Tensor

    def __init__(self, weight: float = 0.3, decay: float = 0.99, every: int = 1) -> None:
        super().__init__(every)
        self.weight = self._at_least_zero("weight", weight)
        if not 0 <= decay < 1:
            raise UserError(f"penalties.lecam.decay: {decay} is outside [0, 1)")
        self.decay = decay
        for name in ("real_mean", "fake_mean", "batches"):
            self.register_buffer(name, torch.zeros(()))

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor:
        r, f = real.output.score(), fake.output.score()
        wide = torch.promote_types(r.dtype, torch.float32)
        r, f = r.to(wide), f.to(wide)
        self._update_means(r.detach(), f.detach())
        distance = (r - self.fake_mean).square().mean() + (f - self.real_mean).square().mean()
        return self.weight * distance

    @torch.no_grad()
    def _update_means(self, r: Tensor, f: Tensor) -> None:
        keep = torch.where(self.batches > 0, self.decay, 0.0)
        self.real_mean = torch.lerp(batch_mean(r), self.real_mean.to(r), keep.to(r))
        self.fake_mean = torch.lerp(batch_mean(f), self.fake_mean.to(f), keep.to(f))
        self.batches += 1
