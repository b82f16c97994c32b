"""Methods of anomaly detection: how healthy images are learned, and how an image is scored."""

from __future__ import annotations

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
from ganatomy.tasks.anomaly.base import Maps, Method, Players
from ganatomy.tasks.phases import Best, Phase


class Denoising(Method):
    """Learn to remove coarse noise; what is removed from a clean image is anomalous.

    Kascenas et al., MIDL 2022. The score is that of the map.

    Args:
        sigma: Deviation of the noise, in the units of the network's input.
        cells: Cells of the noise's grid along each side.
    """

    plain_answer = True

    def __init__(self, sigma: float = 0.2, cells: int = 16) -> None:
        if sigma <= 0:
            raise UserError(f"sigma: {sigma} must be above 0")
        if cells < 2:
            raise UserError(f"cells: {cells} must be 2 or more")
        self.sigma, self.cells = sigma, cells

    def generate(self, batch: Batch) -> Tensor:
        x = batch["image"]
        noise = self.sigma * normal(x, (x.shape[1], *coarse(x.shape[2:], self.cells)))
        made: Tensor = self.players.generator(coarse_noise(x, noise))
        return made

    def task_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        return {"mse": F.mse_loss(output.float(), batch["image"])}

    def score_images(self, x: Tensor, maps: Maps) -> tuple[Tensor, Tensor]:
        made = self.players.evaluator(x).float()
        return made, highest(maps(x - made))


class GanomalyTraining(Method):
    """GANomaly: encode, decode, encode again; the score is the distance between the two codes.

    Akcay et al., arXiv 1805.06725, eqs. 2, 3 and 5. `contextual` and `latent` are weights of losses.
    """

    def __init__(self, contextual: float = 50.0, latent: float = 1.0) -> None:
        self.contextual, self.latent = contextual, latent

    def discriminator_inputs(self, batch: Batch, output: Any) -> tuple[Tensor, Tensor]:
        return batch["image"], output[0]

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        made, code, again = (part.float() for part in output)
        contextual, latent = F.l1_loss(made, batch["image"]), F.mse_loss(again, code)
        return {"contextual": self.contextual * contextual, "latent": self.latent * latent}

    def score_images(self, x: Tensor, maps: Maps) -> tuple[Tensor, Tensor]:
        made, code, again = (part.float() for part in self.players.evaluator(x))
        return made, (code - again).abs().mean(1)


class FAnoGanTraining(Method):
    """f-AnoGAN: train a GAN, freeze both players at their best, then train an encoder (izi_f).

    Schlegl et al., Medical Image Analysis 54 (2019) 30, eqs. 2 and 3. The loss of the second phase is also
    the score of an image: mean (x - G(E(x)))² + kappa · mean (f(x) - f(G(E(x))))², f the last features of D.

    Args:
        steps: Batches of the whole run.
        share: Fraction of them for the first phase. Each phase has at least one.
        kappa: Weight of the features.

    Raises:
        UserError: A value is out of range.
    """

    searches = True
    scores_by_discriminator = True
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
            raise UserError("model.discriminator: null, but fanogan needs a discriminator; choose one")
        for part in ("encoder", "decoder", "latent"):
            if not hasattr(players.generator, part):
                name = type(players.generator).__name__
                raise UserError(f"model.generator: {name} has no {part}, which fanogan needs; choose another")
        if "encoder" not in players.optimizers:
            raise UserError("model.optimizer.encoder: missing; fanogan trains an encoder in its second phase")
        self.players = players
        second = Game(self, players.generator.encoder, None, None)  # type: ignore[arg-type]
        return [
            Phase(NoisePhase(players), players.game, dict(players.stepping_optimizer), self.first, True),
            Phase(self, second, {"generator": "encoder"}, begin=self._begin),
        ]

    def _begin(self, best: Best, step: int) -> None:
        """Load the best players of the first phase; keep the present ones if it had no validation."""
        players: Any = self.players
        if isnan(best.score):
            best.offer(inf, step, **self.modules_to_keep())
        best.hand_on(decoder=players.generator.decoder, discriminator=players.discriminator)
        best.hand_on(decoder=players.evaluator.decoder)

    def modules_to_keep(self) -> dict[str, nn.Module]:
        players: Any = self.players
        return {"decoder": players.evaluator.decoder, "discriminator": players.discriminator}

    def trainable(self, player: str) -> nn.Module:
        network: Any = self.players.generator
        parts: dict[str, nn.Module] = {"generator": network.decoder, "encoder": network.encoder}
        return parts.get(player) or super().trainable(player)

    def search_scores(self, x: Tensor, steps: int) -> Tensor:
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
        image, features = F.mse_loss(output.float(), x), self._feature_distance(x, output).mean()
        return {"image": image, "features": self.kappa * features}

    def score_images(self, x: Tensor, maps: Maps) -> tuple[Tensor, Tensor]:
        made = self.players.evaluator(x).float()
        return made, (x - made).square().flatten(1).mean(1) + self.kappa * self._feature_distance(x, made)

    def _feature_distance(self, x: Tensor, made: Tensor) -> Tensor:
        """Return the mean squared difference of D's features, [B]."""
        with torch.no_grad():
            real = features(self.players.discriminator, x)
        return (real.float() - features(self.players.discriminator, made).float()).square().flatten(1).mean(1)


class NoisePhase:
    """Rules of the first phase of f-AnoGAN: images from noise."""

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
    """Return the last features of D."""
    assert discriminator is not None
    found = read_output(discriminator.eval()(x)).features[-1]
    if not found:
        raise UserError("model.discriminator: returns no features, which fanogan compares; choose another")
    return found[-1]
