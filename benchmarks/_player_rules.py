"""The rules of the timed game, on a CPU and on a GPU."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import l1_loss, relu

WEIGHT = 0.05
"""Weight of the adversarial loss beside L1."""


def d_loss(real: Tensor, fake: Tensor) -> Tensor:
    return relu(1 - real).mean() + relu(1 + fake).mean()


class Rules:
    """The target is the input itself, as AdversarialTrainer knows no other."""

    def __init__(self, generator: nn.Module) -> None:
        self.generator = generator

    def generate(self, batch: Tensor) -> Any:
        return self.generator(batch)

    def discriminator_inputs(self, batch: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        return batch, output

    def task_losses(self, batch: Tensor, output: Tensor) -> dict[str, Tensor]:
        return {"l1": l1_loss(output, batch)}
