"""Learning-rate schedules over a run; one scheduler step per batch."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ganatomy.adversarial import Cosine
from ganatomy.errors import UserError


class DecayAtEnd(LambdaLR):
    """Constant rate, then a linear decay to 0 over the last `share` of the steps.

    Args:
        optimizer: The optimiser.
        steps: Batches of the whole run.
        share: Fraction of the player's steps spent on the decay, in (0, 1].
        ends: Fraction of `steps` after which the rate is 0, in (0, 1]; below 1 for a player that is trained
            in the first part of the run only.

    Raises:
        UserError: If `share` or `ends` is outside (0, 1].

    Example:
        >>> optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
        >>> scheduler = DecayAtEnd(optimizer, steps=10, share=0.5)
        >>> [scheduler.lr_lambdas[0](step) for step in (0, 5, 8, 10)]
        [1.0, 1.0, 0.4, 0.0]
    """

    def __init__(self, optimizer: Optimizer, steps: int, share: float = 0.3, ends: float = 1.0) -> None:
        for key, value in (("share", share), ("ends", ends)):
            if not 0 < value <= 1:
                raise UserError(f"{key}: {value} is outside (0, 1]")
        last = ends * steps
        super().__init__(optimizer, lambda step: min(1.0, max(0.0, (last - step) / (share * last))))


class BurnIn(LambdaLR):
    """Cosine decay of the rate over the first part of the run, with a rising beta2.

    R3GAN's schedules, Huang et al., arXiv 2501.05441.

    Args:
        optimizer: The optimiser.
        steps: Batches of the whole run.
        final: Factor of the initial rate that is reached at the end of the burn-in; >= 0.
        burn_in: Fraction of `steps` that the decay takes.
        beta2: Adam's second beta at the start, in [0, 1); it rises to the optimiser's own along the same
            cosine. None leaves it as it is.

    Raises:
        UserError: If `final` is negative, or `beta2` is out of range or the optimiser has none.

    Example:
        >>> optimizer = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=0.001, betas=(0.0, 0.99))
        >>> scheduler = BurnIn(optimizer, steps=100, beta2=0.9)
        >>> optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]
        (0.001, (0.0, 0.9))
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
            raise UserError(f"final: {final} must be >= 0")
        if beta2 is not None and not (0 <= beta2 < 1 and "betas" in optimizer.param_groups[0]):
            raise UserError(f"beta2: {beta2} is outside [0, 1), or the optimiser has none; give null")
        self.steps, self.burn_in, self.beta2 = steps, burn_in, beta2
        self.own = [group["betas"][1] for group in optimizer.param_groups] if beta2 is not None else []
        super().__init__(optimizer, Cosine(1.0, final, steps, burn_in))

    def step(self, epoch: int | None = None) -> None:
        """Set rate and beta2 of the next batch; `LambdaLR.__init__` calls this for the initial values."""
        super().step(epoch)
        for group, own in zip(self.optimizer.param_groups, self.own, strict=False):
            assert self.beta2 is not None
            now = Cosine(self.beta2, own, self.steps, self.burn_in)(self.last_epoch)
            group["betas"] = (group["betas"][0], now)
