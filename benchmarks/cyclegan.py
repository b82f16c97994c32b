"""What a step of CycleGAN costs beside a textbook loop, and beside what the count of passes says.

One pinned thread, the networks of `task=translation model=cyclegan` on its data's batch. Everybody takes a
few steps in turn, round after round, the parts of a step among them; ratios are of CPU time within a round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from benchmarks._results import table, write
from benchmarks.flops import flops
from benchmarks.step import ratios, times
from ganatomy.adversarial import LOSSES, Game, plan
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.machine import allocator
from ganatomy.tasks.translation.base import Players
from ganatomy.tasks.translation.cycle import Cycle

CYCLE, WEIGHT = 10.0, 2.0
BOTH = {"to_target": "image", "to_source": "target"}
SEEN = {"target": "fake_target", "source": "fake_source"}


def default_networks(words: list[str]) -> tuple[nn.ModuleDict, nn.ModuleDict, dict[str, Tensor]]:
    """Return the networks of the default run, and a batch of noise of its batch's shape."""
    from ganatomy.config.compose import composed
    from ganatomy.config.resolve import validate
    from ganatomy.training import build

    cfg = validate({**composed(["task=translation", "model=cyclegan", *words]), "run_dir": "."})
    data = build.build_data(cfg)
    data.setup()
    task: Any = build.build_task(build.complete(cfg, data), data.mask_classes)
    torch.manual_seed(0)
    sides = {"image": data.channels, "target": data.target_channels}
    batch = {key: torch.randn(cfg.data.batch_size, count, *data.shape) for key, count in sides.items()}
    return task.generator, task.discriminator, batch


@dataclass
class Contender:
    """Four players with their optimisers; calling it takes some steps."""

    generator: nn.ModuleDict
    discriminator: nn.ModuleDict
    batch: dict[str, Tensor]
    identity: float
    half: bool = False
    optimisers: dict[str, torch.optim.Optimizer] = field(init=False)

    def __post_init__(self) -> None:
        players = {"generator": self.generator, "discriminator": self.discriminator}
        self.optimisers = {
            name: torch.optim.Adam(player.parameters(), 2e-4, (0.5, 0.999), fused=True)
            for name, player in players.items()
        }

    def __call__(self, count: int) -> None:
        for _ in range(count):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                self.step()

    def step(self) -> None:
        """Take one step of each player."""
        raise NotImplementedError

    def update(self, player: str) -> None:
        """Step the optimiser of a player, whose gradients are complete."""
        self.optimisers[player].step()
        self.optimisers[player].zero_grad(set_to_none=True)


class Ours(Contender):
    """The update that the planner chooses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        cycle = Cycle(CYCLE, self.identity)
        cycle.begin(Players(self.generator, self.discriminator, 2))
        loss = LOSSES["least_squares"]()
        self.game = Game(cycle, self.generator, self.discriminator, loss, Fixed(WEIGHT))
        self.plan = plan(self.game, "auto", batch=self.batch)

    def step(self) -> None:
        self.plan.update(self.game, self.batch, 0, self.update)


class Textbook(Contender):
    """CycleGAN as it is mostly written: G's loss leaves gradients in D's weights too, thrown away then."""

    frozen = False

    def step(self) -> None:
        there, back = self.generator["to_target"], self.generator["to_source"]
        x, y = self.batch["image"], self.batch["target"]
        self.discriminator.requires_grad_(not self.frozen)
        fakes = {"target": there(x), "source": back(y)}
        cycle = l1_loss(back(fakes["target"]), x) + l1_loss(there(fakes["source"]), y)
        loss = CYCLE * cycle
        if self.identity:
            loss = loss + CYCLE * self.identity * (l1_loss(there(y), y) + l1_loss(back(x), x))
        for name, d in self.discriminator.items():
            loss = loss + (_logits(d(fakes[name])) - 1).square().mean()
        loss.backward()
        self.update("generator")
        self.discriminator.requires_grad_(True)
        self.discriminator.zero_grad(set_to_none=True)
        loss = torch.zeros(())
        for name, real in (("target", y), ("source", x)):
            d = self.discriminator[name]
            on_real, on_fake = _logits(d(real)), _logits(d(fakes[name].detach()))
            loss = loss + 0.5 * ((on_real - 1).square().mean() + on_fake.square().mean())
        loss.backward()
        self.update("discriminator")


class Careful(Textbook):
    """The same with D's parameters frozen in G's step, as in the authors' code."""

    frozen = True


class Part(Contender):
    """One forward and one backward pass of a network, with the gradients of weights and input: 3 F."""

    name = ("generator", "to_target")

    def step(self) -> None:
        player, name = self.name
        x = self.batch["image"].detach().requires_grad_()
        output = _logits(getattr(self, player)[name](x))
        output.backward(torch.ones_like(output))
        getattr(self, player)[name].zero_grad(set_to_none=True)


