"""What a penalty on the discriminator is, and what taking it lazily asks of the optimiser."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ganatomy.adversarial.discriminator import DiscriminatorPass
from ganatomy.errors import UserError


class Penalty(nn.Module):
    """A term of D's loss, taken every `every` batches and then `every` times as heavy.

    name: its name in the configuration and in the log.
    at_real, at_fake: it asks for the gradient of D's score at the real, at the fake input (`Seen.slope`).
    touches_fake: it adds to D's gradient at the fake, which is then not the adversarial loss's alone.
    cost: what it adds to a batch that takes it, in forward passes of D.
    mixes_samples: it looks at the batch as a whole, which cannot be worked through in pieces then.
    sized: its `gamma` follows from the images' size and the batch unless it is given.
    on_first_input: it acts on the first of D's arguments alone; so do those that are `at_real` or `at_fake`.
    """

    name: ClassVar[str]
    at_real: ClassVar[bool] = False
    at_fake: ClassVar[bool] = False
    touches_fake: ClassVar[bool] = False
    mixes_samples: ClassVar[bool] = False
    sized: ClassVar[bool] = False
    on_first_input: ClassVar[bool] = False
    cost: ClassVar[float] = 0

    def __init__(self, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise UserError(f"penalties.{self.name}.every: {every}; give 1 for every batch, k for every k-th")
        self.every = every

    def due(self, step: int) -> bool:
        """Whether D's update at this step (batches done so far) takes the penalty."""
        return step % self.every == 0

    def prepare(self, discriminator: nn.Module) -> None:
        """Called once with D, before its optimiser is made."""

    def after_step(self, discriminator: nn.Module) -> None:
        """Called after each step of D's optimiser."""

    def forward(
        self, discriminator: nn.Module, real: DiscriminatorPass, fake: DiscriminatorPass, step: int
    ) -> Tensor | None:
        """The penalty, 0-dim, without the factor `every`; None for one that only acts on weights."""
        return None

    def _at_least_zero(self, key: str, value: float) -> float:
        if value < 0:
            raise UserError(f"penalties.{self.name}.{key}: {value} is negative")
        return value


def lazy_adam(lr: float, betas: tuple[float, float], every: int) -> tuple[float, tuple[float, float]]:
    """Adam's (lr, betas) for a D whose penalty comes every k-th step: lr·c, βᶜ with c = k / (k + 1).

    Karras et al., arXiv 1912.04958, appendix B.
    """
    if every == 1:
        return lr, betas
    c = every / (every + 1)
    return lr * c, (betas[0] ** c, betas[1] ** c)
