"""Translation between two domains without pairs: a generator each way, a discriminator for each domain.

Zhu et al. (CycleGAN), arXiv 1703.10593. Domain a is the image of a case, b its target.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import l1_loss

from ganatomy.tasks.base import Batch
from ganatomy.tasks.enhancement.task import EnhancementTask
from ganatomy.tasks.shared.sliding_window import slide


class CycleTask(EnhancementTask):
    """Scored from a to b, against the target of the case, which no loss compares with its image.

    Args:
        cycle: Weight of |ba(ab(a)) - a| and |ab(ba(b)) - b| (eq. 2).
        identity: Weight of |ba(a) - a| and |ab(b) - b| (section 5.2); 0 where the domains' channels differ.
        settings: As for enhancement.
    """

    unpaired = None  # rows may be pairs: no loss compares the two

    def __init__(self, *args: Any, cycle: float = 10.0, identity: float = 0.0, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.cycle, self.identity = cycle, identity

    @staticmethod
    def network_arguments(data: Any) -> dict[str, dict[str, int]]:
        """Channels of each network; "<player>.<name>" is that of one of several."""
        a, b = data.channels, data.target_channels
        return {
            "generator.ab": {"in_channels": a, "out_channels": b},
            "generator.ba": {"in_channels": b, "out_channels": a},
            "discriminator.a": {"in_channels": a, "out_channels": 1},
            "discriminator.b": {"in_channels": b, "out_channels": 1},
        }

    def generate(self, batch: Batch) -> dict[str, Tensor]:
        a, b = batch["image"], batch["target"]
        ab, ba = self.generator["ab"], self.generator["ba"]
        fake = {"a": ba(b), "b": ab(a)}
        output = {**fake, "cycled_a": ba(fake["b"]), "cycled_b": ab(fake["a"])}
        return {**output, "same_a": ba(a), "same_b": ab(b)} if self.identity else output

    def discriminator_inputs(
        self, batch: Batch, output: dict[str, Tensor]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """(real, fake) of each discriminator, by its name in the configuration."""
        return {"a": (batch["image"], output["a"]), "b": (batch["target"], output["b"])}

    def task_losses(self, batch: Batch, output: dict[str, Tensor]) -> dict[str, Tensor]:
        losses = {}
        for domain, real in (("a", batch["image"]), ("b", batch["target"])):
            losses[f"cycle_{domain}"] = self.cycle * l1_loss(output[f"cycled_{domain}"], real)
            if self.identity:
                losses[f"identity_{domain}"] = self.identity * l1_loss(output[f"same_{domain}"], real)
        return losses

    def predict(self, batch: Batch) -> Tensor:
        return slide(self.evaluator["ab"], batch["image"], self.window)
