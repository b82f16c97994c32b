"""A generator whose image changes by as much wherever its style is changed a little."""

from __future__ import annotations

from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganatomy.adversarial.distributed.collectives import all_sum
from ganatomy.adversarial.distributed.random import normal
from ganatomy.adversarial.gradient_cut import full_precision
from ganatomy.errors import UserError


class PathLength(nn.Module):
    """weight · E(‖Jᵀy‖ - a)², a loss of the generator, taken every `every` steps and then so often as heavy.

    J is the image's derivative in the style, y normal noise in the image's shape over the root of its pixels,
    a the running mean of ‖Jᵀy‖ up to the step before. Karras et al., arXiv 1912.04958, eq. 4; with y scaled
    so, the weight of 2 in the authors' code does not depend on the image's size.
    """

    mean: Tensor

    def __init__(self, weight: float = 2.0, every: int = 8, decay: float = 0.01) -> None:
        super().__init__()
        if weight < 0 or every < 1 or not 0 < decay <= 1:
            raise UserError(
                f"path_length: weight {weight}, every {every}, decay {decay}; give 0 or more, 1 or more, "
                "and a share"
            )
        self.weight, self.every, self.decay = weight, every, decay
        self.register_buffer("mean", torch.zeros(()))
        self._new = torch.zeros(2)

    def due(self, step: int) -> bool:
        """Whether the generator's update at this step (batches done so far) takes it."""
        return step % self.every == 0

    def forward(self, generator: nn.Module, z: Tensor, *kind: Tensor) -> Tensor:
        """The loss, for a generator that has `styles(z, *kind)` and `paint(styles, z)`."""
        with full_precision():
            styles = cast(Any, generator).styles(z, *kind)
            lengths = path_lengths(cast(Any, generator).paint(styles, z), styles)
        counts = torch.stack([lengths.detach().sum(), lengths.new_full((), len(lengths))])
        self._new = self._new.to(counts) + counts
        return self.every * self.weight * (lengths - self.mean).square().mean()

    @torch.no_grad()
    def adapt(self) -> None:
        """Move the mean by what all processes have seen since the last call."""
        total, count = all_sum(self._new.to(self.mean))
        seen = self.mean.lerp(total / count.clamp_min(1), self.decay)
        self.mean.copy_(torch.where(count > 0, seen, self.mean))
        self._new = torch.zeros_like(self._new)


def path_lengths(images: Tensor, styles: Tensor) -> Tensor:
    """[B]: ‖Jᵀy‖ of images [B, C, *spatial] made of styles [B, n], with its graph."""
    y = normal(images, images.shape[1:]).to(images) * prod(images.shape[2:]) ** -0.5
    (pull,) = torch.autograd.grad((images * y).sum(), styles, create_graph=True)
    return (pull.square().sum(1) + torch.finfo(pull.dtype).tiny).sqrt()
