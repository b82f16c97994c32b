"""Penalties on the gradient of D's score at its input.

D(x) is the mean of x's logits over map and scales, so that γ and λ do not depend on the size of the map. x is
what D sees: after augmentation, the first of D's arguments.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src.adversarial.draw import uniform
from src.adversarial.lecam import LeCam
from src.adversarial.lipschitz import SpectralNorm, WeightClip
from src.adversarial.penalty import Penalty
from src.adversarial.seen import Seen, ask


class R1(Penalty):
    """γ/2 · E‖∇D(real)‖². Mescheder et al., arXiv 1801.04406, eq. 9."""

    name = "r1"
    at_real = True
    cost = 3

    def __init__(self, gamma: float = 1.0, every: int = 1) -> None:
        super().__init__(every)
        self.gamma = self._at_least_zero("gamma", gamma)

    def forward(self, discriminator: nn.Module, real: Seen, fake: Seen, step: int) -> Tensor:
        return 0.5 * self.gamma * squared_norms(real.slope()).mean()


class R2(Penalty):
    """γ/2 · E‖∇D(fake)‖². Mescheder et al., arXiv 1801.04406, section 4.1."""

    name = "r2"
    at_fake = True
    touches_fake = True
    cost = 3

    def __init__(self, gamma: float = 1.0, every: int = 1) -> None:
        super().__init__(every)
        self.gamma = self._at_least_zero("gamma", gamma)

    def forward(self, discriminator: nn.Module, real: Seen, fake: Seen, step: int) -> Tensor:
        return 0.5 * self.gamma * squared_norms(fake.slope()).mean()


class GradientPenalty(Penalty):
    """λ · E(‖∇D(x̂)‖ - 1)², x̂ uniform on the line from each real to its fake. arXiv 1704.00028, eq. 3.

    The root is of ‖∇D‖² plus the smallest normal number: where ∇D = 0 its own gradient would not exist. D's
    further arguments are the real's.
    """

    name = "gradient_penalty"
    cost = 6

    def __init__(self, weight: float = 10.0, every: int = 1) -> None:
        super().__init__(every)
        self.weight = self._at_least_zero("weight", weight)

    def forward(self, discriminator: nn.Module, real: Seen, fake: Seen, step: int) -> Tensor:
        (r, *others), f = real.inputs, fake.inputs[0]
        wide = torch.promote_types(r.dtype, torch.float32)
        r, f = r.detach().to(wide), f.detach().to(wide)
        between = torch.lerp(f, r, uniform(r, (1,) * (r.dim() - 1)))
        slope = ask(discriminator, (between, *others), slope=True).slope()
        norms = (squared_norms(slope) + torch.finfo(slope.dtype).tiny).sqrt()
        return self.weight * (norms - 1).square().mean()


def squared_norms(slope: Tensor) -> Tensor:
    """[B]: every sample's squared norm."""
    return slope.flatten(1).square().sum(1)


PENALTIES: dict[str, type[Penalty]] = {
    penalty.name: penalty for penalty in (R1, R2, GradientPenalty, WeightClip, SpectralNorm, LeCam)
}
