"""What all tasks share: the game's step inside Lightning, optimisers, averaging, scores, logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from src.adversarial import UPDATES, Ema, Game, Update, Watch
from src.tasks.recipe import PLAYERS, Recipe

Batch = dict[str, Any]


class AdversarialTask(pl.LightningModule):
    """A generator and, unless it is None, a discriminator, trained by one adversarial update a batch.

    A task answers the hooks up to `samples`; the rest is here. `global_step` counts batches. With the
    discriminator None this is plain supervised training through the same code.
    """

    def __init__(self, recipe: Recipe, monitor: str) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.recipe = recipe
        self.monitor = monitor
        self.generator = recipe.generator
        self.discriminator = recipe.discriminator
        self.average = Ema(recipe.generator, recipe.ema_half_life) if recipe.ema_half_life else None
        self.game = Game(
            rules=self, generator=self.generator, discriminator=self.discriminator, **recipe.game
        )
        self.penalties = nn.ModuleList(self.game.penalties)  # what they remember belongs in the checkpoint
        self.augment = self.game.augment
        self.watch = Watch(self.game)
        self.update: Update = UPDATES["shared"]()
        self.players = PLAYERS if self.discriminator is not None else PLAYERS[:1]
        self.batches_done = 0
        self.latest: dict[str, Tensor] = {}
        self.case_scores: list[dict[str, Any]] = []
        self.legends: dict[str, Any] = {}
        self.final: dict[str, float] = {}

    def generate(self, batch: Batch) -> Any:
        """What the generator makes of a batch, with its graph: a tensor or a structure of tensors."""
        raise NotImplementedError

    def pairs(self, batch: Batch, output: Any) -> tuple[Any, Any]:
        """(real, fake) as the discriminator sees them."""
        raise NotImplementedError

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        """Named, weighted losses that need no discriminator."""
        return {}

    def predict(self, batch: Batch) -> Any:
        """The task's answer for an evaluation batch, from the averaged generator."""
        raise NotImplementedError

    def score(self, stage: str, batch: Batch, prediction: Any) -> None:
        """Take one evaluation batch into the scores of `stage` ("val" or "test")."""
        raise NotImplementedError

    def scores(self, stage: str) -> dict[str, float]:
        """Final flat scores of a stage, reset for its next pass."""
        raise NotImplementedError

    def prepare_baselines(self, data: Any) -> None:
        """Fit what the test scores are to be compared with, on training cases alone."""

    def baseline_scores(self) -> dict[str, float]:
        """`<baseline>/<score>` of the baselines on the test split."""
        return {}

    def samples(self, batch: Batch, prediction: Any) -> dict[str, np.ndarray]:
        """Named pictures of an evaluation batch: RGB [n, height, width, 3], one row a case."""
        return {}

    def training_step(self, batch: Batch, index: int) -> None:
        torch.manual_seed(
            int(np.random.SeedSequence([self.recipe.seed, self.batches_done]).generate_state(1)[0])
        )
        self._batch = batch
        self.latest = self.update(self.game, batch, self.batches_done, self._step, self._scale)
        self.batches_done += 1
        if self.average is not None:
            self.average.update(len(batch["image"]) * self.trainer.world_size)
        if self.batches_done % self.recipe.log_every == 0:
            self.watch.check()
            self.record({name: float(value) for name, value in self.latest.items()})

    def _step(self, player: str) -> None:
        """One optimiser step of a player whose gradients are complete.

        Lightning counts a global step at each step of a wrapped optimiser. So that `global_step` equals the
        number of batches, only the player that moves in every batch steps through its wrapper.
        """
        self._moving = player
        wrapped = cast(Any, dict(zip(self.players, self._optimizers(), strict=True))[player])
        if player == self.players[-1]:
            wrapped.step(closure=lambda: None)
        else:
            self.trainer.strategy.optimizer_step(wrapped.optimizer, closure=lambda: None)
        scheduler = self._schedulers.get(player)
        if scheduler is not None:
            scheduler.step()
        wrapped.optimizer.zero_grad(set_to_none=True)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Watch and clip the gradients of the player that is about to step.

        Lightning calls this after fp16 gradients were unscaled; those overflow by design and are not watched.
        """
        player = self._moving
        parameters = self.game.parameters(player)
        if self._scaler is None:
            norm = self.watch.look(player, self.batches_done, self._batch)
        else:
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        limit = self.recipe.clip.get(player)
        if limit:
            nn.utils.clip_grads_with_norm_(parameters, limit, norm)

    def _scale(self, loss: Tensor) -> Tensor:
        """fp16's loss scale; the loss itself in any other precision."""
        return cast(Tensor, self._scaler.scale(loss)) if self._scaler is not None else loss

    @property
    def _scaler(self) -> Any:
        return getattr(self.trainer.precision_plugin, "scaler", None)

    def _optimizers(self) -> list[Any]:
        found = self.optimizers()
        return found if isinstance(found, list) else [found]

    def configure_optimizers(self) -> Any:
        optimizers, schedulers = [], []
        self._schedulers: dict[str, Any] = {}
        for player in self.players:
            optimizer = self.recipe.optimizers[player](getattr(self, player).parameters())
            optimizers.append(optimizer)
            make = self.recipe.schedulers.get(player)
            if make is not None:
                self._schedulers[player] = make(optimizer)
                schedulers.append(self._schedulers[player])
        return optimizers, schedulers

    @property
    def evaluator(self) -> nn.Module:
        """The generator that is judged: the averaged one where there is one."""
        return self.average.module if self.average is not None else self.generator

    def validation_step(self, batch: Batch, index: int) -> Any:
        return self._evaluate("val", batch)

    def test_step(self, batch: Batch, index: int) -> Any:
        return self._evaluate("test", batch)

    def _evaluate(self, stage: str, batch: Batch) -> Any:
        prediction = self.predict(batch)
        self.score(stage, batch, prediction)
        return {"prediction": prediction}

    def on_test_start(self) -> None:
        self.prepare_baselines(self.trainer.datamodule)  # type: ignore[attr-defined]

    def on_validation_epoch_end(self) -> None:
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        self._finish("test")

    def _finish(self, stage: str) -> None:
        scores = {f"{stage}/{name}": value for name, value in self.scores(stage).items()}
        if stage == "test":
            scores |= {f"baseline/{name}": value for name, value in self.baseline_scores().items()}
        self.log_dict(scores, logger=False, rank_zero_only=True)
        self.record(scores)
        self.final = scores

    def record(self, values: Mapping[str, float]) -> None:
        """Write one line to every logger, at the number of batches done."""
        for logger in self.trainer.loggers:
            logger.log_metrics(dict(values), step=self.batches_done)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint is written between two batches: one that is only fetched counts as not begun."""
        checkpoint["batches_done"] = self.batches_done
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for counts in (progress["total"], progress["current"]):
            counts |= dict.fromkeys(("ready", "started", "processed"), counts["completed"])

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.batches_done = checkpoint["batches_done"]
