"""Self-training on unlabelled images, where the discriminator trusts the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.adversarial import LOSSES, AdversarialLoss, DiscriminatorOutput
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.losses.cross_entropy import cross_entropy


@dataclass(frozen=True)
class SelfTraining:
    """Losses of the unlabelled images of a batch: Hung et al., arXiv 1802.07934, section 3.2.

    Attributes:
        start: Warm-up: batches before unlabelled images join, while the discriminator is still untrained.
        threshold: Discriminator confidence above which a pixel's own prediction becomes its label.
        weight: Weight of the cross entropy with these labels.
        adversarial: Weight of the adversarial loss on unlabelled images.
    """

    start: int = 200
    threshold: float = 0.2
    weight: float = 0.1
    adversarial: float = 0.001

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise UserError(f"threshold: {self.threshold} must be from 0 to 1")
        for key in ("start", "weight", "adversarial"):
            if getattr(self, key) < 0:
                raise UserError(f"{key}: {getattr(self, key)} must be 0 or more")

    @staticmethod
    def check_loss(loss: AdversarialLoss | None) -> None:
        """Raise UserError if sigmoid(logit) is not the discriminator's probability under this loss."""
        if loss is not None and not isinstance(loss, LOSSES["non_saturating"]):
            raise UserError(
                "model.adversarial.loss: task.semi reads logits of the discriminator as probabilities, which "
                "they are only under non_saturating and minimax"
            )

    def check_run(self, accumulate: int, steps: int | None) -> None:
        """Raise UserError if micro-batches would mix labels unevenly, or the warm-up would outlast the run.

        Args:
            accumulate: Micro-batches per batch.
            steps: Batches of the run; None where there is no discriminator, and so no self-training.
        """
        if accumulate > 1:
            raise UserError(
                "update.accumulate: must be 1 with task.semi; micro-batches would differ in their labels"
            )
        if steps is not None and self.start >= steps:
            raise UserError(
                f"task.semi.start: {self.start} of {steps} batches; unlabelled images would never join; "
                "give less, or a larger trainer.max_steps"
            )

    def losses(
        self,
        logits: Tensor,
        output: DiscriminatorOutput,
        loss: AdversarialLoss,
        valid: Tensor | None = None,
        sigmoid: bool = False,
    ) -> dict[str, Tensor]:
        """Return the weighted losses of unlabelled images by name, 0-dim.

        The cross entropy is a mean over all pixels, doubtful ones counting as 0. So it grows with the
        discriminator's confidence, and N processes agree with one.

        Args:
            logits: Generator's logits [B, K, *spatial].
            output: Discriminator's output for the prediction made from them.
            loss: The run's adversarial loss.
            valid: Region of interest, bool [B, 1, *spatial], outside of which pixels count as doubtful; None
                for none.
            sigmoid: True for logits of regions that may overlap.
        """
        if sigmoid:
            own = (logits > 0).to(logits.dtype)
            entropy = F.binary_cross_entropy_with_logits(logits, own, reduction="none").mean(1)
        else:
            entropy = cross_entropy(logits, logits.argmax(1), "none")
        trusted = confident(output, self.threshold, logits.shape[2:])
        trusted = trusted if valid is None else trusted * valid[:, 0]
        return {
            "self_training": self.weight * (entropy * trusted).mean(),
            "unlabelled": self.adversarial * loss.generator(None, output),
        }


@torch.no_grad()
def confident(output: DiscriminatorOutput, threshold: float, sides: torch.Size) -> Tensor:
    """Return a map [B, *spatial]: 1 where the discriminator's confidence exceeds `threshold`, else 0.

    Args:
        output: Discriminator's output; the last scale's logits are the confidence map, of any resolution.
        threshold: Probability of being real, from 0 to 1.
        sides: Spatial size of the map that is returned.
    """
    real = output.logits[-1].float().sigmoid()
    real = real.reshape(*real.shape, *[1] * (2 + len(sides) - real.dim()))
    return F.interpolate((real > threshold).float(), size=sides, mode="nearest")[:, 0]


def labelled(batch: Batch) -> int:
    """Return the number of labelled images of a batch; they come first."""
    return sum(batch["labelled"]) if "labelled" in batch else len(batch["image"])
