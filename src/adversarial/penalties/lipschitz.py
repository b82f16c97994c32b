"""Bounds on D's weights, without a term in its loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrizations, parametrize

from ganatomy.adversarial.penalties.base import Penalty
from ganatomy.errors import UserError


class WeightClip(Penalty):
    """Clip D's parameters to [-limit, limit] after each of its steps. Arjovsky et al., arXiv 1701.07875."""

    name = "weight_clip"

    def __init__(self, limit: float = 0.05) -> None:
        super().__init__()
        if limit <= 0:
            raise UserError(f"penalties.weight_clip.limit: {limit} must be above 0")
        self.limit = limit

    @torch.no_grad()
    def after_step(self, discriminator: nn.Module) -> None:
        weights: list[Tensor] = [weight for weight in discriminator.parameters() if weight.requires_grad]
        torch._foreach_clamp_min_(weights, -self.limit)
        torch._foreach_clamp_max_(weights, self.limit)


class SpectralNorm(Penalty):
    """Divide the weight of D's convolutions and linear layers by its largest singular value.

    One power iteration for each player's phase, shared by all of D's passes in it. Micro-batches would take
    one each, so a batch is not split. Miyato et al., arXiv 1802.05957.
    """

    name = "spectral_norm"
    needs_whole_batch = True

    def __init__(self, iterations: int = 1) -> None:
        super().__init__()
        if iterations < 1:
            raise UserError(f"penalties.spectral_norm.iterations: {iterations} must be at least 1")
        self.iterations = iterations

    def prepare(self, discriminator: nn.Module) -> None:
        for module in list(discriminator.modules()):
            if isinstance(module, _ConvNd | nn.Linear) and not parametrize.is_parametrized(module, "weight"):
                parametrizations.spectral_norm(module, n_power_iterations=self.iterations)
