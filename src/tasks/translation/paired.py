"""Translation learned from pairs: losses against the target, and an adversary that sees both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.tasks.enhancement.losses import weighted_losses
from ganatomy.tasks.translation.base import Method, Players


class Paired(Method):
    """Map an image to its own target. Isola et al., arXiv 1611.07004.

    A discriminator with the attribute `alone` sees target or output without the image.

    Args:
        losses: Weights of the losses against the target, see `weighted_losses`. Default: {"l1": 1.0}.
        data_range: Range of the target's intensities in the network's units, for SSIM.
    """

    def __init__(self, losses: dict[str, Any] | None = None, data_range: float = 1.0) -> None:
        super().__init__()
        self.weights, self.data_range = losses or {"l1": 1.0}, data_range

    def begin(self, players: Players) -> None:
        super().begin(players)
        self.losses = weighted_losses(self.weights, players.spatial_dims, self.data_range)
        self.alone = bool(getattr(players.discriminator, "alone", False))

    def discriminator_inputs(self, batch: Batch, output: Tensor) -> tuple[Tensor, Tensor]:
        if self.alone:
            return batch["target"], output
        real, fake = (torch.cat([batch["image"], image], 1) for image in (batch["target"], output))
        return real, fake

    def task_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        target = batch["target"]
        return {name: loss(output.to(target.dtype), target) for name, loss in self.losses.items()}
