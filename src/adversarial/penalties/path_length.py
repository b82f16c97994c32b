"""Path length regularisation of a style-based generator."""

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
    """weight · E(‖Jᵀy‖ - a)², added to G's loss every `every` steps with `every` times the weight.

    J is the image's derivative in the style, y normal noise in the image's shape over the root of its pixels,
    a the running mean of ‖Jᵀy‖ up to the step before. Karras et al., arXiv 1912.04958, eq. 4. A generator
    whose layers may have styles of their own (`style_count`) is taken as in the authors' code: ‖Jᵀy‖² is the
    mean over the layers' styles, so that the weight of 2 depends neither on their number nor on the size.

    Args:
        weight: Weight of the loss.
        every: Steps from one penalty to the next.
        decay: Fraction by which a moves towards the mean of a step.
        per_layer: Mean over the layers' styles. False: J is in the one style of all layers; ‖Jᵀy‖² is then
            about as many times as large as there are layers.

    Raises:
        UserError: A value is out of its range.

    Example:
        >>> class Painter(nn.Module):
        ...     def styles(self, z):
        ...         return 2 * z
        ...     def paint(self, styles, z):
        ...         return styles[:, :, None, None]
        >>> PathLength(every=8)(Painter(), torch.zeros(4, 1, requires_grad=True)).shape
        torch.Size([])
    """

    mean: Tensor
    _new: Tensor

    def __init__(
        self, weight: float = 2.0, every: int = 8, decay: float = 0.01, per_layer: bool = True
    ) -> None:
        super().__init__()
        if weight < 0 or every < 1 or not 0 < decay <= 1:
            raise UserError(
                f"path_length: weight {weight}, every {every}, decay {decay}; give weight >= 0, every >= 1 "
                "and decay in (0, 1]"
            )
        self.weight, self.every, self.decay, self.per_layer = weight, every, decay, per_layer
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("_new", torch.zeros(2), persistent=False)

    def is_due(self, step: int) -> bool:
        """Return True if the generator's update at this step (batches done so far) takes it."""
        return step % self.every == 0

    def forward(self, generator: nn.Module, z: Tensor, *kind: Tensor) -> Tensor:
        """Return the loss, for a generator that has `styles(z, *kind)` and `paint(styles, z)`."""
        with full_precision():
            styles = cast(Any, generator).styles(z, *kind)
            if self.per_layer and (count := getattr(generator, "style_count", 0)):
                styles = styles[:, None].expand(-1, count, -1)
            lengths = path_lengths(cast(Any, generator).paint(styles, z), styles)
        counts = torch.stack([lengths.detach().sum(), lengths.new_full((), len(lengths))])
        self._new = self._new.to(counts) + counts
        return self.every * self.weight * (lengths - self.mean).square().mean()

    @torch.no_grad()
    def adapt(self) -> None:
        """Move the mean by the path lengths of all processes since the last call."""
        total, count = all_sum(self._new.to(self.mean))
        mean = self.mean.lerp(total / count.clamp_min(1), self.decay)
        self.mean.copy_(torch.where(count > 0, mean, self.mean))
        self._new = torch.zeros_like(self._new)


def path_lengths(images: Tensor, styles: Tensor) -> Tensor:
    """Return [B]: ‖Jᵀy‖ of images generated from styles, with its graph.

    Args:
        images: [B, C, *spatial].
        styles: [B, n], or [B, layers, n]: then the root of the mean square over layers.
    """
    y = normal(images, images.shape[1:]).to(images) * prod(images.shape[2:]) ** -0.5
    (gradient,) = torch.autograd.grad((images * y).sum(), styles, create_graph=True)
    return (
        gradient.square().sum(-1).reshape(len(styles), -1).mean(1) + torch.finfo(gradient.dtype).tiny
    ).sqrt()


def settled(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task's settings whose `path_length`, if there is one, says which style J is in."""
    given = task.get("path_length")
    return task if given is None else {**task, "path_length": {"per_layer": True, **given}}
