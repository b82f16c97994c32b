"""What an adversarial loss is: one loss for each player, from D's verdicts."""

from __future__ import annotations

from torch import Tensor

from ganatomy.adversarial.discriminator import DiscriminatorOutput


class AdversarialLoss:
    """A pair of losses on raw logits, one per player; both are minimised.

    relative: G's loss needs D's verdict on the real batch too.
    mixes_samples: a sample's loss depends on the others', so a batch cannot be worked through in pieces.
    mirrored: G's gradient at every fake logit is minus D's, whatever the logit.
    from_features: the loss reads D's features, not only its logits.
    """

    relative = False
    mixes_samples = False
    mirrored = False
    from_features = False

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        """D's loss, 0-dim."""
        raise NotImplementedError

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        """G's loss, 0-dim; `real` is given when the loss is `relative`."""
        raise NotImplementedError
