"""Translation both ways without pairs: a generator and a discriminator for each side. CycleGAN."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.translation.base import Method, Players

GENERATORS = ("to_target", "to_source")
DISCRIMINATORS = ("target", "source")


class Cycle(Method):
    """Map either side to the other so that there and back returns the image. Zhu et al., arXiv 1703.10593.

    x is an image of the source, y of the target, G = `to_target`, F = `to_source`, means over voxels:

    - cycle / source: λ · |F(G(x)) - x|, cycle / target: λ · |G(F(y)) - y| (eq. 2);
    - identity / target: λ · ι · |G(y) - y|, identity / source: λ · ι · |F(x) - x| (section 5.2);
    - adversarial: the discriminator `target` tells y from G(x), `source` tells x from F(y) (eq. 1).

    With ι = 0 no image is passed for the identity. A step that trains the discriminators alone makes the two
    translations only.

    Args:
        cycle: λ, above 0.
        identity: ι, as a share of λ, 0.5 in the paper; 0 for none, which alone is possible if the sides
            differ in channels.

    Raises:
        UserError: A weight is out of its range.
    """

    unpaired = True

    def __init__(self, cycle: float = 10.0, identity: float = 0.0) -> None:
        super().__init__()
        if not 0 < cycle < math.inf:
            raise UserError(
                f"task.method.cycle: {cycle} would leave nothing that ties the translation to its image; "
                "give a weight above 0 (10 in the paper)"
            )
        if not 0 <= identity < math.inf:
            raise UserError(f"task.method.identity: {identity} is no weight; give a share, or 0 for none")
        self.cycle, self.identity = cycle, identity

    @property
    def generator_passes(self) -> tuple[int, int]:
        return (6 if self.identity else 4), 2

    def begin(self, players: Players) -> None:
        if players.discriminator is None:
            raise UserError(
                "model.discriminator: null leaves nothing that says what a target looks like: for a copy of "
                "the image every loss is 0 already; keep the discriminators, or compare with a twin of pairs "
                "(model=translation_unet model.discriminator=null)"
            )
        for player, names in (("generator", GENERATORS), ("discriminator", DISCRIMINATORS)):
            network = getattr(players, player)
            found = list(network) if isinstance(network, nn.ModuleDict) else []
            if set(found) != set(names):
                has = f"has the networks {', '.join(found)}" if found else "is one network"
                raise UserError(f"model.{player}: {has}; this method trains two, {names[0]} and {names[1]}")
        super().begin(players)

    def translator(self, generator: nn.Module) -> nn.Module:
        return self._one(generator, "to_target")

    def back_translator(self, generator: nn.Module) -> nn.Module:
        return self._one(generator, "to_source")

    def generate(self, batch: Batch) -> dict[str, Tensor]:
        x, y = batch["image"], batch["target"]
        if self.identity and x.shape[1] != y.shape[1]:
            raise UserError(
                f"task.method.identity: images have {x.shape[1]} channels and targets {y.shape[1]}, so "
                "neither passes through the generator that makes it; set task.method.identity=0"
            )
        to_target, to_source = (self._one(self.players.generator, name) for name in GENERATORS)
        output = {"fake_target": to_target(x), "fake_source": to_source(y)}
        if not torch.is_grad_enabled():
            return output
        output["cycled_source"] = to_source(output["fake_target"])
        output["cycled_target"] = to_target(output["fake_source"])
        if self.identity:
            output |= {"same_target": to_target(y), "same_source": to_source(x)}
        return output

    def translated(self, output: dict[str, Tensor]) -> Tensor:
        return output["fake_target"]

    def counterparts(self, batch: Batch, output: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
        return [(batch["image"], output["fake_target"]), (batch["target"], output["fake_source"])]

    def discriminator_inputs(
        self, batch: Batch, output: dict[str, Tensor]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        return {
            "target": (batch["target"], output["fake_target"]),
            "source": (batch["image"], output["fake_source"]),
        }

    def task_losses(self, batch: Batch, output: dict[str, Tensor]) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        for side, real in (("source", batch["image"]), ("target", batch["target"])):
            losses[f"cycle/{side}"] = self.cycle * _l1(output[f"cycled_{side}"], real)
            if self.identity:
                losses[f"identity/{side}"] = self.cycle * self.identity * _l1(output[f"same_{side}"], real)
        return losses

    @staticmethod
    def _one(generator: nn.Module, name: str) -> nn.Module:
        assert isinstance(generator, nn.ModuleDict)
        return generator[name]


def _l1(output: Tensor, real: Tensor) -> Tensor:
    return l1_loss(output.to(real.dtype), real)
