"""Learning from images without labels, as far as the discriminator believes what is found in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ganatomy.adversarial import AdversarialLoss, DiscriminatorOutput
from ganatomy.errors import UserError


@dataclass(frozen=True)
class SelfTraining:
    """Hung et al., arXiv 1802.07934, section 3.2, for the images of a batch that have no label.

    start: batches before they join; until then the discriminator has little to say. threshold: of the
    discriminator's confidence, above which a pixel's own prediction is taken for its label. weight: of the
    cross entropy with these. adversarial: weight of the adversarial loss on these images.
    """

    start: int = 200
    threshold: float = 0.2
    weight: float = 0.1
    adversarial: float = 0.001

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise UserError(f"threshold: {self.threshold} is no confidence; give one from 0 to 1")
        if min(self.start, self.weight, self.adversarial) < 0:
            raise UserError("start, weight, adversarial: none of them may be negative")

    def losses(self, logits: Tensor, judged: DiscriminatorOutput, loss: AdversarialLoss) -> dict[str, Tensor]:
        """Of the generator's logits [B, K, *spatial] and the discriminator's verdict on what they make.

        The cross entropy is a mean over all pixels, those in doubt counting as 0: so it grows with the
        discriminator's trust, and N processes have the mean of one.
        """
        surprise = F.cross_entropy(logits, logits.argmax(1), reduction="none")
        believed = confident(judged, self.threshold, logits.shape[2:])
        return {
            "self_training": self.weight * (surprise * believed).mean(),
            "unlabelled": self.adversarial * loss.generator(None, judged),
        }


@torch.no_grad()
def confident(judged: DiscriminatorOutput, threshold: float, sides: torch.Size) -> Tensor:
    """[B, *spatial], 1 where the discriminator takes a pixel for real with more than `threshold`, else 0."""
    real = judged.logits[-1].float().sigmoid()
    real = real.reshape(*real.shape, *[1] * (2 + len(sides) - real.dim()))
    return F.interpolate((real > threshold).float(), size=sides, mode="nearest")[:, 0]
