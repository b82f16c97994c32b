"""Networks, data and losses that all timed trainers share, and the step of each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from monai.networks.nets import PatchDiscriminator, UNet
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.utils.data import DataLoader, Dataset

from benchmarks._player_rules import WEIGHT, Rules, d_loss
from ganatomy.adversarial import LOSSES, Game, plan
from ganatomy.adversarial.losses.weighting import Fixed
from ganatomy.networks.quick_layers import with_quick_layers
from ganatomy.training.build import laid_out


@dataclass
class Setting:
    """A U-Net of `depth` halvings and a patch discriminator on images of size x size; L1 and the hinge loss.

    The target is the input itself: AdversarialTrainer knows no other.

    Args:
        size: Sides of the images.
        batch: Images of a batch.
        depth: Halvings of the U-Net.
        bf16: Compute in bfloat16, the networks' losses too.
        fused: Adam in one kernel for each player.
        last: Players with channels innermost in memory.
    """

    size: int = 64
    batch: int = 8
    depth: int = 3
    bf16: bool = False
    fused: bool = True
    last: tuple[str, ...] = ()
    image: Tensor = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.image = torch.randn(self.batch, 1, self.size, self.size)
        channels = tuple(32 * 2**level for level in range(self.depth + 1))
        self.generator: nn.Module = UNet(
            2, 1, 1, channels, (2,) * self.depth, num_res_units=2, norm="INSTANCE"
        )
        self.discriminator: nn.Module = PatchDiscriminator(2, 64, 1, num_layers_d=3, norm="INSTANCE")
        for player in self.last:
            laid_out(getattr(self, player), True)
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.99), fused=self.fused or None)
            for name, network in (("generator", self.generator), ("discriminator", self.discriminator))
        }

    def precision(self) -> Any:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)

    def logits_of(self, x: Tensor) -> Tensor:
        return self.discriminator(x)[-1]  # type: ignore[no-any-return]

    def generator_loss(self, fake: Tensor) -> Tensor:
        return l1_loss(fake, self.image) - WEIGHT * self.logits_of(fake).mean()

    def discriminator_loss(self, fake: Tensor) -> Tensor:
        return d_loss(self.logits_of(self.image), self.logits_of(fake.detach()))


Steps = Callable[[int], None]


def ours(setting: Setting, update: str = "shared") -> Steps:
    """GANatomy's update and layers in a bare loop."""
    rules = Rules(with_quick_layers(setting.generator))
    with_quick_layers(setting.discriminator)
    game = Game(rules, setting.generator, setting.discriminator, LOSSES["hinge"](), Fixed(WEIGHT))
    chosen = plan(game, update).update

    def stepper(player: str) -> None:
        setting.optimisers[player].step()
        setting.optimisers[player].zero_grad()

    def steps(count: int) -> None:
        for step in range(count):
            with setting.precision():
                chosen(game, setting.image, step, stepper)

    return steps


def textbook_loop(setting: Setting) -> Steps:
    """Train as a tutorial does: G twice, D's weight gradients computed in G's step and thrown away."""
    g, d = setting.optimisers["generator"], setting.optimisers["discriminator"]

    def steps(count: int) -> None:
        for _ in range(count):
            d.zero_grad()
            with setting.precision():
                loss = setting.discriminator_loss(setting.generator(setting.image))
            loss.backward()
            d.step()
            g.zero_grad()
            with setting.precision():
                loss = setting.generator_loss(setting.generator(setting.image))
            loss.backward()
            g.step()

    return steps


def careful_loop(setting: Setting) -> Steps:
    """Train as a careful author does: G once, D frozen in G's step."""
    g, d = setting.optimisers["generator"], setting.optimisers["discriminator"]

    def steps(count: int) -> None:
        for _ in range(count):
            with setting.precision():
                fake = setting.generator(setting.image)
                setting.discriminator.requires_grad_(False)
                loss = setting.generator_loss(fake)
            g.zero_grad()
            loss.backward()
            g.step()
            setting.discriminator.requires_grad_(True)
            d.zero_grad()
            with setting.precision():
                loss = setting.discriminator_loss(fake)
            loss.backward()
            d.step()

    return steps


class Repeated(Dataset[dict[str, Tensor]]):
    """The same batch over and over, item by item, as MONAI's trainers take it."""

    def __init__(self, image: Tensor, batches: int) -> None:
        self.image, self.batches = image, batches

    def __len__(self) -> int:
        return len(self.image) * self.batches

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        one = self.image[index % len(self.image)]
        return {"image": one, "label": one}


class InPrecision(nn.Module):
    """A network in the setting's precision: MONAI's trainers have no mixed precision on a CPU."""

    def __init__(self, network: nn.Module, setting: Setting) -> None:
        super().__init__()
        self.network, self.setting = network, setting

    def forward(self, x: Tensor) -> Any:
        with self.setting.precision():
            return self.network(x)


def gan_trainer(setting: Setting) -> Steps:
    """MONAI's GanTrainer."""
    from monai.engines import GanTrainer

    setting.generator = InPrecision(setting.generator, setting)
    setting.discriminator = InPrecision(setting.discriminator, setting)
    return _engine(
        setting,
        lambda loader: GanTrainer(
            "cpu",
            1,
            loader,
            setting.generator,
            setting.optimisers["generator"],
            setting.generator_loss,
            setting.discriminator,
            setting.optimisers["discriminator"],
            lambda fake, real: setting.discriminator_loss(fake),
            d_prepare_batch=lambda batch, *args, **kwargs: batch["image"],
            g_prepare_batch=lambda *args, **kwargs: setting.image,
            decollate=False,
        ),
    )


def adversarial_trainer(setting: Setting) -> Steps:
    """MONAI's AdversarialTrainer."""
    from monai.engines import AdversarialTrainer

    setting.generator = InPrecision(setting.generator, setting)
    setting.discriminator = InPrecision(setting.discriminator, setting)
    return _engine(
        setting,
        lambda loader: AdversarialTrainer(
            "cpu",
            1,
            loader,
            setting.generator,
            setting.optimisers["generator"],
            lambda logits: -WEIGHT * logits[-1].mean(),
            nn.L1Loss(),
            setting.discriminator,
            setting.optimisers["discriminator"],
            lambda real, fake: d_loss(real[-1], fake[-1]),
            decollate=False,
        ),
    )


def _engine(setting: Setting, make: Callable[[DataLoader[Any]], Any]) -> Steps:
    def steps(count: int) -> None:
        engine = make(DataLoader(Repeated(setting.image, count), batch_size=setting.batch))
        engine.logger.setLevel(logging.ERROR)
        engine.run()

    return steps


EVERYBODY: dict[str, Callable[[Setting], Steps]] = {
    "GanTrainer": gan_trainer,
    "AdversarialTrainer": adversarial_trainer,
    "textbook loop": textbook_loop,
    "careful loop": careful_loop,
    "shared": ours,
}
