"""Rectified flow: regression of a velocity, with no opponent."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ganatomy.adversarial.distributed.random import normal, uniform
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.synthesis.methods.base import Method, Players


class FlowMatching(Method):
    """Learn the velocity on straight ways from noise z to images x, at times that are drawn uniformly.

    E |v(x_t, t) - (x - z)|² with x_t = t x + (1 - t) z. Liu et al., arXiv 2209.03003, eq. 1; Lipman et al.,
    arXiv 2210.02747, eq. 23, with σ_min = 0. A mean over pixels, where they have a sum.
    """

    def begin(self, players: Players) -> None:
        """Check that the generator has a velocity, and that nobody plays against it."""
        if not callable(getattr(players.generator, "velocity", None)):
            name = type(players.generator).__name__
            raise UserError(f"model.generator: {name} has no velocity; take that of model=rectified_flow")
        if players.discriminator is not None:
            raise UserError("model.discriminator: a rectified flow learns without one; set it to null")
        self.players = players

    def generate(self, batch: Batch) -> dict[str, Tensor]:
        """Return `velocity` on the ways and what it should be, `target`; both [B, C, *spatial]."""
        x = self.players.normalisation.normalise(batch["image"])
        z, t = normal(x, x.shape[1:]), uniform(x)
        share = t.reshape(-1, *[1] * (x.dim() - 1))
        made = self.players.generator.velocity(
            share * x + (1 - share) * z, t, *self.players.condition.conditioning(batch)
        )
        return {"velocity": made, "target": x - z}

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        return {"flow": (output["velocity"].float() - output["target"]).square().mean()}
