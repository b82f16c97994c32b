"""Penalties on the gradient of D's score at its input.

D(x) is the mean of x's logits over map and scales, so that γ and λ do not depend on the size of the map. x is
what D sees: after augmentation, the first of D's arguments.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganatomy.adversarial.discriminator import DiscriminatorPass, run_discriminator
from ganatomy.adversarial.distributed.random import uniform
from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.adversarial.penalties.lecam import LeCam
from ganatomy.adversarial.penalties.lipschitz import SpectralNorm, WeightClip
from ganatomy.adversarial.penalties.reconstruction import Reconstruction
from ganatomy.adversarial.schedule import Cosine
from ganatomy.errors import UserError


def size_rule(pixels: int, batch: int) -> float:
    """γ of R1 for images of so many pixels (voxels) in batches of so many: 0.0002 · pixels / batch.

    Karras et al., arXiv 2006.06676, appendix C (γ₀ = 0.0002 · N / M).
    """
    return 0.0002 * pixels / batch


class Slope(Penalty):
    """γ/2 · E‖∇D‖² at one kind of image; γ may fall along a cosine.

    gamma: γ at the first step; a configuration with none, or null, gets that of `size_rule`. final: the share
    of it that is left after the first share `burn_in` of `steps`, and from then on.
    """

    sized = True
    cost = 3

    def __init__(
        self,
        gamma: float | None = 1.0,
        every: int = 1,
        final: float = 1.0,
        steps: int = 0,
        burn_in: float = 1.0,
    ) -> None:
        super().__init__(every)
        if gamma is None:
            raise UserError(f"penalties.{self.name}.gamma: null needs the images' size; give a number")
        self.gamma = self._at_least_zero("gamma", gamma)
        try:
            self.part = Cosine(1.0, self._at_least_zero("final", final), steps, burn_in)
        except UserError as error:
            raise UserError(f"penalties.{self.name}.{error}") from error

    def of(self, slope: Tensor, step: int) -> Tensor:
        """The penalty for the slopes [B, ...] at this step (batches done so far)."""
        return 0.5 * self.gamma * self.part(step) * squared_norms(slope).mean()


class R1(Slope):
    """γ/2 · E‖∇D(real)‖². Mescheder et al., arXiv 1801.04406, eq. 9."""

    name = "r1"
    at_real = True

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor:
        return self.of(real.slope(), step)


class R2(Slope):
    """γ/2 · E‖∇D(fake)‖². Mescheder et al., arXiv 1801.04406, section 4.1."""

    name = "r2"
    at_fake = True
    touches_fake = True

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor:
        return self.of(fake.slope(), step)


class GradientPenalty(Penalty):
    """λ · E(‖∇D(x̂)‖ - 1)², x̂ uniform on the line from each real to its fake. arXiv 1704.00028, eq. 3.

    The root is of ‖∇D‖² plus the smallest normal number: where ∇D = 0 its own gradient would not exist. D's
    further arguments are the real's.
    """

    name = "gradient_penalty"
    on_first_input = True
    cost = 6

    def __init__(self, weight: float = 10.0, every: int = 1) -> None:
        super().__init__(every)
        self.weight = self._at_least_zero("weight", weight)

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor:
        (r, *others), f = real.inputs, fake.inputs[0]
        wide = torch.promote_types(r.dtype, torch.float32)
        r, f = r.detach().to(wide), f.detach().to(wide)
        between = torch.lerp(f, r, uniform(r, (1,) * (r.dim() - 1)))
        slope = run_discriminator(discriminator, (between, *others), slope=True).slope()
        norms = (squared_norms(slope) + torch.finfo(slope.dtype).tiny).sqrt()
        return self.weight * (norms - 1).square().mean()


def squared_norms(slope: Tensor) -> Tensor:
    """[B]: every sample's squared norm."""
    return slope.flatten(1).square().sum(1)


PENALTIES: dict[str, type[Penalty]] = {
    penalty.name: penalty
    for penalty in (R1, R2, GradientPenalty, WeightClip, SpectralNorm, LeCam, Reconstruction)
}
