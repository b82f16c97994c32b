"""What the discriminator says of images that it has and has not learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ganatomy.adversarial import read_output
from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.metrics.synthesis.pool import ImagePool
from ganatomy.tasks.shared.cohort import training_batches

ROWS = 64
"""Images that are judged at a time."""
LOOKED_AT = 256
"""Training images whose logits are compared with held-out ones'."""


class WatchedLogits:
    """Mean logits of training, held-out and synthetic images at a validation.

    A discriminator that has learned its training images by heart gives held-out ones the logits of synthetic
    ones (Karras et al., arXiv 2006.06676, figure 1).

    shown: a batch and images to the discriminator's arguments. pool: where the logits of held-out and
    synthetic images are gathered.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        shown: Callable[[Batch, Tensor], tuple[Tensor, ...]],
        pool: ImagePool,
    ) -> None:
        self.discriminator, self.shown, self.pool = discriminator, shown, pool
        self.of_training = float("nan")

    @torch.no_grad()
    def begin(self, data: DataModule, device: torch.device) -> None:
        """Before a validation: look at images of the training set, without augmentation."""
        batches = training_batches(data, LOOKED_AT, device)
        self.of_training = float(torch.cat([self.logits(batch, batch["image"]) for batch in batches]).mean())

    def look(self, names: Sequence[str], batch: Batch, fake: Tensor) -> None:
        """Take in the images of a validation batch, by name, and synthetic ones."""
        told = (self.logits(batch, images)[:, None, None, None] for images in (batch["image"], fake))
        self.pool.update(names, *told)

    def logits(self, batch: Batch, images: Tensor) -> Tensor:
        """[B]: of images [B, C, *spatial] of this batch's classes or label maps."""
        pieces = zip(*(torch.split(x, ROWS) for x in self.shown(batch, images)), strict=True)
        return torch.cat([read_output(self.discriminator(*piece)).score().float() for piece in pieces])

    def scores(self) -> dict[str, float]:
        held_out, fake = (logits.mean().item() for logits in self.pool.compute())
        self.pool.reset()
        return {"logits/train": self.of_training, "logits/held_out": held_out, "logits/fake": fake}