class PartOfD(Part):
    """The same of a discriminator."""

    name = ("discriminator", "target")


def _logits(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output[-1]


EVERYBODY: dict[str, type[Contender]] = {
    "ours": Ours,
    "textbook": Textbook,
    "careful": Careful,
    "G": Part,
    "D": PartOfD,
}


def contenders(words: list[str], identity: float, half: bool = False) -> dict[str, Contender]:
    """Build everybody on networks and a batch of their own."""
    return {name: kind(*default_networks(words), identity, half) for name, kind in EVERYBODY.items()}


def counted(everybody: Mapping[str, Contender]) -> dict[str, tuple[float, float]]:
    """Return (F_G, F_D) of each: the operations in a step, in forward passes of its own networks."""
    found = {}
    for name in ("ours", "textbook", "careful"):
        who = everybody[name]
        g, d = (_one(who, player) for player in ("generator", "discriminator"))
        passes = 3.0 * _calls(who)["generator"]
        found[name] = (passes, (flops(who.step) - passes * g) / d)
    return found


def _one(who: Contender, player: str) -> int:
    """Return the operations of one forward pass of a network of this player."""
    network = next(iter(getattr(who, player).values()))
    return flops(lambda: network(who.batch["image"]))


def _calls(who: Contender) -> dict[str, int]:
    """Count the forward passes of a step by hooks."""
    calls = dict.fromkeys(("generator", "discriminator"), 0)

    def called(player: str) -> Callable[..., None]:
        return lambda *_: calls.update({player: calls[player] + 1})

    hooks = [net.register_forward_hook(called(p)) for p in calls for net in getattr(who, p).values()]
    who.step()
    for hook in hooks:
        hook.remove()
    return calls


def predicted(found: Mapping[str, list[float]], f_g: float, f_d: float) -> str:
    """Return `1.02 (1.00 to 1.04)`: our step over f_g · F_G + f_d · F_D in the same round."""
    said = [f_g * g / 3 + f_d * d / 3 for g, d in zip(found["G"], found["D"], strict=True)]
    return ratios({"ours": found["ours"], "said": said}, "ours", "said")


def measure(words: list[str], rounds: int) -> str:
    """Return the table: with and without the identity loss, in float32 and bfloat16."""
    rows = []
    for identity in (0.0, 0.5):
        for half in (False, True):
            everybody = contenders(words, identity, half)
            counts = counted(everybody)
            found = times(everybody, rounds, 2)
            f_g, f_d = 18.0 if identity else 12.0, 14.0
            share = statistics.median(d / g for g, d in zip(found["G"], found["D"], strict=True))
            rows.append(
                (
                    f"{'with' if identity else 'no'} identity, {'bfloat16' if half else 'float32'}",
                    *(f"{g:.0f} F_G + {d:.1f} F_D" for g, d in counts.values()),
                    f"{share:.2f}",
                    ratios(found, "ours", "textbook"),
                    ratios(found, "ours", "careful"),
                    f"{(f_g + f_d * share) / (f_g + 18 * share):.2f}",
                    predicted(found, f_g, f_d),
                )
            )
    head = (
        "step",
        "ours",
        "textbook",
        "D frozen in G's step",
        "F_D / F_G",
        "ours / textbook",
        "ours / D frozen",
        "textbook by the count",
        "ours / its count",
    )
    text = (
        "Four networks of task=translation model=cyclegan, the same batch, losses, precision and fused Adam. "
        "Textbook: one backward pass of the summed losses for each player, G first; the weights of D get "
        "gradients in G's step that are thrown away (18 F_D). In the authors' code they are frozen then "
        "(16 F_D). Ours: one pass of each D over its batches serves both players (14 F_D). F_G and F_D are a "
        "third of one forward and backward pass of a network alone, timed in the same rounds; the counts are "
        "of operations, and a first layer needs no gradient at the data. One process, with the allocator "
        "that `train` is started with. Median and quartiles over rounds."
    )
    return f"{text}\n\n{table(head, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python benchmarks/cyclegan.py --quick data.size=32"
    )
    parser.add_argument("--quick", action="store_true", help="two rounds: does it run?")
    parser.add_argument("words", nargs="*", help="keys of the run, such as data.size=64")
    given = parser.parse_args()
    if more := allocator.environment():  # as `train` starts itself
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **more})
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    text = measure(given.words, 2 if given.quick else 9)
    write("Step: CycleGAN", text, ("torch", "monai"), keep=not given.quick and not given.words)


if __name__ == "__main__":
    main()
