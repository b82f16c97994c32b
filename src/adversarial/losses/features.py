"""Losses on D's features: feature matching and SegAN's multi-scale L1."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor

from ganatomy.adversarial.discriminator import DiscriminatorOutput
from ganatomy.adversarial.losses.base import AdversarialLoss
from ganatomy.errors import UserError


def feature_matching(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
    """Sum the mean |φ(real) - φ(fake)| over D's layers and average over its scales; φ(real) is a constant.

    Wang et al., arXiv 1711.11585, eq. 4.

    Raises:
        UserError: D returns no features.
    """
    if not all(fake.features):
        raise UserError(
            "feature_matching: the discriminator returns no features; return [features..., logits], or set 0"
        )
    scales = [
        torch.stack([l1_distance(r.detach(), f) for r, f in zip(*layers, strict=True)]).sum()
        for layers in zip(real.features, fake.features, strict=True)
    ]
    return torch.stack(scales).mean()


def l1_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean |a - b|, computed in float32 at least."""
    wide = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    return (a.to(wide) - b.to(wide)).abs().mean()


class MultiScaleL1(AdversarialLoss):
    """G: mean over D's layers of mean |φ(fake) - φ(real)|. D: minus that. Clip D's weights to bound it.

    The last layer, D's logits, counts as one of the φ. Xue et al. (SegAN), arXiv 1706.01805, eq. 3.
    """

    needs_real = True
    zero_sum = True
    from_features = True

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        return -self._distance(real, fake)

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        assert real is not None
        return self._distance(real, fake)

    @staticmethod
    def _distance(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        reals, fakes = ([*chain(*output.features), *output.logits] for output in (real, fake))
        return torch.stack([l1_distance(r, f) for r, f in zip(reals, fakes, strict=True)]).mean()
