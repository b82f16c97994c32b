"""Penalties on the gradient of D's score at its input.

D(x) is the mean of x's logits over map and scales, so that γ and λ do not depend on the size of the map. x is
the first of D's arguments, after augmentation.
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
    """Return R1's γ by image size in pixels (voxels) and batch size: 0.0002 · pixels / batch.

    Karras et al., arXiv 2006.06676, appendix C (γ₀ = 0.0002 · N / M).

    Example:
        >>> round(size_rule(pixels=256 * 256, batch=32), 4)
        0.4096
    """
    return 0.0002 * pixels / batch


class ZeroCentredPenalty(Penalty):
    """γ/2 · E‖∇D‖² at real or fake images; γ may fall along a cosine.

    Args:
        gamma: γ at the first step; a configuration without one, or null, gets that of `size_rule`.
        every: Batches from one penalty to the next.
        final: Fraction of γ that remains at the end of the cosine.
        steps: Steps of the run.
        burn_in: Fraction of the steps that the cosine takes.

    Raises:
        UserError: A value is out of its range.
    """

    gamma_from_image_size = True
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
            raise UserError(f"penalties.{self.name}.gamma: null works in a configuration only; give a number")
        self.gamma = self._at_least_zero("gamma", gamma)
        try:
            self.fraction = Cosine(1.0, self._at_least_zero("final", final), steps, burn_in)
        except UserError as error:
            raise UserError(f"penalties.{self.name}.{error}") from error

    def penalty(self, input_gradient: Tensor, step: int) -> Tensor:
        """Return the penalty for input gradients [B, ...] at this step (batches done so far)."""
        return 0.5 * self.gamma * self.fraction(step) * squared_norms(input_gradient).mean()


class R1(ZeroCentredPenalty):
    """γ/2 · E‖∇D(real)‖². Mescheder et al., arXiv 1801.04406, eq. 9."""

    name = "r1"
    needs_real_gradient = True

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor:
        return self.penalty(real.input_gradient(), step)


class R2(ZeroCentredPenalty):
    """γ/2 · E‖∇D(fake)‖². Mescheder et al., arXiv 1801.04406, section 4.1."""

    name = "r2"
    needs_fake_gradient = True
    changes_fake_gradient = True

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor:
        return self.penalty(fake.input_gradient(), step)


class GradientPenalty(Penalty):
    """λ · E(‖∇D(x̂)‖ - 1)², x̂ uniform on the line from each real to its fake. arXiv 1704.00028, eq. 3.

    The root is taken of ‖∇D‖² plus the smallest normal number: its own gradient does not exist at ∇D = 0.
    D's further arguments are those of the real.
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
        gradient = run_discriminator(discriminator, (between, *others), True).input_gradient()
        norms = (squared_norms(gradient) + torch.finfo(gradient.dtype).tiny).sqrt()
        return self.weight * (norms - 1).square().mean()


def squared_norms(gradient: Tensor) -> Tensor:
    """Return [B]: every sample's squared norm."""
    return gradient.flatten(1).square().sum(1)


PENALTIES: dict[str, type[Penalty]] = {
    penalty.name: penalty
    for penalty in (R1, R2, GradientPenalty, WeightClip, SpectralNorm, LeCam, Reconstruction)
}
