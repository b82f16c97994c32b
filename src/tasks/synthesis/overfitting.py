"""Overfitting of the discriminator: its logits of images that it has and has not been trained on."""

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
"""Images per forward pass."""
TRAINING_IMAGES = 256
"""Training images whose logits are compared with held-out ones'."""


class OverfittingMonitor:
    """Compute the mean logits of training, held-out and synthetic images at a validation.

    A discriminator that has memorised its training images gives held-out ones the logits of synthetic ones
    (Karras et al., arXiv 2006.06676, figure 1).

    Args:
        discriminator: Discriminator of the run; without one there are no logits.
        inputs: Function from a batch and images [B, C, *spatial] to the discriminator's arguments.
        pool: Pool that gathers the logits of held-out and synthetic images.
    """

    def __init__(
        self,
        discriminator: nn.Module | None,
        inputs: Callable[[Batch, Tensor], tuple[Tensor, ...]],
        pool: ImagePool,
    ) -> None:
        self.discriminator, self.inputs, self.pool = discriminator, inputs, pool
        self.of_training = float("nan")

    @torch.no_grad()
    def start_validation(self, data: DataModule, device: torch.device) -> None:
        """Compute the mean logit of training images, without augmentation."""
        if self.discriminator is None:
            return
        batches = training_batches(data, TRAINING_IMAGES, device)
        self.of_training = float(torch.cat([self.logits(batch, batch["image"]) for batch in batches]).mean())

    def update(self, row_names: Sequence[str], batch: Batch, fake: Tensor) -> None:
        """Add a validation batch.

        Args:
            row_names: Name of each row.
            batch: Held-out images, with what they are conditioned on.
            fake: Synthetic images of the same conditioning, [B, C, *spatial].
        """
        if self.discriminator is None:
            return
        logits = (self.logits(batch, images)[:, None, None, None] for images in (batch["image"], fake))
        self.pool.update(row_names, *logits)

    def logits(self, batch: Batch, images: Tensor) -> Tensor:
        """Return the logits [B] of images [B, C, *spatial] with the conditioning of this batch."""
        assert self.discriminator is not None
        parts = zip(*(torch.split(x, ROWS) for x in self.inputs(batch, images)), strict=True)
        return torch.cat([read_output(self.discriminator(*part)).score().float() for part in parts])

    def scores(self) -> dict[str, float]:
        """Return `logits/train`, `logits/held_out` and `logits/fake`, and start anew; {} without logits."""
        if self.discriminator is None:
            return {}
        held_out, fake = (logits.mean().item() for logits in self.pool.compute())
        self.pool.reset()
        return {"logits/train": self.of_training, "logits/held_out": held_out, "logits/fake": fake}
