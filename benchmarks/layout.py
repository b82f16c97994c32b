"""What channels innermost in memory (`trainer.channels_last`) do to the time of a step.

One pinned thread. Both layouts take turns; the ratios are of CPU time within a round.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch
from torch import Tensor, nn

from benchmarks._results import table, write
from benchmarks.step import ratios, times
from ganatomy.networks.discriminators.unet import UNetDiscriminator
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.networks.noise_to_image.dcgan import DcganDiscriminator, DcganGenerator
from ganatomy.networks.noise_to_image.r3gan import R3Discriminator, R3Generator
from ganatomy.networks.noise_to_image.stylegan2 import StyleDiscriminator, StyleGenerator
from ganatomy.training.build import laid_out

BATCH = 16


def players(side: int) -> dict[str, tuple[nn.Module, nn.Module, Tensor]]:
    """Return generator, discriminator and the generator's input, by name."""
    size, image = (side, side), torch.randn(BATCH, 1, side, side)
    style = StyleGenerator(2, 1, size)
    return {
        "dcgan": (
            DcganGenerator(2, 1, size, latent=64, channels=32, refine=16),
            DcganDiscriminator(2, 1, size, channels=32, norm=False, start="he"),
            torch.randn(BATCH, 64),
        ),
        "r3gan": (
            R3Generator(2, 1, size, blocks=1),
            R3Discriminator(2, 1, size, blocks=1),
            torch.randn(BATCH, 64),
        ),
        "stylegan2": (style, StyleDiscriminator(2, 1, size), torch.randn(BATCH, style.latent)),
        "U-Net, U-Net discriminator": (UNet(2, 1, 1), UNetDiscriminator(2, 1), image),
    }


def stepper(
    generator: nn.Module, discriminator: nn.Module, given: Tensor, bf16: bool
) -> Callable[[int], None]:
    """G, D over what it made, and the gradients of both, so many times."""

    def steps(count: int) -> None:
        for _ in range(count):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                answer = discriminator(generator(given))
            while not isinstance(answer, Tensor):
                answer = answer[0] if isinstance(answer, tuple) else answer[-1]
            answer.float().mean().backward()

    return steps


def compare(side: int, rounds: int) -> str:
    """Time every pair of players with channels first, relative to channels last."""
    rows = []
    for name, (generator, discriminator, given) in players(side).items():
        cells = []
        for bf16 in (False, True):
            both = {
                layout: stepper(
                    laid_out(copy.deepcopy(generator), layout == "last"),
                    laid_out(copy.deepcopy(discriminator), layout == "last"),
                    given,
                    bf16,
                )
                for layout in ("first", "last")
            }
            cells.append(ratios(times(both, rounds, 1), "first", "last"))
        rows.append((name, *cells))
    text = (
        f"Time of a pass through both players and back, {BATCH} images of {side}x{side}, over that with "
        "`trainer.channels_last=true`; median and quartiles. Above 1: the option pays."
    )
    return f"{text}\n\n{table(('players', 'float32', 'bfloat16'), rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small images, two rounds: does it run?")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    write("Step: channels innermost", compare(16 if quick else 64, 2 if quick else 9), keep=not quick)


if __name__ == "__main__":
    main()
