"""How the healthy are learned, and how unlike them an image is: one class a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf, isnan
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.adversarial import Game, read_output
from ganatomy.adversarial.distributed.random import normal
from ganatomy.baselines.anomaly import coarse, coarse_noise
from ganatomy.baselines.latent_search import search
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.anomaly.anomaly_map import highest
from ganatomy.tasks.phases import Best, Phase

Maps = Callable[[Tensor], Tensor]
"""Differences [B, C, *spatial] to anomaly maps [B, *spatial]."""


@dataclass(frozen=True)
class Players:
    """What a method trains and scores with.

    evaluator: the generator that is scored, averaged where the run averages. game, stepping_optimizer: of the
    task as it was configured. optimizers: names of those that the configuration has.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    evaluator: nn.Module
    game: Game
    stepping_optimizer: Mapping[str, str]
    optimizers: Collection[str]


class Method:
    """The rules of the game, and the score of an image; `phases` gives it its players."""

    players: Players
    further_players: tuple[str, ...] = ()
    """Optimisers beside those of the generator and the discriminator."""
    searches = False
    """Whether there is a slower way to judge the same images."""
    plain_answer = False
    """Whether the generator answers an image with one tensor of its sides."""

    def phases(self, players: Players) -> list[Phase]:
        """Return the phases of the run, in order, and remember the players."""
        self.players = players
        return [Phase(self, players.game, dict(players.stepping_optimizer))]

    def worth_keeping(self) -> dict[str, nn.Module]:
        """What the best of a phase hands on to the next; nothing in a run of one phase."""
        return {}

    def trainable(self, player: str) -> nn.Module:
        """What the optimiser of this name moves."""
        found: nn.Module = getattr(self.players, player)
        return found

    def searched(self, x: Tensor, steps: int) -> Tensor:
        """Scores [B] of the slower way."""
        raise NotImplementedError

    def generate(self, batch: Batch) -> Any:
        return self.players.generator(batch["image"])

    def discriminator_inputs(self, batch: Batch, output: Any) -> tuple[Tensor, Tensor]:
        return batch["image"], output

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        raise NotImplementedError

    def judge(self, x: Tensor, maps: Maps) -> tuple[Tensor, Tensor]:
        """(what the model makes of images [B, C, *spatial], their scores [B]); `maps` of a difference."""
        raise NotImplementedError


class Denoising(Method):
    """Learns to take away coarse noise; a lesion is what is taken away from a clean image.

    Kascenas et al., MIDL 2022. sigma: of the noise, in the units that the network sees; cells: of its grid
    along each side. The score is that of the map.
    """

    plain_answer = True

    def __init__(self, sigma: float = 0.2, cells: int = 16) -> None:
        if sigma <= 0 or cells < 2:
            raise UserError(f"sigma, cells: {sigma}, {cells}; give noise above 0 on 2 cells or more")
        self.sigma, self.cells = sigma, cells

    def generate(self, batch: Batch) -> Tensor:
        x = batch["image"]
        noise = self.sigma * normal(x, (x.shape[1], *coarse(x.shape[2:], self.cells)))
        made: Tensor = self.players.generator(coarse_noise(x, noise))
        return made

    def task_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        return {"mse": F.mse_loss(output.float(), batch["image"])}

    def judge(self, x: Tensor, maps: Maps) -> tuple[Tensor, Tensor]:
        made = self.players.evaluator(x).float()
        return made, highest(maps(x - made))


class GanomalyTraining(Method):
    """Image to code to image to code; the score is how far the two codes lie apart.

    Akcay et al., arXiv 1805.06725, eqs. 2, 3 and 5. contextual, latent: weights of the losses beside feature
    matching.
    """

    def __init__(self, contextual: float = 50.0, latent: float = 1.0) -> None:
        self.contextual, self.latent = contextual, latent

    def discriminator_inputs(self, batch: Batch, output: Any) -> tuple[Tensor, Tensor]:
        return batch["image"], output[0]

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        made, code, again = (part.float() for part in output)
        contextual, latent = F.l1_loss(made, batch["image"]), F.mse_loss(again, code)
        return {"contextual": self.contextual * contextual, "latent": self.latent * latent}

    def judge(self, x: Tensor, maps: Maps) -> tuple[Tensor, Tensor]:
        made, code, again = (part.float() for part in self.players.evaluator(x))
        return made, (code - again).abs().mean(1)


