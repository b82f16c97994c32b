"""Weight of the adversarial loss in the generator's: fixed, warming up, or adaptive."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganatomy.adversarial.distributed.collectives import batch_sum
from ganatomy.errors import UserError


class Weight:
    """Weight of the adversarial term at a step (the number of batches done so far).

    Attributes:
        from_gradients: It is computed from the gradients of both losses.
        changes: It is not constant, so it is logged.

    Example:
        >>> weight = WEIGHTS["warmup"](value=0.5, steps=100)
        >>> [weight(step) for step in (0, 50, 200)]
        [0.0, 0.25, 0.5]
    """

    from_gradients = False
    changes = True

    def __call__(
        self, step: int, task: Sequence[Tensor] = (), adversarial: Sequence[Tensor] = ()
    ) -> float | Tensor:
        """Return the weight.

        Args:
            step: Batches done so far.
            task: Gradients of the task's losses at G's output, given if `from_gradients`.
            adversarial: Gradients of the adversarial loss there.
        """
        raise NotImplementedError


class Fixed(Weight):
    """The same weight at every step."""

    changes = False

    def __init__(self, value: float = 1.0) -> None:
        if value < 0:
            raise UserError(f"weight.value: {value} must be 0 or more")
        self.value = value

    def __call__(self, step: int, task: Sequence[Tensor] = (), adversarial: Sequence[Tensor] = ()) -> float:
        return self.value


class Warmup(Fixed):
    """Linear from 0 to `value` over the first `steps` batches."""

    changes = True

    def __init__(self, value: float = 1.0, steps: int = 1000) -> None:
        super().__init__(value)
        if steps < 1:
            raise UserError(f"weight.steps: {steps} must be at least 1")
        self.steps = steps

    def __call__(self, step: int, task: Sequence[Tensor] = (), adversarial: Sequence[Tensor] = ()) -> float:
        return self.value * min(1.0, step / self.steps)


class Adaptive(Weight):
    """Keep the adversarial gradient a share of the task's: w = share · ‖∇task‖ / ‖∇adversarial‖.

    Norms are over the global batch; w is at most `ceiling`. With accumulation the share holds in each
    micro-batch. After Esser et al., arXiv 2012.09841, eq. 7, taken at G's output instead of its last layer.
    """

    from_gradients = True

    def __init__(self, share: float = 0.2, ceiling: float = 1e4) -> None:
        if share < 0:
            raise UserError(
                f"weight.share: {share} must be 0 or more; give the share of the task's gradient, e.g. 0.2"
            )
        if ceiling <= 0:
            raise UserError(f"weight.ceiling: {ceiling} must be above 0")
        self.share = share
        self.ceiling = ceiling

    def __call__(self, step: int, task: Sequence[Tensor] = (), adversarial: Sequence[Tensor] = ()) -> Tensor:
        if not task:
            raise UserError("weight: adaptive needs a task loss to compare with; use weight=fixed")
        ratio = _norm(task) / _norm(adversarial).clamp_min(1e-12)
        return (self.share * ratio).clamp_max(self.ceiling)


def _norm(gradients: Sequence[Tensor]) -> Tensor:
    """Return the norm over tensors, samples and processes, in float32 at least: float16 squares underflow."""
    wide = torch.promote_types(gradients[0].dtype, torch.float32)
    squares = torch.stack([gradient.to(wide).square().sum() for gradient in gradients])
    return batch_sum(squares).sqrt()


WEIGHTS: dict[str, type[Weight]] = {"fixed": Fixed, "warmup": Warmup, "adaptive": Adaptive}
