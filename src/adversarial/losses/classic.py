"""Adversarial losses in pairs (discriminator, generator) on raw logits.

Every loss is a mean over a map's logits, then over the scales: neither the size of a patch map nor the number
of scales changes its weight. Let r, f be D's logits of real and fake, sp(x) = log(1 + eˣ).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganatomy.adversarial.discriminator import DiscriminatorOutput
from ganatomy.adversarial.distributed.collectives import batch_mean
from ganatomy.adversarial.losses.base import AdversarialLoss
from ganatomy.adversarial.losses.features import MultiScaleL1


def over_scales(term: Callable[..., Tensor], *outputs: DiscriminatorOutput) -> Tensor:
    """Return the mean over scales of the mean of `term` over each scale's logits, in float32 at least."""
    scales = zip(*(output.logits for output in outputs), strict=True)
    means = [term(*(_at_least_float32(logits) for logits in scale)).mean() for scale in scales]
    return torch.stack(means).mean()


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


class SeparateLoss(AdversarialLoss):
    """D's loss is one term of the real logits plus one of the fake; G's is a term of the fake alone."""

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        return over_scales(self.real_term, real) + over_scales(self.fake_term, fake)

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        return over_scales(self.generator_term, fake)

    def real_term(self, r: Tensor) -> Tensor:
        raise NotImplementedError

    def fake_term(self, f: Tensor) -> Tensor:
        raise NotImplementedError

    def generator_term(self, f: Tensor) -> Tensor:
        raise NotImplementedError


class NonSaturating(SeparateLoss):
    """D: sp(-r) + sp(f). G: sp(-f). Goodfellow et al., arXiv 1406.2661, section 3."""

    def real_term(self, r: Tensor) -> Tensor:
        return softplus(-r)

    def fake_term(self, f: Tensor) -> Tensor:
        return softplus(f)

    def generator_term(self, f: Tensor) -> Tensor:
        return softplus(-f)


class Minimax(NonSaturating):
    """D: sp(-r) + sp(f). G: -sp(f), the zero-sum game. Goodfellow et al., arXiv 1406.2661, eq. 1."""

    zero_sum = True

    def generator_term(self, f: Tensor) -> Tensor:
        return -softplus(f)


class LeastSquares(SeparateLoss):
    """D: ½(r - 1)² + ½f². G: ½(f - 1)². Mao et al., arXiv 1611.04076."""

    def real_term(self, r: Tensor) -> Tensor:
        return 0.5 * (r - 1).square()

    def fake_term(self, f: Tensor) -> Tensor:
        return 0.5 * f.square()

    def generator_term(self, f: Tensor) -> Tensor:
        return 0.5 * (f - 1).square()


class Hinge(SeparateLoss):
    """D: relu(1 - r) + relu(1 + f). G: -f. Lim and Ye, arXiv 1705.02894."""

    def real_term(self, r: Tensor) -> Tensor:
        return relu(1 - r)

    def fake_term(self, f: Tensor) -> Tensor:
        return relu(1 + f)

    def generator_term(self, f: Tensor) -> Tensor:
        return -f


class Wasserstein(SeparateLoss):
    """D: f - r. G: -f. Needs a penalty that keeps D Lipschitz. Arjovsky et al., arXiv 1701.07875."""

    zero_sum = True

    def real_term(self, r: Tensor) -> Tensor:
        return -r

    def fake_term(self, f: Tensor) -> Tensor:
        return f

    def generator_term(self, f: Tensor) -> Tensor:
        return -f


class RelativisticPaired(AdversarialLoss):
    """D: sp(-(r - f)). G: sp(-(f - r)), the i-th real against the i-th fake. arXiv 1807.00734, 2501.05441."""

    needs_real = True

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        return over_scales(lambda r, f: softplus(f - r), real, fake)

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        assert real is not None
        return over_scales(lambda r, f: softplus(r - f), real, fake)


class RelativisticAverage(AdversarialLoss):
    """D: sp(-(r - E f)) + sp(f - E r). G: the same, r and f exchanged. arXiv 1807.00734.

    E is over the global batch and the map.
    """

    needs_real = True
    needs_whole_batch = True

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        return over_scales(self._loss, real, fake)

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        assert real is not None
        return over_scales(self._loss, fake, real)

    @staticmethod
    def _loss(a: Tensor, b: Tensor) -> Tensor:
        """Return the loss of the player that wants a above the mean of b, and b below the mean of a."""
        return softplus(batch_mean(b) - a) + softplus(b - batch_mean(a))


LOSSES: dict[str, type[AdversarialLoss]] = {
    "non_saturating": NonSaturating,
    "minimax": Minimax,
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "relativistic_average": RelativisticAverage,
    "relativistic_paired": RelativisticPaired,
    "multiscale_l1": MultiScaleL1,
}
