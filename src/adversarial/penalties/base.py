"""Base class of penalties on the discriminator, and the optimizer settings of a lazy one."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ganatomy.adversarial.discriminator import DiscriminatorPass
from ganatomy.errors import UserError


class Penalty(nn.Module):
    """A term of D's loss, added every `every` batches with `every` times the weight.

    Attributes:
        name: Name in the configuration and in the log.
        needs_real_gradient: It uses the gradient of D's score at the real input (`input_gradient`).
        needs_fake_gradient: It uses the gradient at the fake input.
        changes_fake_gradient: It adds to the gradient at the fake, beside the adversarial loss.
        needs_whole_batch: It depends on the batch as a whole, which cannot be split into micro-batches then.
        gamma_from_image_size: Its `gamma` follows from image size and batch size unless it is given.
        on_first_input: It acts on D's first argument alone, as all do that need an input gradient.
        cost: Forward passes of D that it adds to a batch.

    Example:
        >>> class Drift(Penalty):
        ...     name = "drift"
        ...     def forward(self, discriminator, real, fake, step):
        ...         return 0.001 * real.output.score().square().mean()
        >>> [step for step in range(9) if Drift(every=4).is_due(step)]
        [0, 4, 8]
    """

    name: ClassVar[str]
    needs_real_gradient: ClassVar[bool] = False
    needs_fake_gradient: ClassVar[bool] = False
    changes_fake_gradient: ClassVar[bool] = False
    needs_whole_batch: ClassVar[bool] = False
    gamma_from_image_size: ClassVar[bool] = False
    on_first_input: ClassVar[bool] = False
    cost: ClassVar[float] = 0

    def __init__(self, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise UserError(f"penalties.{self.name}.every: {every}; give 1 for every batch, k for every k-th")
        self.every = every

    def is_due(self, step: int) -> bool:
        """Return True if D's update at this step (batches done so far) takes the penalty."""
        return step % self.every == 0

    def prepare(self, discriminator: nn.Module) -> None:
        """Prepare D; called once, before its optimizer is built."""

    def after_step(self, discriminator: nn.Module) -> None:
        """Change D's weights; called after each step of its optimizer."""

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor | None:
        """Compute the penalty.

        Args:
            discriminator: The network.
            real: Its pass over the real batch.
            fake: Its pass over the fake batch.
            step: Batches done so far.

        Returns:
            0-dim, without the factor `every`; None for a penalty that only acts on weights.
        """
        return None

    def _at_least_zero(self, key: str, value: float) -> float:
        if value < 0:
            raise UserError(f"penalties.{self.name}.{key}: {value} must be 0 or more")
        return value


def lazy_adam(lr: float, betas: tuple[float, float], every: int) -> tuple[float, tuple[float, float]]:
    """Correct Adam's settings for a penalty on every k-th step: lr·c, βᶜ with c = k / (k + 1).

    Karras et al., arXiv 1912.04958, appendix B.

    Args:
        lr: Learning rate for a penalty on every step.
        betas: Adam's betas for the same.
        every: k.

    Returns:
        (lr, betas) of D's optimizer.

    Example:
        >>> lr, betas = lazy_adam(0.002, (0.0, 0.99), every=16)
        >>> round(lr, 6), betas[0], round(betas[1], 4)
        (0.001882, 0.0, 0.9906)
    """
    if every == 1:
        return lr, betas
    c = every / (every + 1)
    return lr * c, (betas[0] ** c, betas[1] ** c)
