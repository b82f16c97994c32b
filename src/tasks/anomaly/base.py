"""Base of the methods of anomaly detection, and the players that they get from the task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ganatomy.adversarial import Game
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.phases import Phase

NO_METHOD = "this model defines no anomaly score; choose model=fanogan, ganomaly or autoencoder"
Maps = Callable[[Tensor], Tensor]
"""Differences [B, C, *spatial] to anomaly maps [B, *spatial]."""


@dataclass(frozen=True)
class Players:
    """Networks and game that a method trains and scores with.

    Attributes:
        generator: Generator that is trained.
        discriminator: Discriminator; None in supervised training.
        evaluator: Generator that is scored: the averaged one if the run averages.
        game: Game of the task as it was configured.
        stepping_optimizer: Optimiser that steps for each player of the game.
        optimizers: Names of the configured optimisers.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    evaluator: nn.Module
    game: Game
    stepping_optimizer: Mapping[str, str]
    optimizers: Collection[str]


class Method:
    """Rules of the game, and the score of an image. `phases` sets the players.

    Attributes:
        further_players: Optimisers besides those of the generator and the discriminator.
        searches: True if there is a slower search for the scores of the same images.
        plain_answer: True if the generator answers an image with one tensor of its sides.
        scores_by_discriminator: True if scores need the discriminator's weights too.
    """

    players: Players
    further_players: tuple[str, ...] = ()
    searches = False
    plain_answer = False
    scores_by_discriminator = False

    def phases(self, players: Players) -> list[Phase]:
        """Return the phases of the run, in order, and remember the players."""
        self.players = players
        return [Phase(self, players.game, dict(players.stepping_optimizer))]

    def modules_to_keep(self) -> dict[str, nn.Module]:
        """Return the modules whose best state a phase hands on to the next; none with one phase."""
        return {}

    def trainable(self, player: str) -> nn.Module:
        """Return the module that the optimiser of this name trains."""
        found: nn.Module = getattr(self.players, player)
        return found

    def search_scores(self, x: Tensor, steps: int) -> Tensor:
        """Return the scores [B] of the slower search."""
        raise NotImplementedError

    def generate(self, batch: Batch) -> Any:
        return self.players.generator(batch["image"])

    def discriminator_inputs(self, batch: Batch, output: Any) -> tuple[Tensor, Tensor]:
        return batch["image"], output

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        raise NotImplementedError

    def score_images(self, x: Tensor, maps: Maps) -> tuple[Tensor, Tensor]:
        """Return reconstructions [B, C, *spatial] and scores [B] of images; `maps` maps their difference."""
        raise NotImplementedError


def check_settings(smooth: float, quantile: float, search_images: int, counts: dict[str, int]) -> None:
    """Raise UserError for settings of the task that are out of range.

    Args:
        smooth: Deviation of the Gaussian over maps, in pixels.
        quantile: Quantile of healthy pixels, in (0, 1).
        search_images: Images of AnoGAN's search; 0, or 2 and more.
        counts: Numbers that must be 1 or more, by key.
    """
    if smooth < 0:
        raise UserError(f"task.smooth: {smooth} must not be negative")
    if not 0 < quantile < 1:
        raise UserError(f"task.quantile: {quantile} is outside (0, 1)")
    for key, value in counts.items():
        if value < 1:
            raise UserError(f"task.{key}: {value} must be 1 or more")
    if search_images < 0 or search_images == 1:
        raise UserError(f"task.search_images: {search_images}; give 0 for no search, or 2 images or more")
