"""The game inside Lightning: one update per batch, the optimisers, the log and the checkpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
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
    OverlappedAverage,
    Rows,
    Rules,
    Update,
)
from ganatomy.adversarial.distributed.collectives import all_sum, processes
from ganatomy.adversarial.distributed.global_layers import couples
from ganatomy.data.records import Batch
from ganatomy.tasks.recipe import PLAYERS, Recipe

SMALLEST_SCALE = 1e-3
"""Smallest usable loss scale of fp16: below it every step overflows and nothing is learned."""


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
        recorded: The last line of the log.
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
        self.penalties, self.augment = self.game.state()  # their buffers belong in the checkpoint
        self.history = self.game.remembered()
        size = recipe.bucket_mb * 1e6
        self.reduce = OverlappedAverage(size) if size else GradientAverage()
        self._last_log_time = time.perf_counter()
        self.batches_done = 0
        self.latest: dict[str, Tensor] = {}
        self.recorded: dict[str, float] = {}

    @property
    def evaluator(self) -> nn.Module:
        """Return the generator that is validated and tested: the averaged one if the run averages weights."""
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
        self.gradient_monitor = GradientMonitor(game)

    def training_step(self, batch: Batch, index: int) -> None:
        torch.manual_seed(seed_of(self.recipe.seed, self.batches_done))
        self._batch = batch
        rows = self._rows()
        steps = self._step, self._scale, rows, self._last_backward
        self.latest |= self.update(self.game, batch, self.batches_done, *steps)
        for scheduler in self._schedulers:
            scheduler.step()
        if self._scaler is not None:
            self._scaler.update()
        self.batches_done += 1
        if self.average is not None:
            total = len(batch["image"]) if rows is None else sum(part.total for part in rows)
            self.average.update(total)
        if self.batches_done % self.recipe.log_every == 0:
            self.check_finite()
            self.record(self._means() | self._times())
            self.latest = {}

    def _last_backward(self, player: str, simple: bool) -> AbstractContextManager[None]:
        """Average the gradients of a player while they are computed, if the run does so.

        Not before the end of the pass where layers sum over the processes in backward themselves.
        """
        if not isinstance(self.reduce, OverlappedAverage):
            return nullcontext()
        network = self.game.generator if player == "generator" else self.game.discriminator
        assert network is not None
        return self.reduce.last_backward(self.game.parameters(player), simple and not couples(network))

    def _rows(self) -> list[Rows] | None:
        """Return this process's rows of each micro-batch of the global batch; None for a single process."""
        if processes() == 1:
            return None
        parts = self.trainer.datamodule.shares  # type: ignore[attr-defined]
        return [Rows(local.start - whole.start, len(local), len(whole)) for whole, local in parts]

    def _means(self) -> dict[str, float]:
        """Return the latest numbers, averaged over processes: those of the global batch."""
        if not self.latest:
            return {}
        values = torch.stack([value.to(self.device).float() for value in self.latest.values()])
        means = all_sum(values) / processes()
        return dict(zip(self.latest, means.tolist(), strict=True))

    def _times(self) -> dict[str, float]:
        """Return the fractions of time spent waiting for data and averaging gradients since the last line."""
        times = {"time/waiting": getattr(self.trainer.train_dataloader, "wait_share", 0.0)}
        now = time.perf_counter()
        if self.reduce.calls:
            times["time/reducing"] = self.reduce.seconds() / (now - self._last_log_time)
        self._last_log_time = now
        return times

    def on_train_start(self) -> None:
        self._last_log_time = time.perf_counter()

    def _step(self, player: str) -> None:
        """Average the gradients of a player over processes and step its optimiser.

        Lightning counts a global step whenever a wrapped optimiser steps. Only the player that steps in every
        batch goes through its wrapper, so `global_step` equals the number of batches.
        """
        self._stepping = player
        optimizers = dict(zip(self.players, self._optimizers(), strict=True))
        wrapped: Any = optimizers[self.stepping_optimizer[player]]
        self.reduce(p for group in wrapped.optimizer.param_groups for p in group["params"])
        if player == list(self.stepping_optimizer)[-1]:
            wrapped.step(closure=lambda: None)
        else:
            self.trainer.strategy.optimizer_step(wrapped.optimizer, closure=lambda: None)
        wrapped.optimizer.zero_grad(set_to_none=True)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Check and clip the gradients of the player that is about to step; fp16's are already unscaled."""
        parameters = self.game.parameters(self._stepping)
        if self._scaler is None:
            norm = self.gradient_monitor.observe(self._stepping, self.batches_done, self._batch)
        else:  # overflows are expected, and skipped by the scaler
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        limit = self.recipe.clip.get(self._stepping)
        if limit:
            nn.utils.clip_grads_with_norm_(parameters, limit, norm)

    def check_finite(self) -> None:
        """Raise `NotFinite` if a gradient since the last check was not finite; waits for the device."""
        self.gradient_monitor.raise_if_bad()
        if self._scaler is not None and self._scaler.get_scale() < SMALLEST_SCALE:
            raise NotFinite(
                f"step {self.batches_done}: every step overflows in 16-mixed; use "
                "trainer.precision=bf16-mixed or 32-true, lower the learning rate or check the data"
            )

    def _scale(self, loss: Tensor) -> Tensor:
        """Return the loss times fp16's loss scale; the loss itself in any other precision."""
        return cast(Tensor, self._scaler.scale(loss)) if self._scaler is not None else loss

    @property
    def _scaler(self) -> Any:
        return getattr(self.trainer.precision_plugin, "scaler", None)

    def _optimizers(self) -> list[Any]:
        found = self.optimizers()
        return found if isinstance(found, list) else [found]

    def trainable(self, player: str) -> nn.Module:
        """Return the module whose parameters the optimiser of this name updates."""
        return cast(nn.Module, getattr(self, player))

    def configure_optimizers(self) -> Any:
        """Build optimisers and schedules; a schedule counts batches, even those its player sits out."""
        optimizers = [self.recipe.optimizers[p](self.trainable(p).parameters()) for p in self.players]
        self._first_optimizer = optimizers[0]
        makers = [self.recipe.schedulers.get(player) for player in self.players]
        matched = zip(makers, optimizers, strict=True)
        self._schedulers = [make(optimizer) for make, optimizer in matched if make is not None]
        return optimizers, self._schedulers

    @property
    def rate_left(self) -> float:
        """Return the generator's learning rate now as a fraction of its largest; 1 without a schedule."""
        group = self._first_optimizer.param_groups[0]
        largest = max(group.get("max_lr", 0.0), group.get("initial_lr", 0.0), group["lr"])
        return float(group["lr"] / largest) if largest else 1.0

    def record(self, values: Mapping[str, float]) -> None:
        """Write one line to every logger, at the number of batches done."""
        self.recorded = dict(values)
        for logger in self.trainer.loggers:
            logger.log_metrics(dict(values), step=self.batches_done)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the module's own counters; a batch that is fetched but not trained counts as not begun."""
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
    """Return a 32-bit seed that depends on all the numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
