"""Base class of adversarial losses: one loss for each player, from D's outputs."""

from __future__ import annotations

from torch import Tensor

from ganatomy.adversarial.discriminator import DiscriminatorOutput


class AdversarialLoss:
    """A pair of losses on raw logits, one per player; both are minimised.

    Attributes:
        needs_real: G's loss needs D's output for the real batch too.
        needs_whole_batch: A sample's loss depends on the others', so a batch cannot be split.
        zero_sum: G's gradient at every fake logit is minus D's, whatever the logit.
        from_features: The loss uses D's features, not only its logits.

    Example:
        >>> class Linear(AdversarialLoss):
        ...     def discriminator(self, real, fake):
        ...         return (fake.score() - real.score()).mean()
        ...     def generator(self, real, fake):
        ...         return -fake.score().mean()
        >>> Linear().generator(None, read_output(torch.ones(2, 1)))
        tensor(-1.)
    """

    needs_real = False
    needs_whole_batch = False
    zero_sum = False
    from_features = False

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        """Return D's loss, 0-dim."""
        raise NotImplementedError

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        """Return G's loss, 0-dim; `real` is given if the loss `needs_real`."""
        raise NotImplementedError
