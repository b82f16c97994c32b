"""The game inside Lightning: one update a batch, each player's optimiser, what is logged and what is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganatomy.adversarial import (
    UPDATES,
    Ema,
    Game,
    GradientAverage,
    GradientMonitor,
    NotFinite,
    Rows,
    Rules,
    Update,
)
from ganatomy.adversarial.distributed.collectives import all_sum, processes
from ganatomy.data.records import Batch
from ganatomy.tasks.recipe import PLAYERS, Recipe

SMALLEST_SCALE = 1e-3
"""Of fp16's losses: further down, every step overflows and nothing is learned."""


class GanModule(pl.LightningModule):
    """A generator and, unless it is None, a discriminator, trained by one adversarial update per batch.

    With the discriminator None this is plain supervised training through the same code.

    Attributes:
        players: Names of the optimisers, in the order of `configure_optimizers`.
        game: Players, losses and penalties that are trained now.
        update: Callable that turns one batch into one step of each player.
        stepping_optimizer: For each player of `game`, the name of the optimiser that steps.
        batches_done: Batches trained so far; equals Lightning's `global_step`.
        latest: Training numbers since the last line of the log.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe = recipe
        self.generator = recipe.generator
        self.discriminator = recipe.discriminator
        half_life, burn_in = recipe.ema_half_life, recipe.ema_burn_in
        self.average = Ema(recipe.generator, half_life, burn_in=burn_in) if half_life else None
        self.players: tuple[str, ...] = PLAYERS if self.discriminator is not None else PLAYERS[:1]
        game = Game(cast(Rules, self), self.generator, self.discriminator, **recipe.game)
        self.begin_game(game, {player: player for player in self.players}, UPDATES["shared"]())
        self.penalties, self.augment = self.game.state()  # what they remember belongs in the checkpoint
        self.reduce = GradientAverage()
        self._last_log_time = time.perf_counter()
        self.batches_done = 0
        self.latest: dict[str, Tensor] = {}

    @property
    def evaluator(self) -> nn.Module:
        """The generator that is judged: the averaged one where there is one."""
        return self.average.module if self.average is not None else self.generator

    def begin_game(self, game: Game, stepping_optimizer: dict[str, str], update: Update) -> None:
        """Play this game from the next batch on.

        Args:
            game: The players, what each sees and what each is after.
            stepping_optimizer: For each player of the game, the name of the optimiser that steps. The last
                player must be one that steps in every batch.
            update: What is done with one batch.
        """
        self.game, self.stepping_optimizer, self.update = game, stepping_optimizer, update
        self.watch = GradientMonitor(game)

    def training_step(self, batch: Batch, index: int) -> None:
        torch.manual_seed(seed_of(self.recipe.seed, self.batches_done))
        self._batch = batch
        rows = self._rows()
        self.latest |= self.update(self.game, batch, self.batches_done, self._step, self._scale, rows)
        for scheduler in self._schedulers:
            scheduler.step()
        if self._scaler is not None:
            self._scaler.update()
        self.batches_done += 1
        if self.average is not None:
            total = len(batch["image"]) if rows is None else sum(piece.total for piece in rows)
            self.average.update(total)
        if self.batches_done % self.recipe.log_every == 0:
            self.check_finite()
            self.record(self._means() | self._times())
            self.latest = {}

    def _rows(self) -> list[Rows] | None:
        """What this process has of each piece of the global batch; None where it has it all."""
        if processes() == 1:
            return None
        shares = self.trainer.datamodule.shares  # type: ignore[attr-defined]
        return [Rows(own.start - piece.start, len(own), len(piece)) for piece, own in shares]

    def _means(self) -> dict[str, float]:
        """The latest numbers, of the global batch."""
        if not self.latest:
            return {}
        values = torch.stack([value.to(self.device).float() for value in self.latest.values()])
        means = all_sum(values) / processes()
        return dict(zip(self.latest, means.tolist(), strict=True))

    def _times(self) -> dict[str, float]:
        """Shares of the time: of waiting for data, and, since the last line, of averaging gradients."""
        times = {"time/waiting": getattr(self.trainer.train_dataloader, "wait_share", 0.0)}
        now = time.perf_counter()
        if self.reduce.calls:
            times["time/reducing"] = self.reduce.seconds() / (now - self._last_log_time)
        self._last_log_time = now
        return times

    def on_train_start(self) -> None:
        self._last_log_time = time.perf_counter()

    def _step(self, player: str) -> None:
        """One optimiser step of a player whose gradients are complete.

        Lightning counts a global step at each step of a wrapped optimiser. So that `global_step` equals the
        number of batches, only the player that moves in every batch steps through its wrapper.
        """
        self._moving = player
        optimizers = dict(zip(self.players, self._optimizers(), strict=True))
        wrapped: Any = optimizers[self.stepping_optimizer[player]]
        self.reduce(p for group in wrapped.optimizer.param_groups for p in group["params"])
        if player == list(self.stepping_optimizer)[-1]:
            wrapped.step(closure=lambda: None)
        else:
            self.trainer.strategy.optimizer_step(wrapped.optimizer, closure=lambda: None)
        wrapped.optimizer.zero_grad(set_to_none=True)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Watch and clip the gradients of the player that is about to step; fp16's are unscaled by now."""
        parameters = self.game.parameters(self._moving)
        if self._scaler is None:
            norm = self.watch.look(self._moving, self.batches_done, self._batch)
        else:  # overflows are expected, and skipped by the scaler
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        limit = self.recipe.clip.get(self._moving)
        if limit:
            nn.utils.clip_grads_with_norm_(parameters, limit, norm)

    def check_finite(self) -> None:
        """Raise `NotFinite` for a bad gradient since the last check; the host waits for the device."""
        self.watch.check()
        if self._scaler is not None and self._scaler.get_scale() < SMALLEST_SCALE:
            raise NotFinite(
                f"step {self.batches_done}: every step overflows in 16-mixed; use "
                "trainer.precision=bf16-mixed or 32-true, lower the learning rate or check the data"
            )

    def _scale(self, loss: Tensor) -> Tensor:
        """fp16's loss scale; the loss itself in any other precision."""
        return cast(Tensor, self._scaler.scale(loss)) if self._scaler is not None else loss

    @property
    def _scaler(self) -> Any:
        return getattr(self.trainer.precision_plugin, "scaler", None)

    def _optimizers(self) -> list[Any]:
        found = self.optimizers()
        return found if isinstance(found, list) else [found]

    def trainable(self, player: str) -> nn.Module:
        """What the optimiser of this name moves."""
        return cast(nn.Module, getattr(self, player))

    def configure_optimizers(self) -> Any:
        """Schedules count batches, also those in which their player rests."""
        optimizers = [self.recipe.optimizers[p](self.trainable(p).parameters()) for p in self.players]
        makers = [self.recipe.schedulers.get(player) for player in self.players]
        pairs = zip(makers, optimizers, strict=True)
        self._schedulers = [make(optimizer) for make, optimizer in pairs if make is not None]
        return optimizers, self._schedulers

    def record(self, values: Mapping[str, float]) -> None:
        """Write one line to every logger, at the number of batches done."""
        for logger in self.trainer.loggers:
            logger.log_metrics(dict(values), step=self.batches_done)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint is written between two batches: one that is only fetched counts as not begun."""
        self.check_finite()
        checkpoint["batches_done"] = self.batches_done
        checkpoint["latest"] = self._means()
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for counts in (progress["total"], progress["current"]):
            counts |= dict.fromkeys(("ready", "started", "processed"), counts["completed"])

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.batches_done = checkpoint["batches_done"]
        self.latest = {name: torch.tensor(value) for name, value in checkpoint["latest"].items()}


def seed_of(*numbers: int) -> int:
    """A 32-bit seed that depends on all the numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
