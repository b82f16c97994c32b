"""Learning rates over a run."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ganatomy.adversarial import Cosine
from ganatomy.errors import UserError


class DecayAtEnd(LambdaLR):
    """The full rate, then a straight line to 0 over the last `share` of `steps`.

    ends: for a player that plays in the first part of a run alone, its share of the steps.
    """

    def __init__(self, optimizer: Optimizer, steps: int, share: float = 0.3, ends: float = 1.0) -> None:
        for key, value in (("share", share), ("ends", ends)):
            if not 0 < value <= 1:
                raise UserError(f"{key}: {value} is outside (0, 1]")
        last = ends * steps
        super().__init__(optimizer, lambda step: min(1.0, max(0.0, (last - step) / (share * last))))


class BurnIn(LambdaLR):
    """The rate falls to a share `final` of itself, along half a cosine over the first `burn_in` of `steps`.

    beta2: Adam's second beta begins here and rises to the optimiser's own in the same way; null: it stays.
    R3GAN's schedules, Huang et al., arXiv 2501.05441.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        steps: int,
        final: float = 0.25,
        burn_in: float = 0.5,
        beta2: float | None = 0.9,
    ) -> None:
        if final < 0:
            raise UserError(f"final: {final} is negative")
        if beta2 is not None and not (0 <= beta2 < 1 and "betas" in optimizer.param_groups[0]):
            raise UserError(f"beta2: {beta2} is outside [0, 1), or the optimiser has none; give null")
        self.steps, self.burn_in, self.beta2 = steps, burn_in, beta2
        self.own = [group["betas"][1] for group in optimizer.param_groups] if beta2 is not None else []
        super().__init__(optimizer, Cosine(1.0, final, steps, burn_in))

    def step(self, epoch: int | None = None) -> None:
        """Also taken once when it is made, so the first batch has the first values."""
        super().step(epoch)
        for group, own in zip(self.optimizer.param_groups, self.own, strict=False):
            assert self.beta2 is not None
            now = Cosine(self.beta2, own, self.steps, self.burn_in)(self.last_epoch)
            group["betas"] = (group["betas"][0], now)
