"""The weight of the adversarial loss in the generator's: fixed, warming up, or adaptive."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganatomy.adversarial.distributed.collectives import batch_sum
from ganatomy.errors import UserError


class Weight:
    """Weight of the adversarial term at a step (the number of batches done so far)."""

    from_gradients = False
    changes = True

    def __call__(
        self, step: int, task: Sequence[Tensor] = (), adversarial: Sequence[Tensor] = ()
    ) -> float | Tensor:
        """`task`, `adversarial`: each loss's gradients at G's output, given when `from_gradients`."""
        raise NotImplementedError


class Fixed(Weight):
    """The same weight at every step."""

    changes = False

    def __init__(self, value: float = 1.0) -> None:
        if value < 0:
            raise UserError(f"weight.value: {value} is negative; a generator does not please its opponent")
        self.value = value

    def __call__(self, step: int, task: Sequence[Tensor] = (), adversarial: Sequence[Tensor] = ()) -> float:
        return self.value


class Warmup(Fixed):
    """From 0 to `value`, linearly over the first `steps` batches."""

    changes = True

    def __init__(self, value: float = 1.0, steps: int = 1000) -> None:
        super().__init__(value)
        if steps < 1:
            raise UserError(f"weight.steps: {steps}; a warm-up takes at least one step")
        self.steps = steps

    def __call__(self, step: int, task: Sequence[Tensor] = (), adversarial: Sequence[Tensor] = ()) -> float:
        return self.value * min(1.0, step / self.steps)


class Adaptive(Weight):
    """Holds D's gradient at G's output at a share of the task's: w = share · ‖∇task‖ / ‖∇adversarial‖.

    Norms are over the global batch; w is at most `ceiling`. With accumulation the share holds in each piece.
    After Esser et al., arXiv 2012.09841, eq. 7, taken at G's output instead of its last layer.
    """

    from_gradients = True

    def __init__(self, share: float = 0.2, ceiling: float = 1e4) -> None:
        if share < 0:
            raise UserError(
                f"weight.share: {share} is negative; give the share of the task's gradient, e.g. 0.2"
            )
        if ceiling <= 0:
            raise UserError(f"weight.ceiling: {ceiling} must be above 0")
        self.share = share
        self.ceiling = ceiling

    def __call__(self, step: int, task: Sequence[Tensor] = (), adversarial: Sequence[Tensor] = ()) -> Tensor:
        if not task:
            raise UserError("weight: adaptive needs a task loss to be a share of; use a fixed weight")
        ratio = _norm(task) / _norm(adversarial).clamp_min(1e-12)
        return (self.share * ratio).clamp_max(self.ceiling)


def _norm(gradients: Sequence[Tensor]) -> Tensor:
    """Norm over tensors, samples and processes, in float32 at least: squares of float16 would vanish."""
    wide = torch.promote_types(gradients[0].dtype, torch.float32)
    squares = torch.stack([gradient.to(wide).square().sum() for gradient in gradients])
    return batch_sum(squares).sqrt()


WEIGHTS: dict[str, type[Weight]] = {"fixed": Fixed, "warmup": Warmup, "adaptive": Adaptive}
