"""What an update computes, in forward passes of each player: torch's count beside the planner's word."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import BasicUNet, PatchDiscriminator
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks._results import table, write
from ganatomy.adversarial import LOSSES, PENALTIES, Cost, Game, plan


@dataclass
class Measured:
    """Passes of each player in an update, and the planner's word."""

    generator_forwards: float
    discriminator_forwards: float
    said: Cost


class Rules:
    """Image to image, no task loss."""

    def __init__(self, generator: nn.Module) -> None:
        self.generator = generator

    def generate(self, batch: Tensor) -> Tensor:
        return self.generator(batch)  # type: ignore[no-any-return]

    def discriminator_inputs(self, batch: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        return batch, output

    def task_losses(self, batch: Tensor, output: Tensor) -> dict[str, Tensor]:
        return {}


class Free(nn.Module):
    """A generator that costs nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class _Everywhere(nullcontext[None]):
    """In place of the counter's tracker of modules, which does not work under autograd.grad (torch 2.13)."""

    parents = frozenset({"Global"})


def flops(work: Callable[[], Any]) -> int:
    """Floating-point operations of convolutions and matrix products."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _Everywhere()  # type: ignore[assignment]
    with counter:
        work()
    return counter.get_total_flops()


def costs(update: str, loss: str, penalties: Sequence[str], size: int = 32) -> Measured:
    """Count an update's passes of a U-Net and a patch discriminator."""
    torch.manual_seed(0)
    unet = BasicUNet(2, 1, 1, features=(16, 16, 32, 32, 32, 16), norm=("instance", {"affine": True}))
    batch = torch.randn(2, 1, size, size)
    counts = []
    for generator in (Free(), unet):
        patch = PatchDiscriminator(2, 32, 1, num_layers_d=3, norm="instance")
        game = Game(
            Rules(generator), generator, patch, LOSSES[loss](), penalties=[PENALTIES[p]() for p in penalties]
        )
        chosen = plan(game, update)
        game_flops = flops(lambda: chosen.update(game, batch, 0, lambda player: None))  # noqa: B023
        counts.append(game_flops)
    one_g, one_d = flops(lambda: unet(batch)), flops(lambda: patch(batch))
    return Measured((counts[1] - counts[0]) / one_g, counts[0] / one_d, chosen.cost)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    quick = parser.parse_args().quick
    rows = []
    for penalties in ((), ("r1",), ("r1", "r2"), ("gradient_penalty",)):
        for update in ("textbook", "shared", "one_backward")[1 if quick else 0 :]:
            if update == "one_backward" and "r2" in penalties:
                continue
            got = costs(update, "wasserstein", penalties)
            counted = f"{got.generator_forwards:.2f} F_G + {got.discriminator_forwards:.2f} F_D"
            rows.append((update, " + ".join(penalties) or "none", counted, got.said))
    text = (
        "F_G, F_D: the operations of one forward pass of each player on the batch, counted by torch on a "
        "U-Net and a patch discriminator. First layers need no gradient at the data: a little less than said."
    )
    counts = table(("update", "penalties", "counted", "said"), rows)
    write("Operations of an update", f"{text}\n\n{counts}", keep=not quick)


if __name__ == "__main__":
    main()
