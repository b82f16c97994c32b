"""Players and the steps of all contenders on any device, for gpu.py."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from monai.networks.nets import PatchDiscriminator, UNet
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.utils.data import DataLoader, Dataset

from benchmarks._player_rules import WEIGHT, Rules, d_loss
from ganatomy.adversarial import AUGMENTS, LOSSES, PENALTIES, Game, plan
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.adversarial.updates.orders import Update

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
Steps = Callable[[int], None]


@dataclass
class Setting:
    """A U-Net and a patch discriminator on one batch that stays on the device; L1 and the hinge loss."""

    device: str
    size: int = 64
    batch: int = 8
    dims: int = 2
    precision: str = "fp32"
    channels_last: bool = False
    r1_every: int = 0
    channels: tuple[int, ...] = (32, 64, 128, 256)
    capturable: bool = False
    augment: bool = False

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        image = torch.randn(self.batch, 1, *[self.size] * self.dims)
        strides = (2,) * (len(self.channels) - 1)
        generator = UNet(self.dims, 1, 1, self.channels, strides, num_res_units=2, norm="INSTANCE")
        width = 2 * self.channels[0]
        discriminator = PatchDiscriminator(self.dims, width, 1, num_layers_d=2, norm="INSTANCE")
        self.image = self._placed(image.to(self.device))
        self.generator: nn.Module = self._laid_out(generator)
        self.discriminator: nn.Module = self._laid_out(discriminator)
        more = {"fused": True, "capturable": self.capturable and self.device == "cuda"}
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.99), **more)
            for name, network in (("generator", self.generator), ("discriminator", self.discriminator))
        }

    def _laid_out(self, network: nn.Module) -> nn.Module:
        for parameter in network.to(self.device).parameters():
            parameter.data = self._placed(parameter.data)
        return network

    def _placed(self, x: Tensor) -> Tensor:
        last = self.channels_last and x.dim() in LAYOUTS
        return x.contiguous(memory_format=LAYOUTS[x.dim()]) if last else x

    @contextmanager
    def numerics(self) -> Iterator[None]:
        """Compute in this precision inside; fp32 is float32 in convolutions too."""
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self.precision != "fp32"
        half = HALVES.get(self.precision)
        with torch.autocast(self.device, half or torch.bfloat16, enabled=half is not None):
            yield

    def logits_of(self, x: Tensor) -> Tensor:
        return self.discriminator(x)[-1]  # type: ignore[no-any-return]

    def generator_loss(self, fake: Tensor) -> Tensor:
        return l1_loss(fake, self.image) - WEIGHT * self.logits_of(fake).mean()

    def discriminator_loss(self, fake: Tensor) -> Tensor:
        return d_loss(self.logits_of(self.image), self.logits_of(fake.detach()))

    def game(self) -> tuple[Game, Update]:
        penalties = [PENALTIES["r1"](gamma=0.1, every=self.r1_every)] if self.r1_every else []
        game = Game(
            Rules(self.generator),
            self.generator,
            self.discriminator,
            LOSSES["hinge"](),
            Fixed(WEIGHT),
            penalties=penalties,
            augment=AUGMENTS["diffaugment"]() if self.augment else None,
        )
        return game, plan(game, "shared").update

    def stepper(self, player: str) -> None:
        self.optimisers[player].step()
        self.optimisers[player].zero_grad()


def ours(setting: Setting) -> Steps:
    """GANatomy's shared update in a bare loop."""
    game, update = setting.game()

    def steps(count: int) -> None:
        for step in range(count):
            with setting.numerics():
                update(game, setting.image, step, setting.stepper)

    return steps


def loop(setting: Setting, careful: bool) -> Steps:
    """Train in a plain loop: a tutorial's, G twice; or a careful one, G once and D frozen in G's part."""

    def steps(count: int) -> None:
        for _ in range(count):
            with setting.numerics():
                fake = setting.generator(setting.image)
                loss = setting.discriminator_loss(fake)
            setting.optimisers["discriminator"].zero_grad()
            loss.backward()
            setting.optimisers["discriminator"].step()
            setting.discriminator.requires_grad_(not careful)
            with setting.numerics():
                loss = setting.generator_loss(fake if careful else setting.generator(setting.image))
            setting.optimisers["generator"].zero_grad()
            loss.backward()
            setting.optimisers["generator"].step()
            setting.discriminator.requires_grad_(True)

    return steps


class Repeated(Dataset[dict[str, Tensor]]):
    """The batch on the device over and over: no contender pays for loading."""

    def __init__(self, image: Tensor, count: int) -> None:
        self.image, self.count = image, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"image": self.image, "label": self.image}


def monai_trainer(setting: Setting, kind: str) -> Steps:
    """MONAI's GanTrainer or AdversarialTrainer, under autocast in half precision."""
    from monai import engines

    g, d, optimisers = setting.generator, setting.discriminator, setting.optimisers

    def gan_trainer(loader: DataLoader[Any]) -> Any:
        return engines.GanTrainer(
            torch.device(setting.device), 1, loader, g, optimisers["generator"], setting.generator_loss,
            d, optimisers["discriminator"], lambda fake, real: setting.discriminator_loss(fake),
            d_prepare_batch=lambda batch, *args, **kwargs: batch["image"],
            g_prepare_batch=lambda *args, **kwargs: setting.image,
            decollate=False,
        )  # fmt: skip

    def adversarial_trainer(loader: DataLoader[Any]) -> Any:
        return engines.AdversarialTrainer(
            torch.device(setting.device), 1, loader, g, optimisers["generator"],
            lambda logits: -WEIGHT * logits[-1].mean(), nn.L1Loss(), d, optimisers["discriminator"],
            lambda real, fake: d_loss(real[-1], fake[-1]),
            decollate=False,
        )  # fmt: skip

    make = {"GanTrainer": gan_trainer, "AdversarialTrainer": adversarial_trainer}[kind]

    def steps(count: int) -> None:
        engine = make(DataLoader(Repeated(setting.image, count), batch_size=None))
        engine.logger.setLevel(logging.ERROR)
        with setting.numerics():
            engine.run()

    return steps


EVERYBODY: dict[str, Callable[[Setting], Steps]] = {
    "ours": ours,
    "careful loop": lambda setting: loop(setting, careful=True),
    "textbook loop": lambda setting: loop(setting, careful=False),
    "GanTrainer": lambda setting: monai_trainer(setting, "GanTrainer"),
    "AdversarialTrainer": lambda setting: monai_trainer(setting, "AdversarialTrainer"),
}


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(steps: Steps, count: int, device: str) -> float:
    """Return the seconds of a step: by the clock where a GPU computes, else of the processor."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    wait(device)
    begun = clock()
    steps(count)
    wait(device)
    return (clock() - begun) / count


def in_turn(steps: dict[str, Steps], rounds: int, count: int, device: str) -> dict[str, list[float]]:
    """Time everybody once a round, in an order that turns; after three steps of each to warm up."""
    for step in steps.values():
        step(min(3, count))
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        names = list(steps)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(seconds(steps[name], count, device))
    return found


def ratio(other: Sequence[float], base: Sequence[float]) -> str:
    """`1.32 (1.30 to 1.35)`: median and quartiles of the ratios of the rounds."""
    low, middle, high = statistics.quantiles(
        [a / b for a, b in zip(other, base, strict=True)], n=4, method="inclusive"
    )
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
