"""Penalties on the discriminator, as a list of plug-ins."""

from __future__ import annotations

from torch import Tensor, nn

from src.adversarial.seen import Seen
from src.errors import UserError


class Penalty(nn.Module):
    """A term of D's loss, taken every `every` batches and then `every` times as heavy.

    at_real, at_fake: it needs the gradient of D's score at the real, at the fake input (`Seen.slope`).
    touches_fake: it adds to D's gradient at the fake, which is then not the adversarial loss's alone.
    """

    at_real = False
    at_fake = False
    touches_fake = False
    mixes_samples = False

    def __init__(self, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise UserError(f"penalties.{self.name}.every: {every}; give 1 for every batch, k for every k-th")
        self.every = every

    @property
    def name(self) -> str:
        """Its name in the configuration and in the log."""
        return next(name for name, kind in PENALTIES.items() if kind is type(self))

    def due(self, step: int) -> bool:
        """Whether D's update at this step (batches done so far) takes the penalty."""
        return step % self.every == 0

    def prepare(self, discriminator: nn.Module) -> None:
        """Called once with D, before its optimiser is made."""

    def after_step(self, discriminator: nn.Module) -> None:
        """Called after each step of D's optimiser."""

    def forward(self, discriminator: nn.Module, real: Seen, fake: Seen, step: int) -> Tensor | None:
        """The penalty, 0-dim, without the factor `every`; None for one that only acts on weights."""
        return None


class R1(Penalty):
    """γ/2 · E‖∇D(real)‖², D(x) being the mean of x's logits. Mescheder et al., arXiv 1801.04406, eq. 9."""

    at_real = True

    def __init__(self, gamma: float = 1.0, every: int = 1) -> None:
        super().__init__(every)
        self.gamma = _not_negative(self.name, "gamma", gamma)

    def forward(self, discriminator: nn.Module, real: Seen, fake: Seen, step: int) -> Tensor:
        return 0.5 * self.gamma * _squared_norms(real.slope()).mean()


class R2(R1):
    """γ/2 · E‖∇D(fake)‖². Mescheder et al., arXiv 1801.04406, section 4.1."""

    at_real = False
    at_fake = True
    touches_fake = True

    def forward(self, discriminator: nn.Module, real: Seen, fake: Seen, step: int) -> Tensor:
        return 0.5 * self.gamma * _squared_norms(fake.slope()).mean()


def _squared_norms(slope: Tensor) -> Tensor:
    return slope.flatten(1).square().sum(1)


def _not_negative(penalty: str, key: str, value: float) -> float:
    if value < 0:
        raise UserError(f"penalties.{penalty}.{key}: {value} is negative")
    return value


PENALTIES: dict[str, type[Penalty]] = {"r1": R1, "r2": R2}