class FAnoGanTraining(Method):
    """First a GAN; then, with both players frozen as they were at their best, an encoder: izi_f.

    Schlegl et al., Medical Image Analysis 54 (2019) 30, eqs. 2 and 3. The loss of the second phase and the
    score of an image are one: mean (x - G(E(x)))² + kappa · mean (f(x) - f(G(E(x))))², f the last features
    of D.

    steps: batches of the whole run; share: of them, the first phase's. Each phase has one at least.
    """

    searches = True
    further_players = ("encoder",)

    def __init__(self, steps: int, share: float = 0.6667, kappa: float = 1.0) -> None:
        if steps < 2:
            raise UserError(f"trainer.max_steps: {steps}; two phases take at least two")
        if not 0 < share < 1:
            raise UserError(f"share: {share} is outside (0, 1)")
        if kappa < 0:
            raise UserError(f"kappa: {kappa} must not be negative")
        self.first, self.kappa = min(max(1, round(share * steps)), steps - 1), kappa

    def phases(self, players: Players) -> list[Phase]:
        if players.discriminator is None:
            raise UserError("model.discriminator: null leaves fanogan without a teacher; choose one")
        for part in ("encoder", "decoder", "latent"):
            if not hasattr(players.generator, part):
                name = type(players.generator).__name__
                raise UserError(f"model.generator: {name} has no {part}, which fanogan asks for")
        if "encoder" not in players.optimizers:
            raise UserError("model.optimizer.encoder: is missing; fanogan trains one in its second phase")
        self.players = players
        second = Game(self, players.generator.encoder, None, None)  # type: ignore[arg-type]
        return [
            Phase(NoisePhase(players), players.game, dict(players.stepping_optimizer), self.first),
            Phase(self, second, {"generator": "encoder"}, begin=self._begin),
        ]

    def _begin(self, best: Best, step: int) -> None:
        """Both players as they were at the best of the first phase, or are now where it had no validation."""
        players: Any = self.players
        if isnan(best.score):
            best.offer(inf, step, **self.worth_keeping())
        best.hand_on(decoder=players.generator.decoder, discriminator=players.discriminator)
        best.hand_on(decoder=players.evaluator.decoder)

    def worth_keeping(self) -> dict[str, nn.Module]:
        players: Any = self.players
        return {"decoder": players.evaluator.decoder, "discriminator": players.discriminator}

    def trainable(self, player: str) -> nn.Module:
        network: Any = self.players.generator
        parts: dict[str, nn.Module] = {"generator": network.decoder, "encoder": network.encoder}
        return parts.get(player) or super().trainable(player)

    def searched(self, x: Tensor, steps: int) -> Tensor:
        network: Any = self.players.evaluator
        return search(
            network.decoder, partial(features, self.players.discriminator), network.latent, x, steps
        )

    def generate(self, batch: Batch) -> Tensor:
        network: Any = self.players.generator
        made: Tensor = network.decoder.eval()(network.encoder(batch["image"]))
        return made

    def task_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        x = batch["image"]
        image, features = F.mse_loss(output.float(), x), self._apart(x, output).mean()
        return {"image": image, "features": self.kappa * features}

    def judge(self, x: Tensor, maps: Maps) -> tuple[Tensor, Tensor]:
        made = self.players.evaluator(x).float()
        return made, (x - made).square().flatten(1).mean(1) + self.kappa * self._apart(x, made)

    def _apart(self, x: Tensor, made: Tensor) -> Tensor:
        """[B]: mean squared difference of D's features."""
        with torch.no_grad():
            real = features(self.players.discriminator, x)
        return (real.float() - features(self.players.discriminator, made).float()).square().flatten(1).mean(1)


class NoisePhase:
    """The first phase of f-AnoGAN: images from noise."""

    def __init__(self, players: Players) -> None:
        self.players = players

    def generate(self, batch: Batch) -> Tensor:
        network: Any = self.players.generator
        images: Tensor = network.decoder(normal(batch["image"], (network.latent,)))
        return images

    def discriminator_inputs(self, batch: Batch, output: Tensor) -> tuple[Tensor, Tensor]:
        return batch["image"], output

    def task_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        return {}


def features(discriminator: nn.Module | None, x: Tensor) -> Tensor:
    """What D sees just before its verdict."""
    assert discriminator is not None
    found = read_output(discriminator.eval()(x)).features[-1]
    if not found:
        raise UserError("model.discriminator: returns no features; fanogan compares them")
    return found[-1]
